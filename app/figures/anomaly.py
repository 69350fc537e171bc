"""Charts of anomaly detection: curves over thresholds, scores, pictures to choose from, terms."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.pictures import picture
from app.figures.style import DATA, FOLLOWED, OTHER, TILTED, titled
from train.pictures import mosaic

NORMAL, ANOMALY = DATA, OTHER
_BINS = 60
_UNIT_SQUARE = {
    "xaxis_range": [-0.01, 1.01],
    "yaxis_range": [-0.01, 1.03],
    "legend": {"x": 0.98, "xanchor": "right", "y": 0.03, "yanchor": "bottom", "orientation": "v"},
}
_FEW = 0.005  # of the examples, on either side, that a histogram gathers in its last bins


def precision_recall(
    recall: np.ndarray, precision: np.ndarray, chance: float, at: tuple[float, float]
) -> go.Figure:
    """Precision over recall, what a score that knows nothing has, and the threshold's place.

    Args:
        recall: `(k,)`.
        precision: `(k,)`.
        chance: the share of anomalies.
        at: recall and precision at the threshold.
    """
    figure = _curve(recall, precision, [(0, chance), (1, chance)], at)
    titled(
        figure,
        "Precision and recall",
        "recall: share of the anomalies that is flagged",
        "precision: anomalies among the flagged",
    )
    return figure.update_layout(_UNIT_SQUARE)


def roc(false_alarms: np.ndarray, found: np.ndarray, at: tuple[float, float]) -> go.Figure:
    """Share of anomalies flagged over share of normal examples flagged, both `(l,)`.

    Args:
        false_alarms: `(l,)`.
        found: `(l,)`.
        at: both at the threshold.
    """
    figure = _curve(false_alarms, found, [(0, 0), (1, 1)], at)
    titled(
        figure,
        "ROC",
        "false alarms: share of normal ones that is flagged",
        "share of the anomalies that is flagged",
    )
    return figure.update_layout(_UNIT_SQUARE)


def _curve(
    x: np.ndarray, y: np.ndarray, chance: list[tuple[float, float]], at: tuple[float, float]
) -> go.Figure:
    figure = go.Figure()
    line = {"color": TILTED, "width": 2.5}
    figure.add_scatter(x=x, y=y, name="this score", mode="lines", line=line)
    flat = {"color": NORMAL, "dash": "dash"}
    along, up = zip(*chance, strict=True)
    figure.add_scatter(x=along, y=up, name="chance", mode="lines", line=flat, hoverinfo="skip")
    dot = {"color": FOLLOWED, "size": 12}
    figure.add_scatter(x=[at[0]], y=[at[1]], name="threshold", mode="markers", marker=dot)
    return figure


def histograms(is_anomaly: np.ndarray, score: np.ndarray, threshold: float) -> go.Figure:
    """Scores of normal examples against those of anomalies, each as shares of its kind.

    Args:
        is_anomaly: bool `(n,)`.
        score: `(n,)`; what lies far outside stands in the last bins.
        threshold: where flagging begins.
    """
    figure = go.Figure()
    _add_histograms(figure, is_anomaly, score, _edges(score))
    figure.add_vline(threshold, line={"color": FOLLOWED, "width": 2})
    figure.add_annotation(
        x=threshold, y=0.97, yref="paper", text="flagged →", showarrow=False, xanchor="left",
        yanchor="top", xshift=4, font={"color": FOLLOWED},
    )  # fmt: skip
    titled(figure, "Scores", "score; higher is more anomalous", "share of its kind")
    return figure.update_layout(barmode="overlay", bargap=0, height=300, yaxis_tickformat=".0%")


def _edges(values: np.ndarray, *shown: float) -> np.ndarray:
    """Bins that hold nearly all values, and what is shown wherever it lies."""
    low, high = np.quantile(values, [_FEW, 1 - _FEW])
    low, high = min(low, *shown, low), max(high, *shown, high)
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)


def _add_histograms(
    figure: go.Figure, is_anomaly: np.ndarray, values: np.ndarray, edges: np.ndarray, **where: int
) -> None:
    """Bars of both kinds over the same bins; one of several rows leaves the legend to its marks."""
    middle, inside = (edges[1:] + edges[:-1]) / 2, np.clip(values, edges[0], edges[-1])
    kinds = (("normal", ~is_anomaly, NORMAL, ""), ("anomalies", is_anomaly, ANOMALY, "/"))
    for name, kind, color, pattern in kinds:  # the two colours are equally light
        counts, _ = np.histogram(inside[kind], edges)
        figure.add_bar(
            x=middle,
            y=counts / max(counts.sum(), 1),
            width=edges[1] - edges[0],
            name=name,
            legendgroup=name,
            showlegend=not where,
            marker={
                "color": color,
                "opacity": 0.65,
                "line": {"width": 0},
                "pattern": {"shape": pattern, "size": 4, "fillmode": "replace"},
            },
            hovertemplate="%{x:.4g}: %{y:.1%}<extra>" + name + "</extra>",
            **where,
        )


def gallery(
    pixels: np.ndarray, numbers: np.ndarray, is_anomaly: np.ndarray, columns: int, title: str
) -> go.Figure:
    """Pictures to click on, framed by what they are; each carries its number as custom data.

    Args:
        pixels: uint8 `(n, h, w, c)`.
        numbers: of the examples, `(n,)`.
        is_anomaly: bool `(n,)`.
        columns: pictures in a row.
        title: of the chart.
    """
    rows, gap = -(-len(pixels) // columns), max(1, pixels.shape[1] // 8)
    apart = ((0, 0), (gap, gap), (gap, gap), (0, 0))
    tiles = mosaic(np.pad(pixels, apart), columns)
    figure = go.Figure(picture(tiles, (0, columns), (0, rows)))
    row, column = np.divmod(np.arange(len(pixels)), columns)
    x, y = column + 0.5, rows - row - 0.5
    frames = [  # set all at once: each that is added makes the next slower
        {
            "type": "rect",
            "line": {"color": ANOMALY, "width": 3} if odd else {"color": NORMAL, "dash": "dot"},
            **{"x0": a - 0.46, "x1": a + 0.46, "y0": b - 0.46, "y1": b + 0.46},
        }
        for a, b, odd in zip(x, y, is_anomaly, strict=True)
    ]
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"size": 26, "symbol": "square", "opacity": 0},
        customdata=numbers,
        text=np.where(is_anomaly, "anomaly", "normal"),
        hovertemplate="example %{customdata}: %{text}<extra></extra>",
        showlegend=False,
    )
    hidden = {"visible": False, "fixedrange": True, "constrain": "domain"}
    figure.update_xaxes(range=[0, columns], **hidden)
    figure.update_yaxes(range=[0, rows], scaleanchor="x", **hidden)
    return figure.update_layout(
        title=title,
        height=40 + 62 * rows,
        margin={"l": 4, "r": 4, "t": 40, "b": 4},
        hoverdistance=-1,
        shapes=frames,
    )


def taken_apart(
    is_anomaly: np.ndarray,
    terms: dict[str, np.ndarray],
    item: int,
    restarts: dict[str, np.ndarray],
) -> go.Figure:
    """One example's terms among those of all test examples, a row a term.

    Args:
        is_anomaly: bool `(n,)`.
        terms: label -> of all test examples, `(n,)`.
        item: the example's number.
        restarts: label -> the example's from other starts of its chain, `(m,)`; may be empty.
    """
    figure = make_subplots(
        len(terms), 1, subplot_titles=list(terms), vertical_spacing=0.45 / len(terms)
    )
    for row, (label, values) in enumerate(terms.items(), 1):
        where, again = {"row": row, "col": 1}, restarts.get(label, np.empty(0))
        edges = _edges(values, values[item], *again)
        _add_histograms(figure, is_anomaly, values, edges, **where)
        _add_marks(figure, "restarts", again, {"symbol": "line-ns-open", "size": 22}, **where)
        _add_marks(figure, "as scored", values[[item]], {"symbol": "diamond", "size": 13}, **where)
    figure.update_yaxes(showticklabels=False, showgrid=False, rangemode="tozero")
    figure.update_xaxes(title="nats", row=len(terms))
    return figure.update_layout(
        title="Its score, taken apart",
        barmode="overlay",
        bargap=0,
        height=150 + 125 * len(terms),
        margin={"l": 10, "r": 10, "t": 130, "b": 10},
        legend={"orientation": "h", "y": 1.06, "yanchor": "bottom", "x": 0},
    )


def _add_marks(
    figure: go.Figure, name: str, x: np.ndarray, marker: dict[str, object], **where: int
) -> None:
    """The example's own values, on the axis of their histogram."""
    figure.add_scatter(
        x=x,
        y=np.zeros(len(x)),
        mode="markers",
        marker=marker | {"color": FOLLOWED, "line": {"color": FOLLOWED, "width": 2}},
        name=name,
        legendgroup=name,
        showlegend=where["row"] == 1 and len(x) > 0,
        cliponaxis=False,
        hovertemplate="%{x:.4g} nats<extra>" + name + "</extra>",
        **where,
    )


def over_checkpoints(steps: np.ndarray, areas: np.ndarray, shown: int, chance: float) -> go.Figure:
    """AUPRC at every checkpoint that counts, `(k,)` over iterations `(k,)`.

    Args:
        steps: iterations.
        areas: average precision.
        shown: the iteration that is looked at.
        chance: the share of anomalies.
    """
    figure = go.Figure()
    colors = np.where(steps == shown, FOLLOWED, TILTED)
    figure.add_scatter(
        x=steps, y=areas, mode="lines+markers", name="this score",
        line={"color": TILTED, "width": 2}, marker={"color": colors, "size": 9},
    )  # fmt: skip
    figure.add_hline(chance, line={"color": NORMAL, "dash": "dash"})
    titled(figure, "AUPRC at every checkpoint that counts", "training iteration", "AUPRC")
    return figure.update_layout(height=260, showlegend=False)
