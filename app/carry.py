"""What goes along from page to page: the model, the seed and the settings of chains.

Left alone, a control that two pages share forgets its value on the direct way from one to the
other, and keeps it on a detour over a third.
"""

from __future__ import annotations

import streamlit as st

_KEPT, _PAGE, _TURNED = "carry.kept", "carry.page", "carry.turned"
_PRIOR = ("seed", "n", "K", "s", "T")  # controls of prior chains
_SHARED = {  # page -> its controls whose values go along
    "chains": ("model", *_PRIOR),
    "tilted_prior": ("model",),
    "long_run": ("model", "seed", "n", "s", "T"),
    "posterior": ("model", "seed", "n1", "K1", "s1", "T1"),
    "landscape": ("model", "seed"),
    "anomaly": ("seed",),
    "compare": ("model", *_PRIOR),
    "time_machine": _PRIOR,
}
_ALL = {key for keys in _SHARED.values() for key in keys}
_OWN = ("run",)  # a control of several pages, each of which comes back to its own value


def bring(page: str) -> None:
    """When a person turns to this page, give its controls what was set on others.

    What the address says already goes first, and it is told the rest, so that it holds the whole
    state of every page. The controls of the page before hold on to it for a run: a first, empty
    one lets go, and takes even what stands there from the browser's sight.
    """
    state = st.session_state
    if state.get(_PAGE, page) != page:
        state[_PAGE], state[_TURNED] = page, True
        st.rerun()
    state[_PAGE] = page
    if state.pop(_TURNED, False):
        kept, said = state.get(_KEPT, {}), st.query_params.to_dict()
        mine = _SHARED.get(page, ())
        of_page = {key: kept[f"{page}.{key}"] for key in _OWN if f"{page}.{key}" in kept}
        own = {key: text for key, text in said.items() if key in mine or key not in _ALL}
        known = {key: kept[key] for key in mine if key in kept} | of_page
        brought = {key: value for key, value in known.items() if key not in own}
        for key, value in brought.items():
            state[key] = value
        st.query_params.from_dict(own | {key: str(value) for key, value in brought.items()})


def keep(page: str) -> None:
    """Remember what is set now."""
    state = st.session_state
    shared = {key: state[key] for key in _SHARED.get(page, ()) if key in state}
    own = {f"{page}.{key}": state[key] for key in _OWN if state.get(key) is not None}
    remember(shared | own)


def remember(values: dict[str, object]) -> None:
    """What these controls are to stand at on the pages that have them."""
    st.session_state[_KEPT] = st.session_state.get(_KEPT, {}) | values


def kept(key: str) -> object:
    """What this control was last set to on a page that has it; "" before that."""
    return st.session_state.get(_KEPT, {}).get(key, "")
