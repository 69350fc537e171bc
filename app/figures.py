"""Charts: arrays in, Plotly figures out; nothing here knows of Streamlit."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

# Okabe and Ito's colours, safe for colour-blind eyes: the same thing has the same colour on
# every page.
MEDIAN = TILTED = "#0072B2"
FOLLOWED = "#D55E00"
GAUSSIAN = "#009E73"
POSTERIOR = "#E69F00"


def energy_profile(
    steps: np.ndarray, energy: np.ndarray, short_step: int, max_points: int = 600
) -> go.Figure:
    """Energy over a long chain: the median and the middle 90 % of the chains.

    Args:
        steps: step numbers, `(T,)`.
        energy: -f(z), `(T, n)`.
        short_step: K_0, marked by a vertical line.
        max_points: points drawn along the chain, evenly spread.
    """
    keep = np.unique(np.linspace(0, len(steps) - 1, max_points).round().astype(int))
    steps, energy = steps[keep], energy[keep]
    low, middle, high = np.nanquantile(energy, [0.05, 0.5, 0.95], axis=1)
    figure = go.Figure()
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(x=steps, y=low, showlegend=False, **band)
    figure.add_scatter(
        x=steps, y=high, fill="tonexty", fillcolor="rgba(0,114,178,0.22)", name="5 to 95 %", **band
    )
    figure.add_scatter(
        x=steps, y=middle, name="median", line={"color": MEDIAN, "width": 2}, mode="lines"
    )
    figure.add_vline(
        x=short_step, line_dash="dash", annotation_text=f"K₀ = {short_step}, as trained"
    )
    return _titled(figure, "Energy over the whole chain", "step k", "energy −f(z)")


def autocorrelations(curves: dict[str, np.ndarray]) -> go.Figure:
    """Autocorrelation over lags, one line a quantity.

    Args:
        curves: name -> autocorrelation from lag 0 on.
    """
    figure = go.Figure()
    for name, values in curves.items():
        figure.add_scatter(x=np.arange(len(values)), y=values, name=name, mode="lines")
    return _titled(figure, "Autocorrelation after K₀", "lag in steps", "correlation")


def _titled(figure: go.Figure, title: str, x: str, y: str) -> go.Figure:
    figure.update_layout(
        title=title,
        xaxis_title=x,
        yaxis_title=y,
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        legend={"orientation": "h", "y": 1.08, "x": 1, "xanchor": "right"},
        height=360,
    )
    return figure


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
    _titled(figure, "", *axes)
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
    _titled(figure, "", "x₁", "x₂")
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
    return _titled(figure, "log Z(λ) = log E[exp λ f(z)] under p₀", "tilt λ", "log Z, nats")
