"""Charts of the energy over lines, planes and paths of latent space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from app.figures.pictures import picture
from app.figures.style import FOLLOWED, GAUSSIAN, TILTED, titled
from train.pictures import mosaic

#: Paths between two points, told apart by colour and dash.
ROUTES = {"straight": "#8C8C8C", "spherical": "#CC79A7", "low energy": FOLLOWED}
_DASHES = {"straight": "dash", "spherical": "dot", "low energy": "solid"}
_STRIP = 74  # pixels of height for a row of decoded pictures
_CURVES = 300  # and for the curves above them
_SHADES = [[0, "rgba(0,114,178,0.8)"], [1, "rgba(0,114,178,0)"]]


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
        Curve(name, at, values, ROUTES[name], _DASHES[name])
        for name, (at, values) in routes.items()
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
    half = _half_gap(strips[0].at) if strips else 0.0
    span = [float(curves[0].at[0]) - half, float(curves[0].at[-1]) + half]
    figure.update_layout(
        height=_CURVES + n * _STRIP + 150,
        xaxis={"range": span, "anchor": "free", "position": 0},
        yaxis_domain=[n * share + 0.02, 1],
        hovermode="x unified",
        margin_t=100,
        title={"yref": "container", "y": 0.98, "yanchor": "top"},
        legend={"y": 1.01, "yanchor": "bottom", "x": 0, "xanchor": "left"},
    )
    for place, name in marks.items():
        figure.add_vline(x=place, line_dash="dash", line_width=1, annotation_text=name)
    return figure


def _half_gap(at: np.ndarray) -> float:
    return float(at[1] - at[0]) / 2


def _add_strip(figure: go.Figure, strip: Strip, axis: str, domain: tuple[float, float]) -> None:
    """One row of pictures on a vertical axis of its own, in this part of the chart's height."""
    half = _half_gap(strip.at)
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


def plane_energy(
    ticks: np.ndarray,
    values: np.ndarray,
    marks: dict[str, np.ndarray],
    titles: tuple[str, str, str],
    lines: list[tuple[str, np.ndarray]] | None = None,
) -> go.Figure:
    """An energy over a plane as shades and level lines, dark where it is low.

    Args:
        ticks: coordinates along either axis, `(m,)`.
        values: `(m, m)`, row i at ticks[i] of the second axis.
        marks: name -> coordinates `(2,)`.
        titles: of the chart and both axes.
        lines: paths to draw in the plane: name of `ROUTES` -> coordinates `(n, 2)`.
    """
    low = float(values.min())
    high = max(float(np.quantile(values, 0.6)), low + 1e-3)  # far out it only rises
    figure = go.Figure()
    common = {"x": ticks, "y": ticks, "z": values}
    figure.add_heatmap(
        **common,
        zmin=low,
        zmax=high,
        colorscale=_SHADES,
        zsmooth="best",
        colorbar={"title": "nats", "thickness": 8, "len": 0.8},
        hovertemplate="%{x:.2f}, %{y:.2f}: %{z:.2f} nats<extra></extra>",
    )
    figure.add_contour(
        **common,
        contours={"coloring": "none", "start": low, "end": high, "size": (high - low) / 10},
        line={"width": 0.8, "color": "rgba(128,128,128,0.8)"},
        showlegend=False,
        hoverinfo="skip",
    )
    for name, path in lines or []:
        line = {"color": ROUTES[name], "dash": _DASHES[name], "width": 3}
        figure.add_scatter(x=path[:, 0], y=path[:, 1], name=name, mode="lines", line=line)
    _add_marks(figure, marks)
    return _square(titled(figure, *titles), float(ticks[-1]))


def plane_pictures(
    coarse: np.ndarray,
    pictures: np.ndarray,
    marks: dict[str, np.ndarray],
    titles: tuple[str, str, str],
) -> go.Figure:
    """Pictures `(m, m, h, w, c)` over a plane; row i stands at coarse[i] of the second axis."""
    half = _half_gap(coarse)
    edges = (float(coarse[0]) - half, float(coarse[-1]) + half)
    rows = pictures[::-1]  # the first row of a mosaic is at its top
    whole = mosaic(rows.reshape(-1, *rows.shape[2:]), len(coarse))
    figure = go.Figure(picture(whole, edges, edges))
    _add_marks(figure, marks)
    return _square(titled(figure, *titles), edges[1])


def plane_points(decoded: np.ndarray, context: np.ndarray, extent: float = 3.0) -> go.Figure:
    """What the lines of a grid in a latent plane become in the data's plane.

    Args:
        decoded: `(m, m, 2)`; rows and columns are lines.
        context: decoded prior samples, `(n, 2)`.
        extent: half the side of the square that is drawn.
    """
    figure = go.Figure()
    _add_context(figure, context)
    gap = np.full((len(decoded), 1, 2), np.nan)  # lifts the pen between two lines
    for name, lines, color in (
        ("first coordinate runs", decoded, "#8C8C8C"),
        ("second coordinate runs", decoded.swapaxes(0, 1), "#CC79A7"),
    ):
        pen = np.concatenate([lines, gap], 1).reshape(-1, 2)
        line = {"width": 1, "color": color}
        figure.add_scatter(x=pen[:, 0], y=pen[:, 1], name=name, mode="lines", line=line)
    return _square(titled(figure, "The latent grid after the generator", "x₁", "x₂"), extent)


def data_curves(
    curves: dict[str, tuple[np.ndarray, str]], context: np.ndarray, extent: float = 3.0
) -> go.Figure:
    """Decoded curves in the data's plane: name -> (points `(n, 2)`, colour)."""
    figure = go.Figure()
    _add_context(figure, context)
    for name, (points, color) in curves.items():
        line = {"width": 3, "color": color, "dash": _DASHES.get(name, "solid")}
        figure.add_scatter(x=points[:, 0], y=points[:, 1], name=name, mode="lines", line=line)
        ends = {"size": 9, "color": color, "symbol": ["circle", "circle-open"]}
        x, y = points[[0, -1]].T
        figure.add_scatter(x=x, y=y, mode="markers", marker=ends, showlegend=False)
    return _square(titled(figure, "Decoded g(z); a dot where it begins", "x₁", "x₂"), extent)


def _add_context(figure: go.Figure, context: np.ndarray) -> None:
    marker = {"color": TILTED, "size": 3, "opacity": 0.35}
    figure.add_scattergl(
        x=context[:, 0], y=context[:, 1], name="prior samples", mode="markers", marker=marker
    )


def _add_marks(figure: go.Figure, marks: dict[str, np.ndarray]) -> None:
    if not marks:
        return
    x, y = np.stack(list(marks.values())).T
    figure.add_scatter(
        x=x,
        y=y,
        text=list(marks),
        mode="markers+text",
        textposition="top right",
        textfont={"color": FOLLOWED, "size": 16},
        marker={"color": FOLLOWED, "size": 10, "line": {"color": "white", "width": 1.5}},
        showlegend=False,
        hoverinfo="text",
    )


def _square(figure: go.Figure, extent: float) -> go.Figure:
    span = [-extent, extent]
    figure.update_layout(
        height=500,
        legend={"orientation": "h", "y": -0.16, "yanchor": "top", "x": 0, "xanchor": "left"},
        xaxis={"range": span, "constrain": "domain", "showgrid": False, "zeroline": False},
        yaxis={
            "range": span,
            "scaleanchor": "x",
            "constrain": "domain",
            "showgrid": False,
            "zeroline": False,
        },
    )
    return figure
