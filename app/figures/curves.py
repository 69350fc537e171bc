"""Single curves of exact quantities, with a mark at the place that is looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.figures.style import DATA, FOLLOWED, TILTED, titled


def kl_curve(kl: np.ndarray, here: int) -> go.Figure:
    """KL(law of z_K ‖ p_α) as K grows, `(K,)`, on a logarithmic axis."""
    figure = _marked(np.arange(len(kl)), kl, here)
    titled(figure, "KL(law ‖ p<sub>α</sub>), exact", "steps K", "nats")
    figure.update_yaxes(type="log", tickvals=[0.05, 0.1, 0.2, 0.5, 1, 2])
    return _small(figure)


def log_prob_curve(updates: Sequence[int], values: Sequence[float], here: int) -> go.Figure:
    """Mean log p(x) of held-out examples over the updates of f."""
    figure = _marked(np.asarray(updates), np.asarray(values), here)
    titled(figure, "log p(x), held out, exact", "updates of f", "nats")
    return _small(figure)


def energy_curve(steps: np.ndarray, energy: np.ndarray, exact: float, here: int) -> go.Figure:
    """Mean energy of chains, `(T,)`, over their steps, `(T,)`, with the exact mean."""
    figure = _marked(steps, energy, here, width=1.5)
    figure.add_hline(y=exact, line_dash="dot", line_color=DATA, annotation_text="exact mean")
    titled(figure, "Mean energy of the chains", "step k", "energy −f(z)")
    return _small(figure)


def _marked(x: np.ndarray, y: np.ndarray, here: int, width: float = 3) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(x=x, y=y, mode="lines", line={"color": TILTED, "width": width})
    height = float(np.interp(here, x, y))
    marker = {"color": FOLLOWED, "size": 12}
    figure.add_scatter(x=[here], y=[height], mode="markers", marker=marker, hoverinfo="skip")
    return figure


def _small(figure: go.Figure) -> go.Figure:
    figure.update_layout(showlegend=False, height=430, title_font_size=14)
    return figure
