"""Controls that several steps of the lesson share."""

from __future__ import annotations

import streamlit as st


def step_slider(
    highest: int, default: int, label: str = "Step k", key: str = "k", stride: int = 1
) -> int:
    """A slider over steps with a button that takes the next one.

    Args:
        highest: the last step.
        default: where it opens.
        label: what stands above it.
        key: in the session and in the page's address.
        stride: steps that one click takes.
    """
    left, right = st.columns([5, 1], vertical_alignment="bottom")

    def advance() -> None:
        st.session_state[key] = min(highest, st.session_state[key] + stride)

    with left:
        step = st.slider(
            label,
            0,
            highest,
            default,
            stride,
            key=key,
            bind="query-params",
            help="Drag, use the arrow keys, or take one step after the other with the button.",
        )
    right.button(
        f"+{stride}",
        key=f"{key}.next",
        on_click=advance,
        disabled=step >= highest,
        width="stretch",
        help=f"{stride} more",
    )
    return step
