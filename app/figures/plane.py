"""A square of the plane, and what can lie on it: densities, points, arrows, paths."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from app.figures.style import DATA, FOLLOWED, TILTED

LATENT, OBSERVED = ("z₁", "z₂"), ("x₁", "x₂")


def plane(title: str, axes: tuple[str, str], extent: float, height: int = 430) -> go.Figure:
    """An empty square over [-extent, extent]²; `title` says what is drawn on it."""
    figure = go.Figure()
    bare = {"range": [-extent, extent], "zeroline": False, "showgrid": False}
    bare |= {"constrain": "domain", "nticks": 6}
    figure.update_layout(
        title={"text": title, "font_size": 14, "x": 0},
        xaxis={"title": axes[0], **bare},
        yaxis={"title": axes[1], "scaleanchor": "x", **bare},
        margin={"l": 10, "r": 10, "t": 40, "b": 70},
        legend={"orientation": "h", "y": -0.17, "yanchor": "top", "itemsizing": "constant"},
        height=height,
        uirevision=title,
    )
    return figure


def shade(figure: go.Figure, axis: np.ndarray, density: np.ndarray, color: str) -> None:
    """A density in shades of a colour: values `(m, m)`, row i at axis[i] of the second axis."""
    figure.add_heatmap(
        x=axis,
        y=axis,
        z=density,
        colorscale=[[0, _rgba(color, 0)], [0.15, _rgba(color, 0.3)], [1, _rgba(color, 1)]],
        zsmooth="best",
        showscale=False,
        hoverinfo="skip",
    )


def levels(figure: go.Figure, axis: np.ndarray, density: np.ndarray, color: str, name: str) -> None:
    """The same as contour lines."""
    figure.add_contour(
        x=axis,
        y=axis,
        z=np.sqrt(density),  # so that low peaks get a line too
        contours={"coloring": "none", "showlabels": False},
        ncontours=6,
        line={"color": color, "width": 1.5},
        name=name,
        showlegend=True,
        showscale=False,
        hoverinfo="skip",
    )


def signed(figure: go.Figure, axis: np.ndarray, values: np.ndarray, limit: float) -> None:
    """A function of either sign: vermilion above 0, blue below, nothing at 0."""
    figure.add_heatmap(
        x=axis,
        y=axis,
        z=values,
        zmin=-limit,
        zmax=limit,
        colorscale=[[0, _rgba(TILTED, 0.95)], [0.5, _rgba(DATA, 0)], [1, FOLLOWED]],
        zsmooth="best",
        colorbar={"thickness": 8, "len": 0.6, "x": 1, "outlinewidth": 0},
        hoverinfo="skip",
    )


def dots(
    figure: go.Figure,
    points: np.ndarray,
    color: str | np.ndarray,
    name: str,
    size: float = 5,
    opacity: float = 0.7,
) -> None:
    """Points `(n, 2)`; a colour each, as an angle `(n,)`, or one for all."""
    marker = {"size": size, "opacity": opacity, "color": color}
    if not isinstance(color, str):
        marker |= {"colorscale": "HSV", "cmin": -np.pi, "cmax": np.pi}
    figure.add_scatter(
        x=points[:, 0], y=points[:, 1], mode="markers", marker=marker, name=name, hoverinfo="skip"
    )


def data(figure: go.Figure, points: np.ndarray) -> None:
    """Examples `(n, 2)`, pale, to be seen beneath."""
    dots(figure, points, DATA, "data", size=3, opacity=0.35)


def arrows(
    figure: go.Figure, starts: np.ndarray, vectors: np.ndarray, color: str, name: str
) -> None:
    """Arrows from `starts` `(n, 2)` by `vectors` `(n, 2)`."""
    gap = np.full_like(starts, np.nan)
    rows = np.stack([starts, starts + vectors, gap], 1).reshape(-1, 2)
    figure.add_scatter(
        x=rows[:, 0],
        y=rows[:, 1],
        mode="lines+markers",
        line={"color": color, "width": 2},
        marker={"symbol": "arrow", "angleref": "previous", "size": [0, 9, 0] * len(starts)},
        marker_color=color,
        name=name,
        hoverinfo="skip",
    )


def path(figure: go.Figure, points: np.ndarray, color: str, name: str, width: float = 2) -> None:
    """A line through points `(n, 2)`, or several lines `(lines, n, 2)`."""
    lines = points[None] if points.ndim == 2 else points
    gap = np.full((len(lines), 1, 2), np.nan)
    rows = np.concatenate([lines, gap], 1).reshape(-1, 2)
    figure.add_scatter(
        x=rows[:, 0],
        y=rows[:, 1],
        mode="lines",
        line={"color": color, "width": width},
        name=name,
        hoverinfo="skip",
    )


def _rgba(color: str, opacity: float) -> str:
    return f"rgba{(*hex_to_rgb(color), opacity)}"
