"""What one session waits for: there at once if it is quick, else with progress and a way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from app import cache, jobs
from app.jobs import Job
from app.sidebar import plain
from train.words import counted

T = TypeVar("T")


def wait_for(slot: str, this: str, work: Callable[[Job[T]], None], doing: str) -> T | None:
    """What the work comes to; None, with its progress on the page, while it goes on.

    Whoever stops it gets what was published until then.

    Args:
        slot, this, work: as for `own_job`.
        doing: what is done meanwhile, in words.
    """
    known = st.session_state.get(slot)
    job = own_job(slot, this, work)
    if known is None or known[1] is not job:
        with st.spinner(doing):
            job.finished.wait(jobs.PATIENCE)
    if job.running:
        _watch(slot, job, doing)
        return None
    if job.error:
        st.error(f"The steps could not be taken: {plain(job.error)}")
    return job.latest


def follow(job: Job[T], draw: Callable[[], None]) -> bool:
    """Draw what a job has come to twice a second while it runs; the whole page once it has ended.

    Args:
        job: the work.
        draw: shows it as it stands.

    Returns:
        Whether it had ended before, so that what was drawn is all of it.
    """
    watched = job.running

    @st.fragment(run_every=0.5 if watched else None)
    def poll() -> None:
        job.watch()
        draw()
        if watched and not job.running:
            st.rerun()  # with all of it, and without polling

    # Where a fragment is drawn anew before its messages have left, Streamlit drops them. Without a
    # container of the page's own around it, what follows would then move into its place; and of
    # a fragment within it, only the messages would be kept.
    with st.container():
        poll()
    return not watched


def own_job(slot: str, this: str, work: Callable[[Job[T]], None]) -> Job[T]:
    """This session's own job, begun unless it was: to ask for another ends it, nobody else can.

    Args:
        slot: key in the session under which the job is kept.
        this: names the work and all its settings.
        work: as for `Jobs.begin`.
    """
    kept: tuple[str, Job[T]] | None = st.session_state.get(slot)
    if kept is None or kept[0] != this or kept[1].abandoned:
        give_up(slot)
        kept = st.session_state[slot] = this, cache.jobs().begin(work)
    return kept[1]


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

    with st.container():  # which keeps the place of what follows; see `follow`
        progress()


def tell_failures(failures: Sequence[object]) -> None:
    """Where chains left what they can be in, say how many and which was the first."""
    if n := len(failures):
        were = "was" if n == 1 else "were"
        st.warning(f"{counted(n, 'chain')} {were} stopped; the first: {failures[0]}.")


def tell_stopped(taken: int, wanted: int, *slots: str, limit: int | None = None) -> None:
    """Where a person stopped it, say so and offer all of it, for which the session forgets these.

    Args:
        taken: steps.
        wanted: steps that would have been taken.
        slots: keys in the session.
        limit: the last step that the page keeps; None for a page without a limit.
    """
    if limit is not None and limit < wanted:
        st.info(f"This page keeps {limit:,} of the {wanted:,} steps; fewer chains may go further.")
        wanted = limit
    if taken >= wanted:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(f"Stopped after {taken:,} of {wanted:,} steps.")
        if st.button("Take all steps"):
            for slot in slots:
                del st.session_state[slot]
            st.rerun()
