"""Charts of quantities along chains."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from app.figures.style import DATA, MEDIAN, titled


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
        x=short_step,
        line_dash="dash",
        line_color=DATA,
        annotation_text=f"K₀ = {short_step}, as trained",
    )
    return titled(figure, "Energy over the whole chain", "step k", "energy −f(z)")


def autocorrelations(curves: dict[str, np.ndarray]) -> go.Figure:
    """Autocorrelation over lags, one line a quantity.

    Args:
        curves: name -> autocorrelation from lag 0 on.
    """
    figure = go.Figure()
    for name, values in curves.items():
        figure.add_scatter(x=np.arange(len(values)), y=values, name=name, mode="lines")
    return titled(figure, "Autocorrelation after K₀", "lag in steps", "correlation")
