"""Charts of latents, of what they decode to, and of the tilt between two priors."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from app.figures.style import TILTED, titled


def projection(
    groups: dict[str, tuple[np.ndarray, str]],
    axes: tuple[str, str],
    selectable: str,
    density: tuple[np.ndarray, np.ndarray] | None = None,
    extent: float | None = None,
) -> go.Figure:
    """Latents of several distributions in one frame, with marginals.

    Args:
        groups: name -> (points `(n, 2)`, colour), drawn in order.
        axes: the names of the two axes.
        selectable: the group whose points carry their row as `customdata`.
        density: (axis `(m,)`, values `(m, m)`), drawn as shades beneath.
        extent: half the side of the frame; None fits it to the points.
    """
    figure = go.Figure()
    if density is not None:
        axis, values = density
        figure.add_heatmap(
            x=axis,
            y=axis,
            z=values,
            colorscale=[[0, "rgba(0,114,178,0)"], [1, "rgba(0,114,178,0.7)"]],
            zsmooth="best",
            showscale=False,
            hoverinfo="skip",
        )
    for name, (points, color) in groups.items():
        rows = np.arange(len(points)) if name == selectable else None
        figure.add_scattergl(
            x=points[:, 0],
            y=points[:, 1],
            name=name,
            mode="markers",
            customdata=rows,
            hoverinfo="skip",
            marker={"color": color, "size": 5, "opacity": 0.55},
        )
        common = {"marker_color": color, "opacity": 0.5, "showlegend": False, "hoverinfo": "skip"}
        common |= {"histnorm": "probability density"}
        figure.add_histogram(x=points[:, 0], yaxis="y2", nbinsx=40, **common)
        figure.add_histogram(y=points[:, 1], xaxis="x2", nbinsy=40, **common)
    titled(figure, "", *axes)
    span = None if extent is None else [-extent, extent]
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False}
    figure.update_layout(
        barmode="overlay",
        height=560,
        dragmode="lasso",
        xaxis={"domain": [0, 0.86], "range": span},
        yaxis={"domain": [0, 0.86], "range": span, "scaleanchor": "x"},
        xaxis2={"domain": [0.88, 1], **bare},
        yaxis2={"domain": [0.88, 1], **bare},
    )
    return figure


def points(groups: dict[str, tuple[np.ndarray, str]], extent: float = 3.0) -> go.Figure:
    """Decoded points in the data's plane: name -> (points `(n, 2)`, colour)."""
    figure = go.Figure()
    for name, (rows, color) in groups.items():
        marker = {"color": color, "size": 4, "opacity": 0.7}
        figure.add_scattergl(x=rows[:, 0], y=rows[:, 1], name=name, mode="markers", marker=marker)
    titled(figure, "", "x₁", "x₂")
    span = [-extent, extent]
    figure.update_layout(xaxis_range=span, yaxis={"range": span, "scaleanchor": "x"}, height=420)
    return figure


def log_partition_curve(
    tilts: np.ndarray, log_z: np.ndarray, error: np.ndarray, here: float
) -> go.Figure:
    """log Z(λ) with its 95 % interval.

    Args:
        tilts: λ, `(L,)`.
        log_z: estimates, `(L,)`.
        error: their standard errors, `(L,)`.
        here: the λ to mark.
    """
    half = 2.36 * error  # Student's t with 7 degrees of freedom: eight groups of particles
    figure = go.Figure()
    figure.add_scatter(
        x=tilts,
        y=log_z,
        mode="lines+markers",
        line_color=TILTED,
        error_y={"type": "data", "array": half},
        name="log Z(λ)",
    )
    figure.add_vline(x=here, line_dash="dash")
    return titled(figure, "log Z(λ) = log E[exp λ f(z)] under p₀", "tilt λ", "log Z, nats")
