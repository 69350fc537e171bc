"""The page's address as it comes, from anybody."""

from __future__ import annotations

import math

import streamlit as st


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
