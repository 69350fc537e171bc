"""Curves as one SVG: panels side by side, a linear axis below, a logarithmic one at the side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

#: Okabe and Ito's colours, safe for colour-blind eyes.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000")

_WIDTH, _HEIGHT = 460, 330  # of a panel, pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 16, 62, 48


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart.

    Attributes:
        title: above it.
        x: name of the horizontal axis, with its unit.
        y: name of the vertical axis.
        curves: name -> its points (x, y), every y above 0; at least one point in all.
    """

    title: str
    x: str
    y: str
    curves: dict[str, list[tuple[float, float]]]


def svg(panels: list[Panel]) -> str:
    """The panels as an SVG document; a name has the same colour in all of them."""
    names = dict.fromkeys(name for panel in panels for name in panel.curves)
    colors = {name: COLORS[i % len(COLORS)] for i, name in enumerate(names)}
    width = _WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" '
        f'width="{width}" height="{_HEIGHT}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for i, panel in enumerate(panels):
        parts += [f'<g transform="translate({i * _WIDTH})">', *_panel(panel, colors), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, colors: dict[str, str]) -> Iterator[str]:
    points = [point for curve in panel.curves.values() for point in curve]
    longest = max(x for x, _ in points) or 1.0
    low, high = (f(math.log10(y) for _, y in points) for f in (min, max))
    low, high = low - 0.05, high + 0.05
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def at(x: float, log_y: float) -> tuple[float, float]:
        across = (right - _LEFT) * x / longest
        return _LEFT + across, bottom - (bottom - _TOP) * (log_y - low) / (high - low)

    yield f'<text x="{_LEFT}" y="18" font-size="14" font-weight="bold">{escape(panel.title)}</text>'
    for value in _linear_ticks(longest):
        x, _ = at(value, low)
        yield _line(x, bottom, x, bottom + 4, "#555555")
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{value:g}</text>'
    for value in _logarithmic_ticks(low, high):
        _, y = at(0, math.log10(value))
        yield _line(_LEFT, y, right, y, "#DDDDDD")
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    yield _line(_LEFT, bottom, right, bottom, "#555555")
    middle = (_LEFT + right) / 2
    yield f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(panel.x)}</text>'
    turned = f'transform="translate(16 {(_TOP + bottom) / 2}) rotate(-90)"'
    yield f'<text {turned} text-anchor="middle">{escape(panel.y)}</text>'
    for i, (name, curve) in enumerate(panel.curves.items()):
        places = [at(x, math.log10(y)) for x, y in curve]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        color = colors[name]
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
        yield from (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{color}"/>' for x, y in places
        )
        x, y = _LEFT + 125 * (i % 3), 34 + 15 * (i // 3)
        yield _line(x, y, x + 16, y, color, width=2)
        yield f'<text x="{x + 20}" y="{y + 4}">{escape(name)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, color: str, width: int = 1) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{color}" stroke-width="{width}"/>'


def _linear_ticks(longest: float) -> list[float]:
    """From 0 to the end in three to eight round steps."""
    power = 10.0 ** math.floor(math.log10(longest))
    step = next(s * power for s in (0.2, 0.5, 1, 2) if longest / (s * power) <= 8)
    return [round(i * step, 10) for i in range(int(longest / step + 1e-9) + 1)]


def _logarithmic_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two exponents; finer if those are fewer than two."""
    for digits in ((1, 2, 5), range(10, 100, 5), range(100, 1000)):
        scale = len(str(digits[0])) - 1
        decades = range(math.floor(low), math.floor(high) + 1)
        ticks = [d * 10.0 ** (k - scale) for k in decades for d in digits]
        ticks = [t for t in ticks if low <= math.log10(t) <= high]
        if len(ticks) >= 2:
            return ticks[:: -(-len(ticks) // 12)]
    return []
