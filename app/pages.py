"""The pages of the explorer, in the order of its menu."""

from __future__ import annotations

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import address, cache, carry

#: Name of a page, which is that of its module in `app.views`, -> its title.
TITLES = {
    "chains": "Chains",
    "tilted_prior": "Tilted prior",
    "long_run": "Long run",
    "posterior": "Posterior",
    "landscape": "Landscape",
    "anomaly": "Anomaly",
    "compare": "Compare",
    "train": "Train",
    "time_machine": "Time machine",
    "learn": "Learn",
}


_FIRST = next(iter(TITLES))


def page(name: str) -> StreamlitPage:
    """A page by its name, for the menu and for links to it.

    The first one's address has no name. Streamlit still reserves one for it, which is another
    than its own, so that this can lead there.
    """
    first = name == _FIRST
    url_path = "first" if first else name.replace("_", "-")
    return st.Page(lambda: _show(name), title=TITLES[name], url_path=url_path, default=first)


def first_by_name() -> StreamlitPage:
    """Leads whoever names the first page in an address to it, with all that the address says."""
    return st.Page(
        lambda: st.switch_page(page(_FIRST), query_params=st.query_params.to_dict()),
        title=TITLES[_FIRST],
        url_path=_FIRST,
        visibility="hidden",
    )


def _show(name: str) -> None:
    address.drop_infinite()
    carry.bring(name)
    try:
        cache.view(name)()
    finally:
        carry.keep(name)
