"""Pictures inside charts, pixel by pixel, and curves decoded to points."""

from __future__ import annotations

import base64
import io

import numpy as np
import plotly.graph_objects as go
from PIL import Image


def picture(
    pixels: np.ndarray, x: tuple[float, float], y: tuple[float, float], **options: object
) -> go.Image:
    """A picture laid over a rectangle of a chart whose vertical axis points up.

    Args:
        pixels: uint8 `(h, w, c)`, first row at the top.
        x: its left and right edges.
        y: its lower and upper edges.
        options: passed on to the trace, such as its axes.
    """
    h, w, c = pixels.shape
    flipped = pixels[::-1]  # the trace's first row lies at its lowest coordinate
    buffer = io.BytesIO()
    Image.fromarray(flipped[..., 0] if c == 1 else flipped).save(buffer, "PNG")
    dx, dy = (x[1] - x[0]) / w, (y[1] - y[0]) / h
    return go.Image(
        source=f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}",
        x0=x[0] + dx / 2,
        dx=dx,
        y0=y[0] + dy / 2,
        dy=dy,
        hoverinfo="skip",
        **options,
    )
