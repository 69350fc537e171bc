"""The Learn page: the method in eight short steps, each with a picture to play with."""

from __future__ import annotations

import streamlit as st

from app.lessons import LESSONS, Lesson

_SLUGS = tuple(lesson.slug for lesson in LESSONS)
_STEP, _LAST = "learn.step", "learn.last"  # the widget's; kept while another page is open


def page() -> None:
    """Draw the page."""
    st.space("small")  # the row of steps would lie under the pages' names
    number = _pick_step()
    lesson = LESSONS[number]
    st.subheader(lesson.title)
    _show_idea(lesson)
    _show_picture(lesson)
    _show_rest(lesson)
    _show_buttons(number)


def _pick_step() -> int:
    """The row of steps; the chosen one stands in the page's address, as `?step=short-run`."""
    if _STEP not in st.session_state:
        wanted = st.query_params.get("step", st.session_state.get(_LAST))
        st.session_state[_STEP] = wanted if wanted in _SLUGS else _SLUGS[0]
    chosen = st.segmented_control(
        "Eight steps",
        _SLUGS,
        format_func=lambda slug: f"{_SLUGS.index(slug) + 1} {LESSONS[_SLUGS.index(slug)].name}",
        required=True,
        key=_STEP,
        label_visibility="collapsed",
    )
    st.session_state[_LAST] = st.query_params["step"] = chosen
    return _SLUGS.index(chosen)


def _show_idea(lesson: Lesson) -> None:
    """The idea and its equation."""
    left, right = st.columns([5, 4], gap="large", vertical_alignment="center")
    left.markdown(lesson.text)
    right.latex(lesson.equation)
    right.caption(lesson.source, text_alignment="center")


def _show_picture(lesson: Lesson) -> None:
    """No fragment, since some lessons hold one, and Streamlit breaks where one holds another."""
    code = lesson.draw()
    with st.expander("The same in Python"):
        st.code(code, "python")


def _show_rest(lesson: Lesson) -> None:
    """The question, and the function behind the picture."""
    left, right = st.columns(2, gap="large")
    left.markdown(f"**Try.** {lesson.question}")
    with left.expander("What you see, and why"):
        st.markdown(lesson.answer)
    right.markdown(f"**In the library**: `{lesson.function_name}`")
    right.caption(lesson.function_says)
    with right.expander("Its source"):
        st.code(lesson.function_source, "python")


def _show_buttons(number: int) -> None:
    """To the step before and the step after."""
    left, _, right = st.columns([1, 3, 1])
    for column, other, arrow in ((left, number - 1, "← {}"), (right, number + 1, "{} →")):
        if 0 <= other < len(LESSONS):
            column.button(
                arrow.format(LESSONS[other].name),
                key=f"learn.{'back' if other < number else 'next'}",
                on_click=_go_to,
                args=(LESSONS[other].slug,),
                width="stretch",
            )


def _go_to(slug: str) -> None:
    st.session_state[_STEP] = slug
