"""Charts of a training run: what it logs as it goes, and how its prior takes shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from app.figures.style import FOLLOWED, GAUSSIAN, MEDIAN, POSTERIOR, TILTED, titled

MAX_POINTS = 500  # drawn of a curve


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart.

    Attributes:
        table: "metrics" or "evaluation", the file it stands in.
        column: its name there.
        label: in the legend.
        color: one of `app.figures.style`.
    """

    table: str
    column: str
    label: str
    color: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart over iterations; curves that a run does not log are left out."""

    title: str
    unit: str
    help: str
    curves: tuple[Curve, ...]
    log: bool = False


CHARTS = {
    "reconstruction": Chart(
        "Reconstruction error",
        "mean squared error",
        "How far g(z⁺) is from its example: over training batches, and from fresh noise over "
        "held-out examples at each checkpoint. It should fall.",
        (
            Curve("metrics", "mse", "training batches", POSTERIOR),
            Curve("evaluation", "test_mse", "held-out examples", FOLLOWED),
        ),
        log=True,
    ),
    "log_prob": Chart(
        "Exact log p(x) of held-out points",
        "nats",
        "By quadrature over the latent plane: under the learned prior, and with f = 0. The gap is "
        "what the tilt is worth.",
        (
            Curve("evaluation", "log_prob", "under p_α", TILTED),
            Curve("evaluation", "log_prob_gaussian", "with f = 0", GAUSSIAN),
        ),
    ),
    "f_gap": Chart(
        "Gap of f between posterior and prior samples",
        "mean f(z⁺) − mean f(z⁻)",
        "The gradient of the prior's learning (eq. 7) is that of this gap. Near 0 the two agree; "
        "growing without end, the prior's chains no longer keep up.",
        (Curve("metrics", "f_gap", "f gap", MEDIAN),),
    ),
    "norms": Chart(
        "Where the samples lie",
        "mean ‖z‖",
        "Posterior and prior samples should drift to the same distance from the origin.",
        (
            Curve("metrics", "z_plus_norm", "posterior z⁺", POSTERIOR),
            Curve("metrics", "z_minus_norm", "prior z⁻", TILTED),
        ),
    ),
    "gradients": Chart(
        "Gradient norms",
        "norm",
        "Of the two networks' parameters. A sudden climb comes before a divergence.",
        (
            Curve("metrics", "grad_norm_prior", "prior f", TILTED),
            Curve("metrics", "grad_norm_generator", "generator g", POSTERIOR),
        ),
        log=True,
    ),
}


def training_curves(chart: Chart, tables: dict[str, dict[str, np.ndarray]]) -> go.Figure | None:
    """A chart of a run; None if the run logs none of its curves.

    Args:
        chart: one of `CHARTS`.
        tables: "metrics" and "evaluation" -> column -> values.
    """
    figure = go.Figure()
    for curve in chart.curves:
        columns = tables[curve.table]
        if curve.column not in columns:
            continue
        keep = _spread(len(columns["step"]))
        figure.add_scatter(
            x=columns["step"][keep],
            y=columns[curve.column][keep],
            name=curve.label,
            mode="lines+markers" if curve.table == "evaluation" else "lines",
            line={"color": curve.color, "width": 2},
        )
    if not figure.data:
        return None
    titled(figure, chart.title, "iteration", chart.unit)
    if chart.log:
        figure.update_yaxes(type="log")
    figure.update_layout(height=300, showlegend=True, uirevision=chart.title)
    return figure


def energies_by_iteration(
    steps: np.ndarray, energy: np.ndarray, start_energy: np.ndarray, here: int
) -> go.Figure:
    """Energy of the same chains at each checkpoint: at their start and at their end.

    Args:
        steps: training iterations, `(T,)`.
        energy: -f(z) at the chains' ends, `(T, n)`.
        start_energy: -f(z) of the noise they start from, `(T, n)`.
        here: the iteration to mark.
    """
    figure = go.Figure()
    for values, name, color, fill in (
        (start_energy, "noise z₀", GAUSSIAN, "rgba(0,158,115,0.2)"),
        (energy, "after the chain", TILTED, "rgba(0,114,178,0.22)"),
    ):
        low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95], axis=1)
        band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        figure.add_scatter(x=steps, y=low, **band)
        figure.add_scatter(x=steps, y=high, fill="tonexty", fillcolor=fill, **band)
        figure.add_scatter(
            x=steps, y=middle, name=name, mode="lines+markers", line={"color": color, "width": 2}
        )
    figure.add_vline(x=here, line_dash="dash")
    return titled(figure, "Energy, median and 5 to 95 %", "training iteration", "energy −f(z)")


def latents_at(
    start: np.ndarray,
    end: np.ndarray,
    axes: tuple[str, str],
    extent: float,
    density: np.ndarray | None,
) -> go.Figure:
    """The same chains in the 2-D frame: where they start and where they end.

    Args:
        start: `(n, 2)`.
        end: `(n, 2)`.
        axes: the frame's axes.
        extent: half the side of the frame.
        density: uint8 `(side, side)` over the frame, first row at the top, drawn as shades.
    """
    figure = go.Figure()
    if density is not None:
        side = len(density)
        axis = (np.arange(side) + 0.5) / side * 2 * extent - extent
        scale = [[0, "rgba(0,114,178,0)"], [1, "rgba(0,114,178,0.75)"]]
        figure.add_heatmap(
            x=axis,
            y=axis,
            z=density[::-1],
            colorscale=scale,
            zsmooth="best",
            showscale=False,
            hoverinfo="skip",
        )
    for points, name, color in ((start, "noise z₀", GAUSSIAN), (end, "after the chain", FOLLOWED)):
        figure.add_scatter(
            x=points[:, 0],
            y=points[:, 1],
            name=name,
            mode="markers",
            marker={"color": color, "size": 6, "opacity": 0.8},
            hoverinfo="skip",
        )
    titled(figure, "", *axes)
    span = [-extent, extent]
    figure.update_layout(
        xaxis={"range": span, "constrain": "domain"},
        yaxis={"range": span, "scaleanchor": "x", "constrain": "domain"},
        height=460,
    )
    return figure


def _spread(n: int) -> np.ndarray:
    return np.unique(np.linspace(0, n - 1, min(n, MAX_POINTS)).round().astype(int))
