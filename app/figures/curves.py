"""Single curves of exact quantities, with a mark at the place that is looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.figures.style import FOLLOWED, TILTED, titled


def kl_curve(kl: np.ndarray, here: int) -> go.Figure:
    """KL(law of z_K ‖ p_α) as K grows, `(K,)`, on a logarithmic axis."""
    figure = _marked(np.arange(len(kl)), kl, here)
    titled(figure, "KL(law ‖ p_α), exact", "steps K", "nats")
    figure.update_yaxes(type="log", dtick="D2")
    return _small(figure)


def log_prob_curve(updates: Sequence[int], values: Sequence[float], here: int) -> go.Figure:
    """Mean log p(x) of held-out examples over the updates of f."""
    figure = _marked(np.asarray(updates), np.asarray(values), here)
    titled(figure, "log p(x), held out, exact", "updates of f", "nats")
    return _small(figure)


def _marked(x: np.ndarray, y: np.ndarray, here: int) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(x=x, y=y, mode="lines", line={"color": TILTED, "width": 3})
    height = float(np.interp(here, x, y))
    marker = {"color": FOLLOWED, "size": 12}
    figure.add_scatter(x=[here], y=[height], mode="markers", marker=marker, hoverinfo="skip")
    return figure


def _small(figure: go.Figure) -> go.Figure:
    figure.update_layout(showlegend=False, height=400, title_font_size=14)
    return figure
