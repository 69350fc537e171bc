"""Charts of a training run: what it logs as it goes, and how its prior takes shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from app.figures.style import FOLLOWED, GAUSSIAN, MEDIAN, OTHER, POSTERIOR, TILTED, titled

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
    "sentences": Chart(
        "How surprising held-out sentences are",
        "−log p(x|z), nats a sentence",
        "Given a latent inferred from the sentence itself, and given that of another one. Where "
        "the two meet, the decoder does not listen to z: the posterior has collapsed.",
        (
            Curve("evaluation", "test_nll", "with its own z", POSTERIOR),
            Curve("evaluation", "test_nll_shuffled", "with another's z", FOLLOWED),
        ),
    ),
    "words": Chart(
        "How surprising a word is",
        "−log p(word), nats",
        "Over training batches, given z⁺ and the words before it. It should fall.",
        (Curve("metrics", "word_nll", "training batches", POSTERIOR),),
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
    "auprc": Chart(
        "Anomaly detection",
        "AUPRC",
        "Of a class that was held out, over the last ten checkpoints: how well scores rank its "
        "examples above normal ones. The Anomaly page takes it apart.",
        (Curve("evaluation", "auprc", "average precision", OTHER),),
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


def energies_by_iteration(steps: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> go.Figure:
    """Energy of the same chains at each checkpoint: at their start and at their end.

    Args:
        steps: training iterations, `(T,)`.
        starts: -f(z) of the noise they start from, `(T, n)`.
        ends: -f(z) at their ends, `(T, n)`.
    """
    figure = go.Figure()
    for values, name, color, fill in (
        (starts, "noise z₀", GAUSSIAN, "rgba(0,158,115,0.2)"),
        (ends, "after the chain", TILTED, "rgba(0,114,178,0.22)"),
    ):
        low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95], axis=1)
        band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        figure.add_scatter(x=steps, y=low, **band)
        figure.add_scatter(x=steps, y=high, fill="tonexty", fillcolor=fill, **band)
        figure.add_scatter(
            x=steps, y=middle, name=name, mode="lines+markers", line={"color": color, "width": 2}
        )
    return titled(
        figure, "Energy of the chains, median and 5 to 95 %", "training iteration", "energy −f(z)"
    )


def _spread(n: int) -> np.ndarray:
    return np.unique(np.linspace(0, n - 1, min(n, MAX_POINTS)).round().astype(int))
