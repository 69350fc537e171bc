"""Charts of latents, of what they decode to, and of the tilt between two priors."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from app.figures import plane
from app.figures.style import DATA, FOLLOWED, TILTED, titled

_BUBBLE = 50  # letters in a line of what is read under the pointer


@dataclass(frozen=True, slots=True)
class Cloud:
    """Points of one distribution.

    Attributes:
        points: `(n, 2)`.
        color: of the distribution.
        rows: what identifies each point when a person selects it, `(n,)`; None: none can be.
        energy: −f(z) at each point, `(n,)`, to colour by; None: all in `color`.
        said: what each point says, to be read under the pointer; None: nothing.
        found: which points stand out, bool `(n,)`; None: all alike.
    """

    points: np.ndarray
    color: str
    rows: np.ndarray | None = None
    energy: np.ndarray | None = None
    said: Sequence[str] | None = None
    found: np.ndarray | None = None


def projection(
    clouds: dict[str, Cloud],
    axes: tuple[str, str],
    density: tuple[np.ndarray, np.ndarray] | None = None,
    contours: tuple[np.ndarray, np.ndarray] | None = None,
    chains: np.ndarray | None = None,
    extent: float | None = None,
) -> go.Figure:
    """Latents of several distributions in one frame, with marginals.

    Args:
        clouds: by name, drawn in order.
        axes: the names of the two axes.
        density: (axis `(m,)`, values `(m, m)`), drawn as shades beneath.
        contours: likewise, drawn as lines above.
        chains: places `(T, chains, 2)`, drawn as lines from a ring to a dot.
        extent: half the side of the frame; None fits it to the points.
    """
    figure = go.Figure()
    if density is not None:
        plane.shade(figure, *density, TILTED)
    for name, cloud in clouds.items():
        _add_cloud(figure, name, cloud)
    if contours is not None:
        plane.levels(figure, *contours, TILTED, "contours of p<sub>λ</sub>")
    if chains is not None:
        plane.path(figure, chains.swapaxes(0, 1), FOLLOWED, f"{chains.shape[1]} chains", width=1)
        ends = {"color": FOLLOWED, "size": 8, "symbol": ["circle-open"] * chains.shape[1]}
        ends["symbol"] += ["circle"] * chains.shape[1]
        x, y = np.concatenate([chains[0], chains[-1]]).T
        figure.add_scatter(
            x=x, y=y, mode="markers", marker=ends, showlegend=False, hoverinfo="skip"
        )
    titled(figure, "", *axes)
    span = None if extent is None else [-extent, extent]
    within = {"domain": [0, 0.86], "range": span, "zeroline": False, "showgrid": False}
    within |= {"constrain": "domain"}
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False}
    figure.update_layout(
        barmode="overlay",
        height=540,
        dragmode="lasso",
        legend={"y": -0.12, "x": 0, "xanchor": "left", "yanchor": "top", "itemsizing": "constant"},
        margin_t=10,
        xaxis=within,
        yaxis={"scaleanchor": "x", "constraintoward": "top", **within},
        xaxis2={"domain": [0.88, 1], **bare},
        yaxis2={"domain": [0.88, 1], **bare},
    )
    return figure


def _add_cloud(figure: go.Figure, name: str, cloud: Cloud) -> None:
    """Its points and their two marginals."""
    marker = {"color": cloud.color, "size": 5, "opacity": 0.55}
    if cloud.energy is not None:
        low, high = np.quantile(cloud.energy, [0.02, 0.98])
        bar = {"title": "−f(z)", "thickness": 10, "len": 0.5, "y": 0.4, "x": 1.02}
        marker |= {"color": cloud.energy, "colorscale": "Viridis", "cmin": low, "cmax": high}
        marker |= {"colorbar": bar, "opacity": 0.85}
    if cloud.found is not None:
        marker |= {"size": np.where(cloud.found, 11, 4), "opacity": np.where(cloud.found, 1, 0.12)}
    figure.add_scattergl(
        x=cloud.points[:, 0],
        y=cloud.points[:, 1],
        name=name,
        mode="markers",
        customdata=cloud.rows,
        hoverinfo="skip" if cloud.said is None else "text+name",
        hovertext=None if cloud.said is None else [_in_bubble(said) for said in cloud.said],
        hoverlabel={"namelength": -1},
        marker=marker,
    )
    common = {"marker_color": cloud.color, "opacity": 0.5, "showlegend": False}
    common |= {"hoverinfo": "skip", "histnorm": "probability density"}
    figure.add_histogram(x=cloud.points[:, 0], yaxis="y2", nbinsx=40, **common)
    figure.add_histogram(y=cloud.points[:, 1], xaxis="x2", nbinsy=40, **common)


def _in_bubble(sentence: str) -> str:
    """A sentence in lines, letter by letter: what Plotly takes for markup is not."""
    lines = textwrap.wrap(sentence, _BUBBLE, break_on_hyphens=False)
    return "<br>".join(html.escape(line, quote=False) for line in lines) or "(says nothing)"


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
    figure.add_vline(x=here, line_dash="dash", line_color=DATA)
    title = "log Z(λ) = log E[exp λ f(z)] under p₀, 95 % intervals"
    return titled(figure, title, "tilt λ", "log Z, nats")
