"""A drawing area in the browser; the picture reaches the server when the pen is lifted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

_FOLDER = Path(__file__).parent
_mount = st.components.v2.component(
    "lebm_draw",
    html=(_FOLDER / "draw.html").read_text(),
    css=(_FOLDER / "draw.css").read_text(),
    js=(_FOLDER / "draw.js").read_text(),
)


def draw(
    side: int, channels: int, picture: str | None, *, key: str, on_picture: Callable[[], None]
) -> None:
    """Mount the drawing area.

    Args:
        side: pixels along a side of what is sent.
        channels: 1 for white on black, 3 for colour.
        picture: what to begin with, base64 of `side² · channels` bytes, row by row.
        key: the widget's key.
        on_picture: called before the rerun when the drawing has changed; what it is now stands
            in `st.session_state[key].picture`, in the same form.
    """
    data = {"side": side, "channels": channels, "picture": picture}
    _mount(key=key, data=data, on_picture_change=on_picture)
