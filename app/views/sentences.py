"""Sentences as they stand on a page: every letter as it is, and what is new in colour."""

from __future__ import annotations

from collections.abc import Sequence

from app.sidebar import plain
from app.studies.sentence_chains import Word

SILENCE = "*(says nothing)*"


def marked(words: Sequence[Word]) -> str:
    """Markdown of a sentence whose new words are orange."""
    shown = [f":orange[**{plain(w.text)}**]" if w.new else plain(w.text) for w in words]
    return " ".join(shown) or SILENCE


def line(words: Sequence[Word], numbers: str) -> str:
    """Markdown of a sentence whose new words are orange, over small grey numbers."""
    return f"{marked(words)}  \n:small[:gray[{numbers.replace('-', '−')}]]"
