"""Charts of two chains in one frame."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from app.figures.style import titled


def overlaid_profiles(
    profiles: dict[str, tuple[np.ndarray, np.ndarray]],
    colors: tuple[str, ...],
    title: str,
    y: str,
) -> go.Figure:
    """Medians over the chains and the middle 90 %, one band a profile.

    Args:
        profiles: name -> (step numbers `(T,)`, values `(T, n)`).
        colors: of the profiles, as "#rrggbb".
        title: of the chart.
        y: what the values are.
    """
    figure = go.Figure()
    for (name, (steps, values)), color in zip(profiles.items(), colors, strict=False):
        low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95], axis=1)
        red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
        band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        figure.add_scatter(x=steps, y=low, **band)
        fill = f"rgba({red},{green},{blue},0.2)"
        figure.add_scatter(x=steps, y=high, fill="tonexty", fillcolor=fill, **band)
        line = {"color": color, "width": 2}
        figure.add_scatter(x=steps, y=middle, name=name, mode="lines", line=line)
    return titled(figure, title, "step k", y)
