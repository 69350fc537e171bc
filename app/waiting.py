"""What one session waits for: there at once if it is quick, else with progress and a way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from app import cache, jobs
from app.jobs import Job
from app.sidebar import plain

T = TypeVar("T")


def wait_for(slot: str, this: str, work: Callable[[Job[T]], None], doing: str) -> T | None:
    """What the work comes to; None, with its progress on the page, while it goes on.

    Whoever stops it gets what was published until then. It is this session's own: to ask for
    something else ends it, and nobody else can.

    Args:
        slot: key in the session under which the job is kept.
        this: names the work and all its settings.
        work: as for `Jobs.start`.
        doing: what is done meanwhile, in words.
    """
    kept: tuple[str, Job[T]] | None = st.session_state.get(slot)
    if kept is None or kept[0] != this or kept[1].abandoned:
        give_up(slot)
        kept = st.session_state[slot] = this, cache.jobs().begin(work)
        with st.spinner(doing):
            kept[1].finished.wait(jobs.PATIENCE)
    job = kept[1]
    if job.running:
        _watch(slot, job, doing)
        return None
    if job.error:
        st.error(f"The steps could not be taken: {plain(job.error)}")
    return job.latest


def give_up(slot: str) -> None:
    """End what this session waits for there, if it does."""
    kept = st.session_state.pop(slot, None)
    if kept is not None:
        kept[1].cancelled.set()


def _watch(slot: str, job: Job[T], doing: str) -> None:
    """Draw the progress, twice a second, and the page once it is done."""

    @st.fragment(run_every=0.5)
    def progress() -> None:
        job.watch()
        left, right = st.columns([5, 1], vertical_alignment="center")
        left.progress(job.progress, f"{doing}: {job.progress:.0%}")
        if right.button("Stop here", key=f"{slot}.stop", help="Keeps the steps taken so far"):
            job.cancelled.set()
        if not job.running:
            st.rerun()

    with st.container():  # which keeps the place of what follows; see `long_run._watch`
        progress()


def tell_stopped(taken: int, wanted: int, *slots: str) -> None:
    """Where a person stopped it, say so and offer all of it, for which the session forgets these.

    Args:
        taken: steps.
        wanted: steps that would have been taken.
        slots: keys in the session.
    """
    if taken >= wanted:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(f"Stopped after {taken:,} of {wanted:,} steps.")
        if st.button("Take all steps"):
            for slot in slots:
                del st.session_state[slot]
            st.rerun()
