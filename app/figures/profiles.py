"""Charts of the energy along lines and paths of latent space, over what they decode to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from app.figures.pictures import picture
from app.figures.style import DATA, FOLLOWED, GAUSSIAN, TILTED, titled
from train.pictures import mosaic

#: Paths between two points, told apart by colour and dash.
ROUTES = {"straight": "#8C8C8C", "spherical": "#CC79A7", "low energy": FOLLOWED}
DASHES = {"straight": "dash", "spherical": "dot", "low energy": "solid"}
_STRIP = 74  # pixels of height for a row of decoded pictures
_CURVES = 300  # and for the curves above them


@dataclass(frozen=True, slots=True)
class Curve:
    """A line in a chart: name, values `(n,)`, colour and dash."""

    name: str
    at: np.ndarray
    values: np.ndarray
    color: str
    dash: str = "solid"


@dataclass(frozen=True, slots=True)
class Strip:
    """Decoded pictures `(m, h, w, c)` that stand at evenly spread places `(m,)`."""

    name: str
    at: np.ndarray
    pictures: np.ndarray


def profile_curves(at: np.ndarray, energy: np.ndarray, neg_log_prob: np.ndarray) -> list[Curve]:
    """-log p_α and the two terms it is the sum of, all `(n,)`."""
    return [
        Curve("−log p_α(z), up to log Z", at, neg_log_prob, TILTED),
        Curve("energy −f(z)", at, energy, TILTED, "dash"),
        Curve("−log p₀(z)", at, neg_log_prob - energy, GAUSSIAN, "dot"),
    ]


def route_curves(routes: dict[str, tuple[np.ndarray, np.ndarray]]) -> list[Curve]:
    """A curve a path: name of `ROUTES` -> (places, energies)."""
    return [
        Curve(name, at, values, ROUTES[name], DASHES[name]) for name, (at, values) in routes.items()
    ]


def along(
    curves: list[Curve], strips: list[Strip], marks: dict[float, str], titles: tuple[str, str, str]
) -> go.Figure:
    """Curves over places, and what the places decode to in rows beneath, on one horizontal axis.

    Args:
        curves: what to draw.
        strips: rows of pictures; none for a model of points.
        marks: place -> name, marked by vertical lines.
        titles: of the chart, the horizontal axis and the vertical one.
    """
    figure = go.Figure()
    for curve in curves:
        line = {"color": curve.color, "dash": curve.dash, "width": 2.5}
        figure.add_scatter(x=curve.at, y=curve.values, name=curve.name, mode="lines", line=line)
    titled(figure, *titles)
    n = len(strips)
    share = _STRIP / (_CURVES + n * _STRIP)
    for i, strip in enumerate(strips):
        _add_strip(figure, strip, f"yaxis{i + 2}", ((n - 1 - i) * share, (n - i) * share))
    half = half_gap(strips[0].at) if strips else 0.0
    span = [float(curves[0].at[0]) - half, float(curves[0].at[-1]) + half]
    figure.update_layout(
        height=_CURVES + n * _STRIP + 150,
        xaxis={"range": span, "anchor": "free", "position": 0},
        yaxis_domain=[n * share + 0.02, 1],
        hovermode="x unified",
        dragmode=False,  # so that a finger scrolls where the chart is wider than the screen
        margin_t=100,
        title={"yref": "container", "y": 0.98, "yanchor": "top"},
        legend={"y": 1.01, "yanchor": "bottom", "x": 0, "xanchor": "left"},
    )
    for place, name in marks.items():
        line = {"dash": "dash", "width": 1, "color": DATA}
        figure.add_vline(x=place, line=line, annotation_text=name)
    return figure


def half_gap(at: np.ndarray) -> float:
    return float(at[1] - at[0]) / 2


def _add_strip(figure: go.Figure, strip: Strip, axis: str, domain: tuple[float, float]) -> None:
    """One row of pictures on a vertical axis of its own, in this part of the chart's height."""
    half = half_gap(strip.at)
    edges = (float(strip.at[0]) - half, float(strip.at[-1]) + half)
    whole = mosaic(strip.pictures, len(strip.pictures))
    figure.add_trace(picture(whole, edges, (0, 1), yaxis=axis.replace("axis", ""), name=strip.name))
    figure.layout[axis] = {
        "domain": domain,
        "range": [-0.04, 1.04],
        "scaleanchor": False,
        "showticklabels": False,
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
        "title": {"text": strip.name, "font": {"size": 11}},
    }
