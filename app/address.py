"""What the page's address says beside its controls' values; it may come from anybody."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.player.payload import View


def number(name: str, default: int) -> int:
    """The whole number of at most six digits that the address names so."""
    text = st.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 7 else default


def write(values: Mapping[str, object]) -> None:
    """Have the address say these; None and an empty text are left out of it.

    A name that a control still holds is left as it is: one that is not drawn any more, since
    another model needs another page, lets go of it when this run of the script ends.
    """
    for name, value in values.items():
        text = "" if value is None else str(value)
        if text == st.query_params.get(name, ""):
            continue
        with suppress(StreamlitAPIException):
            if text:
                st.query_params[name] = text
            else:
                del st.query_params[name]


def first_view(kept: View | None, last: int, curve: str = "") -> View:
    """Where a player opens on new chains: their last step, but the address speaks first.

    Args:
        kept: what was looked at of the chains before; its chain and curve stay.
        last: the last step.
        curve: the curve where nobody says which.
    """
    if kept is not None:
        return replace(kept, step=last)
    curve = st.query_params.get("curve", curve)
    return View(number("step", last), number("chain", 0), curve)


def confine(name: str, highest: int) -> None:
    """Have the address name this number, where it names a greater one, and run anew.

    To be called before the control of that name, which reads what the address said when the run
    began; one that was drawn already follows the session.
    """
    if name not in st.session_state and number(name, 0) > highest:
        write({name: highest})
        if number(name, 0) == highest:
            st.rerun()


def drop_infinite() -> None:
    """Take infinite numbers out of the address and run anew; to be called before any control.

    Streamlit falls back to the default for every other nonsense, and breaks on these where it
    wants a whole number.
    """
    infinite = [name for name, value in st.query_params.items() if _is_infinite(value)]
    for name in infinite:
        del st.query_params[name]
    if infinite:
        st.rerun()


def _is_infinite(text: str) -> bool:
    try:
        return math.isinf(float(text))
    except ValueError:
        return False
