"""What goes along from page to page: the model, the seed and the settings of chains.

Left alone, a control that two pages share forgets its value on the direct way from one to the
other, and keeps it on a detour over a third.
"""

from __future__ import annotations

import streamlit as st

_KEPT, _PAGE = "carry.kept", "carry.page"
_KEYS = ("model", "seed", "n", "K", "s", "T", "n1", "K1", "s1", "T1")  # of shared controls


def bring(page: str) -> None:
    """When a person turns to this page, give its controls what was set on others.

    What the address says goes first.
    """
    state = st.session_state
    if state.get(_PAGE) != page:
        for key, value in state.get(_KEPT, {}).items():
            if key not in st.query_params:
                state[key] = value
    state[_PAGE] = page


def keep() -> None:
    """Remember what is set now."""
    state = st.session_state
    values = {key: state[key] for key in _KEYS if key in state}
    state[_KEPT] = state.get(_KEPT, {}) | values
