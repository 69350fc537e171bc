"""Charts of the energy over planes of latent space, and of what they become after the generator."""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.graph_objects as go

from app.figures.pictures import picture
from app.figures.profiles import DASHES, ROUTES, half_gap
from app.figures.style import FOLLOWED, TILTED, titled
from train.pictures import mosaic

_AGREES = [[0, "rgba(213,94,0,0)"], [1, "rgba(213,94,0,0.9)"]]
_SHADES = [[0, "rgba(0,114,178,0.8)"], [1, "rgba(0,114,178,0)"]]


def plane_energy(
    ticks: np.ndarray,
    values: np.ndarray,
    marks: dict[str, np.ndarray],
    titles: tuple[str, str, str],
    lines: list[tuple[str, np.ndarray]] | None = None,
    *,
    clickable: bool = False,
) -> go.Figure:
    """An energy over a plane as shades and level lines, dark where it is low.

    Args:
        ticks: coordinates along either axis, `(m,)`.
        values: `(m, m)`, row i at ticks[i] of the second axis.
        marks: name -> coordinates `(2,)`.
        titles: of the chart and both axes.
        lines: paths to draw in the plane: name of `ROUTES` -> coordinates `(n, 2)`.
        clickable: whether every place can be selected; the event has its coordinates.
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
        line = {"color": ROUTES[name], "dash": DASHES[name], "width": 3}
        figure.add_scatter(x=path[:, 0], y=path[:, 1], name=name, mode="lines", line=line)
    _add_marks(figure, marks)
    if clickable:
        _add_targets(figure, ticks)
    return _square(titled(figure, *titles), float(ticks[-1]))


def _add_targets(figure: go.Figure, ticks: np.ndarray) -> None:
    """Invisible points all over, since shades themselves cannot be selected."""
    x, y = np.meshgrid(ticks, ticks)
    unseen = {"marker": {"opacity": 0}}
    figure.add_scattergl(
        x=x.ravel(),
        y=y.ravel(),
        mode="markers",
        marker={"size": 12, "color": "rgba(0,0,0,0)"},
        selected=unseen,
        unselected=unseen,
        showlegend=False,
        hovertemplate="%{x:.2f}, %{y:.2f}: click to decode<extra></extra>",
    )
    figure.update_layout(clickmode="event+select", dragmode=False)


def plane_pictures(
    coarse: np.ndarray,
    pictures: np.ndarray,
    marks: dict[str, np.ndarray],
    titles: tuple[str, str, str],
) -> go.Figure:
    """Pictures `(m, m, h, w, c)` over a plane; row i stands at coarse[i] of the second axis."""
    half = half_gap(coarse)
    edges = (float(coarse[0]) - half, float(coarse[-1]) + half)
    rows = pictures[::-1]  # the first row of a mosaic is at its top
    whole = mosaic(rows.reshape(-1, *rows.shape[2:]), len(coarse))
    figure = go.Figure(picture(whole, edges, edges))
    _add_marks(figure, marks)
    return _square(titled(figure, *titles), edges[1])


def plane_words(
    coarse: np.ndarray,
    shares: np.ndarray,
    said: np.ndarray,
    marks: dict[str, np.ndarray],
    titles: tuple[str, str, str],
) -> go.Figure:
    """How much of one sentence is said over a plane; pointed at, a place says its own.

    Args:
        coarse: coordinates along either axis, `(m,)`.
        shares: from 0 to 1, `(m, m)`, row i at coarse[i] of the second axis.
        said: sentences, `(m, m)`.
        marks: name -> coordinates `(2,)`.
        titles: of the chart and both axes.
    """
    figure = go.Figure()
    figure.add_heatmap(
        x=coarse,
        y=coarse,
        z=shares,
        zmin=0,
        zmax=1,
        colorscale=_AGREES,
        colorbar={"tickformat": ".0%", "thickness": 8, "len": 0.8},
        text=[[escape(str(sentence)) for sentence in row] for row in said],
        hovertemplate="%{text}<br>%{z:.0%} of the words<extra></extra>",
    )
    _add_marks(figure, marks)
    return _square(titled(figure, *titles), float(coarse[-1]) + half_gap(coarse))


def plane_points(
    decoded: np.ndarray,
    context: np.ndarray,
    marks: dict[str, np.ndarray],
    extent: float = 3.0,
) -> go.Figure:
    """What the lines of a grid in a latent plane become in the data's plane.

    Args:
        decoded: `(m, m, 2)`; rows and columns are lines.
        context: decoded prior samples, `(n, 2)`.
        marks: name -> coordinates `(2,)`.
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
    _add_marks(figure, marks)
    return _square(titled(figure, "The latent grid after the generator", "x₁", "x₂"), extent)


def data_curves(
    curves: dict[str, tuple[np.ndarray, str]], context: np.ndarray, extent: float = 3.0
) -> go.Figure:
    """Decoded curves in the data's plane: name -> (points `(n, 2)`, colour)."""
    figure = go.Figure()
    _add_context(figure, context)
    for name, (points, color) in curves.items():
        line = {"width": 3, "color": color, "dash": DASHES.get(name, "solid")}
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
