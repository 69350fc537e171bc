"""The trajectory player: a canvas in the browser that holds chains and scrubs them by itself.

The server sends each record once. Playing, scrubbing, following a chain and choosing a curve then
happen in the browser; the server is asked only for records that do not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

_FOLDER = Path(__file__).parent
_SCRIPTS = (  # one ES module together
    "canvas.js",
    "trajectory.js",
    "examples.js",
    "latents.js",
    "curves.js",
    "numbers.js",
    "track.js",
    "player.js",
)
_mount = st.components.v2.component(
    "lebm_player",
    html=(_FOLDER / "player.html").read_text(),
    css=(_FOLDER / "player.css").read_text(),
    js="\n".join((_FOLDER / name).read_text() for name in _SCRIPTS),
)


def player(
    payload: bytes,
    *,
    key: str,
    on_request: Callable[[], None],
    on_view: Callable[[], None],
) -> None:
    """Mount the player.

    Args:
        payload: from `app.player.payload.encode`.
        key: the widget's key; what the browser says stands in `st.session_state[key]`.
        on_request: called before the rerun when the browser needs records it does not hold:
            `.request` is then {"to": the record it wants, "have": records held of each track}.
        on_view: called when a person has settled on what to look at: `.view` is
            {"step": record, "chain": chain, "curve": key of `CURVES`}.
    """
    _mount(key=key, data=payload, on_request_change=on_request, on_view_change=on_view)
