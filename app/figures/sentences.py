"""Charts of chains that say something."""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.graph_objects as go

from app.figures.style import CHAINS, FOLLOWED, titled


def energy_and_words(
    energy: np.ndarray,
    chain: int,
    changed: list[int],
    step: int,
    titles: tuple[str, str] = ("Energy along the chains", "energy −f(z)"),
) -> go.Figure:
    """Energy along all chains, and the followed one with marks where its words change.

    Args:
        energy: -f(z), or another energy, `(T, n)`.
        chain: the followed one.
        changed: its steps at which a word is another than at the step before.
        step: the one that is looked at.
        titles: of the chart and the vertical axis.
    """
    figure, steps = go.Figure(), np.arange(len(energy))
    others = np.delete(energy, chain, 1)
    gaps = np.vstack([others, np.full((1, others.shape[1]), np.nan)])
    figure.add_scatter(
        x=np.tile(np.append(steps, len(steps)), others.shape[1]),
        y=gaps.T.ravel(),
        mode="lines",
        line={"color": CHAINS, "width": 0.5},
        opacity=0.5,
        name="other chains",
        hoverinfo="skip",
    )
    own = energy[:, chain]
    figure.add_scatter(
        x=steps, y=own, mode="lines", line={"color": FOLLOWED, "width": 2}, name=f"chain {chain}"
    )
    figure.add_scatter(
        x=changed,
        y=own[changed],
        mode="markers",
        marker={"color": FOLLOWED, "size": 7},
        name="a word changes",
    )
    figure.add_vline(x=step, line_dash="dash", line_color=CHAINS)
    return titled(figure, titles[0], "step k", titles[1])


def add_changes(
    figure: go.Figure, at: np.ndarray, values: np.ndarray, said: list[str], color: str
) -> None:
    """Dots on a curve where a word changes; the sentence stands there when it is pointed at.

    Args:
        figure: with the curve.
        at: places, `(m,)`.
        values: of the curve there, `(m,)`.
        said: the sentences that begin there.
        color: the curve's.
    """
    figure.add_scatter(
        x=at,
        y=values,
        mode="markers",
        marker={"color": color, "size": 6},
        text=[escape(sentence) for sentence in said],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )
