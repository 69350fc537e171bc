"""The trajectory player: a canvas in the browser that holds a chain and scrubs it by itself.

The server sends each recorded step once. Playing, scrubbing and selecting then happen in the
browser; the server is asked only for steps that no one has taken yet.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

_FOLDER = Path(__file__).parent
_SCRIPTS = ("trajectory.js", "profile.js", "examples.js", "player.js")  # one ES module together
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
            `.request` is then {"to": the step it wants, "have": records it holds}.
        on_view: called when a person has settled on a step and a chain: `.view` is
            {"step", "chain"}.
    """
    _mount(key=key, data=payload, on_request_change=on_request, on_view_change=on_view)
