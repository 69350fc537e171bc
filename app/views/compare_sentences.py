"""The Compare page of sentences: what the same chains of both sides say, one beside the other."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.sidebar import plain
from app.studies import compare
from app.studies.compare import Side
from app.studies.sentence_chains import compared, recall, words_apart
from app.views.sentences import line, step_slider

_SHOWN = 12  # chains


@st.fragment
def show(a: Side, b: Side, shown: list[int]) -> None:
    """Draw the first chains of both sides at one step.

    Args:
        a: one side.
        b: the other.
        shown: takes the step; exports read it where there is no session.
    """
    last = min(a.run.n_taken, b.run.n_taken)
    step = step_slider("compare_sentences", last, "Which step of both sides is read.")
    shown[:] = [step]
    n = min(_SHOWN, a.run.settings.n_chains)
    said = [recall(side.model, side.run.trajectory.z[step, :n]) for side in (a, b)]
    energies = [side.energy[step] for side in (a, b)]
    for side, column in zip((a, b), st.columns(2), strict=True):
        column.markdown(f"**{plain(side.title)}**")
    for chain, (left, right) in enumerate(zip(*said, strict=True)):
        both = compared(left, left), compared(left, right)
        for name, column, words, energy in zip("AB", st.columns(2), both, energies, strict=True):
            column.markdown(line(words, f"{name}, chain {chain}, −f = {energy[chain]:.2f}"))
    st.caption(_apart(a, b, step, words_apart(*said)))


def _apart(a: Side, b: Side, step: int, words: np.ndarray) -> str:
    """How far the two are from each other."""
    said = (
        f"Step {step}, chains 0 to {len(words) - 1}. Orange: words of B that A does not say there; "
        f"a chain's two sentences differ in {np.median(words):.0%} of their words (median)"
    )
    apart = compare.distances(a, b, step)
    if apart is not None:
        said += f", its latents are {np.median(apart):.2f} apart, ‖z_A − z_B‖ (median of all)"
    return f"{said}."
