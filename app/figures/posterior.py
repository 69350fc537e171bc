"""Charts of posterior chains and of their spread over restarts."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.pictures import picture
from app.figures.style import FOLLOWED, GAUSSIAN, POSTERIOR, TILTED, titled

_COLORS = (POSTERIOR, TILTED, GAUSSIAN)
WORST = "#8C8C8C"
_SPREAD = [[0, "#FFFFFF"], [1, TILTED]]
_ERROR = [[0, "#0B0B0B"], [0.5, FOLLOWED], [1, "#F0E442"]]


def joint_terms(steps: np.ndarray, terms: dict[str, np.ndarray]) -> go.Figure:
    """Terms of -log p(x, z) over steps, one below the other: median and middle 90 % of restarts.

    Args:
        steps: `(T,)`.
        terms: name -> `(T, n)`: the likelihood's, which is positive and on a log scale, the
            network's and the Gaussian's.
    """
    figure = make_subplots(len(terms), 1, shared_xaxes=True, vertical_spacing=0.05)
    for row, ((name, values), color) in enumerate(zip(terms.items(), _COLORS, strict=True), 1):
        low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95], axis=1)
        band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        figure.add_scatter(x=steps, y=low, row=row, col=1, **band)
        fill = f"rgba({int(color[1:3], 16)},{int(color[3:5], 16)},{int(color[5:], 16)},0.25)"
        figure.add_scatter(x=steps, y=high, fill="tonexty", fillcolor=fill, row=row, col=1, **band)
        line = {"color": color, "width": 2.5}
        figure.add_scatter(x=steps, y=middle, name=name, mode="lines", line=line, row=row, col=1)
        figure.update_yaxes(title="nats", row=row)
    figure.update_yaxes(type="log", title="nats, log scale", row=1)
    figure.update_xaxes(title="step k", row=len(terms))
    figure.update_layout(
        title="Terms of −log p(x, z) over steps",
        height=520,
        margin={"l": 10, "r": 10, "t": 100, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


def restarts(
    mse: np.ndarray,
    neg_log_joint: np.ndarray,
    error: tuple[str, str] = ("MSE", "mean squared error of the reconstruction"),
) -> go.Figure:
    """Each restart by its error and its -log p(x, z), both `(n,)`; best and worst are named.

    Args:
        mse: the errors.
        neg_log_joint: in nats.
        error: what the errors are, in short and on the axis.
    """
    best, worst = int(neg_log_joint.argmin()), int(neg_log_joint.argmax())
    colors = np.full(len(mse), POSTERIOR, dtype=object)
    colors[worst], colors[best] = WORST, FOLLOWED
    labels = np.full(len(mse), "", dtype=object)
    labels[worst], labels[best] = "worst", "best"
    figure = go.Figure()
    figure.add_scatter(
        x=mse,
        y=neg_log_joint,
        mode="markers+text",
        text=labels,
        textposition="top center",
        marker={"color": colors, "size": 10},
        customdata=np.arange(len(mse)),
        hovertemplate=f"restart %{{customdata}}: {error[0]} %{{x:.4g}}, %{{y:.1f}} nats"
        "<extra></extra>",
        cliponaxis=False,
    )
    return titled(
        figure,
        "Where the restarts end",
        error[1],
        "−log p(x, z), nats, up to log Z",
    )


def distances(
    latent: np.ndarray,
    example: np.ndarray,
    order: np.ndarray,
    decoded: str = "decoded, RMS, 0 to {:.3f}",
) -> go.Figure:
    """Distances between restarts, likeliest first: of latents and of what they decode to.

    Args:
        latent: `(n, n)`.
        example: `(n, n)`.
        order: the restarts' numbers in the order in which they stand, `(n,)`.
        decoded: title of the second chart, with room for the largest distance.
    """
    figure = make_subplots(
        1,
        2,
        subplot_titles=(
            f"latents ‖zᵢ − zⱼ‖, 0 to {latent.max():.2f}",
            decoded.format(example.max()),
        ),
        horizontal_spacing=0.14,
    )
    names = [str(i) for i in order]
    for column, values in ((1, latent), (2, example)):
        figure.add_heatmap(
            x=names,
            y=names,
            z=values[np.ix_(order, order)],
            colorscale=_SPREAD,
            zmin=0,
            showscale=False,
            hovertemplate="restarts %{x} and %{y}: %{z:.3f}<extra></extra>",
            row=1,
            col=column,
        )
    figure.update_xaxes(type="category", title="restart", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed")
    figure.update_yaxes(title="restart", col=1)
    figure.update_layout(
        title="Distances between restarts, likeliest first",
        height=360,
        margin={"l": 10, "r": 10, "t": 80, "b": 10},
    )
    figure.update_annotations(font_size=13)
    return figure


def comparison(
    example: np.ndarray, reconstruction: np.ndarray, name: str, largest_error: float
) -> go.Figure:
    """An example, its reconstruction and the error of each pixel, side by side.

    Args:
        example: uint8 `(h, w, c)`.
        reconstruction: the same.
        name: of the reconstruction.
        largest_error: where the error's scale ends, so that several charts share one.
    """
    error = pixel_error(example, reconstruction)
    h, w = error.shape
    figure = make_subplots(1, 3, subplot_titles=("input", name, "|error|"), horizontal_spacing=0.03)
    for column, pixels in ((1, example), (2, reconstruction)):
        figure.add_trace(picture(pixels, (0, w), (0, h)), row=1, col=column)
    figure.add_heatmap(
        z=error[::-1],
        x0=0.5,
        y0=0.5,
        zmin=0,
        zmax=largest_error,
        colorscale=_ERROR,
        colorbar={"thickness": 8},
        hovertemplate="|error| %{z:.2f}<extra></extra>",
        row=1,
        col=3,
    )
    figure.update_xaxes(visible=False, range=[0, w], constrain="domain")
    figure.update_yaxes(visible=False, range=[0, h], constrain="domain")
    for number in ("", "2", "3"):
        figure.layout[f"yaxis{number}"].scaleanchor = f"x{number}"
    figure.update_layout(height=220, margin={"l": 4, "r": 4, "t": 40, "b": 4})
    figure.update_annotations(font_size=13)
    return figure


def pixel_error(example: np.ndarray, reconstruction: np.ndarray) -> np.ndarray:
    """Absolute error of every pixel from 0 to 1, the mean over channels, `(h, w)`."""
    return np.abs(example.astype(float) - reconstruction).mean(-1) / 255


def points(example: np.ndarray, reconstructions: np.ndarray, best: int, worst: int) -> go.Figure:
    """A point `(2,)` and its reconstructions `(n, 2)` in the data's plane."""
    figure = go.Figure()
    for name, rows, color, size, symbol in (
        ("restarts", reconstructions, POSTERIOR, 7, "circle"),
        ("best", reconstructions[[best]], FOLLOWED, 11, "circle"),
        ("worst", reconstructions[[worst]], WORST, 11, "circle"),
        ("input x", example[None], "#CC79A7", 15, "x-thin"),
    ):
        marker = {"color": color, "size": size, "symbol": symbol}
        marker |= {"line": {"width": 3 if symbol == "x-thin" else 0, "color": color}}
        figure.add_scatter(x=rows[:, 0], y=rows[:, 1], name=name, mode="markers", marker=marker)
    titled(figure, "The point and its reconstructions", "x₁", "x₂")
    spread = float(np.abs(reconstructions - example).max())
    middle, half = example, max(1.2 * spread, 0.1)
    figure.update_layout(
        xaxis_range=[middle[0] - half, middle[0] + half],
        yaxis={"range": [middle[1] - half, middle[1] + half], "scaleanchor": "x"},
        height=420,
    )
    return figure
