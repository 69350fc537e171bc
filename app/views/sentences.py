"""Sentences as they stand on a page: every letter as it is, and what is new in colour.

And which step of chains is read there.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import address
from app.sidebar import plain
from app.studies.sentence_chains import Word

SILENCE = "*(says nothing)*"


def step_slider(page: str, last: int, help_line: str, within: DeltaGenerator | None = None) -> int:
    """The step that is read: on new chains their last one, but the address speaks first.

    Bound to the address, the control would take from there the step of the chains before.

    Args:
        page: whose control it is.
        last: the last step of its chains; where other chains end elsewhere, they are read there.
        help_line: what the step is of.
        within: where it is drawn; None is below what is there.
    """
    state, known = st.session_state, f"{page}.last"
    if "step" not in state:
        state["step"] = min(address.number("step", last), last)
    elif state.get(known) != last:
        state["step"] = last
    state[known] = last
    step = (within or st).slider("Step", 0, last, key="step", help=help_line)
    address.write({"step": None if step == last else step})
    return step


def marked(words: Sequence[Word]) -> str:
    """Markdown of a sentence whose new words are orange."""
    shown = [f":orange[**{plain(w.text)}**]" if w.new else plain(w.text) for w in words]
    return " ".join(shown) or SILENCE


def line(words: Sequence[Word], numbers: str) -> str:
    """Markdown of a sentence whose new words are orange, over small grey numbers."""
    return f"{marked(words)}  \n:small[:gray[{numbers.replace('-', '−')}]]"
