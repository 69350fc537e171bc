"""What a page offers to take away: files of the chain that is shown, and lines that make it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from app.models import ModelEntry
from app.studies import export, recipe
from app.studies.export import Film
from lebm.model import LatentEBM

_LINES = "The lines that make this chain again with the library alone, to copy"
Formats = dict[str, tuple[str, str, Callable[[Film], bytes]]]
_PICTURES: Formats = {
    "png": ("The step that is shown, as a picture", "image/png", export.png),
    "gif": ("The chain as a film for slides and web pages", "image/gif", export.gif),
    "mp4": ("The chain as a film, far smaller than the GIF", "video/mp4", export.mp4),
}
NUMBERS: Formats = {
    "npz": (
        "Every recorded number, for NumPy; `lebm.archive.load` reads and replays it",
        "application/octet-stream",
        export.npz,
    ),
    "csv": ("Terms, drift, noise and move of each step and chain", "text/csv", export.profile_csv),
}
FILES = _PICTURES | NUMBERS


def of_sentences(model: LatentEBM) -> Formats:
    """The files of chains that say something, each with its help line and type."""
    help_line = "What each step of each chain says, and the terms of its −log p there"
    return NUMBERS | {"csv": (help_line, "text/csv", partial(export.sentences_csv, model))}


@st.fragment
def take_away(
    shown: Callable[[], Film],
    entry: ModelEntry,
    *,
    key: str,
    title: str = "Export",
    formats: Formats = FILES,
) -> None:
    """Draw the buttons; a file is made only when its button is pressed, of what is shown then.

    Args:
        shown: gives the chain; called outside the page, too, where there is no session.
        entry: where its model is.
        key: begins the keys of the buttons.
        title: of the box.
        formats: the files there are; sentences have no pictures.
    """
    with st.expander(f"{title}, or make it again in Python"):
        with st.container(horizontal=True):
            for kind, (help_line, mime, make) in formats.items():
                st.download_button(
                    kind.upper(),
                    partial(_make, make, shown),
                    f"{shown().name}.{kind}",
                    mime,
                    key=f"{key}.{kind}",
                    help=help_line,
                    on_click="ignore",
                )
            asked = st.button("Python", key=f"{key}.python", help=_LINES)
        st.caption(
            "Model, seed and all settings are inside each file. Films, and what many chains say, "
            "take some seconds to write."
        )
        if asked:
            film = shown()
            text = recipe.lines(film.recipe, entry, film.step, film.example, speaks=film.speaks)
            st.code(text, language="python")


def _make(make: Callable[[Film], bytes], shown: Callable[[], Film]) -> bytes:
    return make(shown())


def show_lines(text: str) -> None:
    """Draw the lines that make again what the page shows, to copy."""
    with st.expander("The same in Python"):
        st.code(text, language="python")
