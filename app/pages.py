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


def page(name: str) -> StreamlitPage:
    """A page by its name, for the menu and for links to it."""
    url_path = name.replace("_", "-")
    return st.Page(lambda: _show(name), title=TITLES[name], url_path=url_path)


def _show(name: str) -> None:
    address.drop_infinite()
    carry.bring(name)
    try:
        cache.view(name)()
    finally:
        carry.keep(name)
