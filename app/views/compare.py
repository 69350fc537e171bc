"""The Compare page: two chains from the same seeds, step by step beside each other."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial

import numpy as np
import streamlit as st

from app import address, cache, figures
from app.exports import FILES, of_sentences, take_away
from app.jobs import Job
from app.models import ModelEntry
from app.player import player
from app.player.payload import Track, View, encode
from app.sidebar import Chosen, Length, chain_settings, pick_model, plain
from app.studies import compare
from app.studies.chain_run import ChainRun, ChainSettings, chain_id
from app.studies.compare import Numbers, Side
from app.studies.export import Film
from app.studies.recipe import recipe_of
from app.studies.steps import Runs, take
from app.views import compare_sentences
from app.views.compare_controls import other_side
from app.waiting import follow, own_job, tell_stopped, wait_for
from lebm.checkpoint import ModelCard
from train.pictures import mosaic

_PLAYER, _SIDES = "compare.player", "compare.sides"
_PAYLOAD, _VIEW, _WAIT = "compare.payload", "compare.view", "compare.wait"
_NUMBERS = "compare.numbers"
_LENGTH = Length("Steps K", "K", 1, 500, 10, "Steps that both sides take.")
_SHOWN_STEP = "compare.shown"  # in a list that exports read where there is no session
_SHOWN = 12  # chains in the aligned rows
_COLORS = (figures.TILTED, figures.OTHER)


def page() -> None:
    """Draw the page."""
    st.header("Compare")
    st.markdown(
        "Two chains side by side, from the **same seeds** and for the **same steps**: what does "
        "one change do? Every step and every chain is seen in both at once."
    )
    chosen = pick_model()
    if chosen is None:
        return
    settings = chain_settings(chosen[2], _LENGTH)
    other = other_side(chosen, settings)
    if other is None:
        return
    if (reason := compare.mixed(chosen[1], other[0][1])) is not None:
        st.error(reason)
        return
    sides = _sides((chosen, settings), other)
    if sides is None:
        return
    a, b = sides
    _show_differences(a, b)
    if a.speaks:
        compare_sentences.show(a, b, st.session_state.setdefault(_SHOWN_STEP, []))
    else:
        _write_view()
        _play()
    tell_stopped(a.run.n_taken, settings.n_steps, _SIDES, limit=min(a.run.limit, b.run.limit))
    _offer(a, b)
    _show_profiles(a, b)
    _show_numbers(a, b)


def _sides(*wanted: tuple[Chosen, ChainSettings]) -> tuple[Side, Side] | None:
    """Both sides, run unless they were already; None on their way."""
    ids = [chain_id(entry, settings) for (entry, _, _), settings in wanted]
    known = st.session_state.get(_SIDES)
    if known is None or [side.run.root for side in known] != ids:
        runs = _runs(ids, wanted)
        if runs is None:
            return None
        view = address.first_view(st.session_state.get(_VIEW), wanted[0][1].n_steps)
        view = replace(view, step=min(view.step, *(run.n_taken for run in runs)))
        known = tuple(
            _side(name, run, entry, card)
            for name, run, ((entry, _, card), _) in zip("AB", runs, wanted, strict=True)
        )
        st.session_state[_SIDES], st.session_state[_VIEW] = known, view
        if not known[0].speaks:
            st.session_state[_PAYLOAD] = encode(_tracks(), [0, 0], view)
    return known


def _runs(ids: list[str], wanted: tuple[tuple[Chosen, ChainSettings], ...]) -> Runs | None:
    """The chains of both sides; None on their way."""
    planes = [cache.latent_plane(entry) for (entry, _, _), _ in wanted]

    def work(job: Job[Runs]) -> None:
        starts = tuple(
            ChainRun.start(chain, model, plane, settings)
            for chain, plane, ((_, model, _), settings) in zip(ids, planes, wanted, strict=True)
        )
        take(job, starts, wanted[0][1].n_steps)

    runs = wait_for(_WAIT, " ".join(ids), work, "Taking the steps of both")
    if runs is not None:
        del st.session_state[_WAIT]
    return runs


def _write_view() -> None:
    address.write(asdict(st.session_state[_VIEW]))


def _side(name: str, run: ChainRun, entry: ModelEntry, card: ModelCard) -> Side:
    recipe = recipe_of(run.segments, run.n_taken, entry, cache.fingerprint(entry))
    return Side(name, entry, card, run, recipe)


def _tracks() -> list[Track]:
    """What the player shows; neither side grows."""
    return [
        replace(side.run.track(side.title), limit=side.run.n_taken)
        for side in st.session_state[_SIDES]
    ]


@st.fragment
def _play() -> None:
    player(st.session_state[_PAYLOAD], key=_PLAYER, on_request=_resend, on_view=_remember_view)
    a, b = st.session_state[_SIDES]
    step = min(st.session_state[_VIEW].step, a.run.n_taken, b.run.n_taken)
    st.session_state.setdefault(_SHOWN_STEP, [])[:] = [step]
    _show_aligned(a, b, step)


def _offer(a: Side, b: Side) -> None:
    """Each side as files and as Python lines, at the step that is shown when a button is pressed.

    Not within the player's fragment: of two fragments one within the other, Streamlit may send
    the inner one first, which breaks the page.
    """
    shown = st.session_state[_SHOWN_STEP]
    for side in (a, b):
        key, title = f"compare.{side.name}", f"Export {side.name}"
        film = partial(_film, side, shown)
        formats = of_sentences(side.model) if side.speaks else FILES
        take_away(film, side.entry, key=key, title=title, formats=formats)


def _film(side: Side, shown: list[int]) -> Film:
    return Film.of(side.run, side.recipe, shown[0])


def _resend() -> None:
    """Send all again, to a browser that lost it."""
    st.session_state[_PAYLOAD] = encode(_tracks(), [0, 0], st.session_state[_VIEW])


def _remember_view() -> None:
    """Keep what is looked at, here and in the page's address; nothing is sent again."""
    seen = st.session_state[_PLAYER].view
    view = View(int(seen["step"]), int(seen["chain"]), str(seen["curve"]))
    tracks = _tracks()
    st.session_state[_VIEW] = view
    st.session_state[_PAYLOAD] = encode(tracks, [len(track.steps) for track in tracks], view)
    _write_view()


def _show_differences(a: Side, b: Side) -> None:
    """One line on what differs, and every setting for those who look."""
    rows = compare.settings_table(a, b)
    differing = [row for row in rows if row[1] != row[2]]
    said = "; ".join(
        f"**{name}** {plain(left)} → {plain(right)}" for name, left, right in differing
    )
    st.markdown(f"A → B: {said}" if differing else "A and B are the same chain.")
    if sentences := compare.not_comparable(a, b):
        st.info(" ".join(sentences))
    with st.expander("All settings"):
        columns = {"setting": 0, "A": 1, "B": 2}
        table = {name: [row[i] for row in rows] for name, i in columns.items()}
        table["differs"] = ["≠" if row[1] != row[2] else "" for row in rows]
        st.dataframe(table, hide_index=True)


def _show_aligned(a: Side, b: Side, step: int) -> None:
    """The first chains of A above the same chains of B."""
    shown = min(_SHOWN, a.run.settings.n_chains)
    pictures = compare.aligned(a, b, step, shown)
    apart = compare.distances(a, b, step)
    said = f"Step {step}"
    if pictures is not None:
        said += f": chains 0 to {shown - 1} of A above the same chains of B"
    if apart is not None:
        said += f"; the latents of a chain are {np.median(apart):.2f} apart, ‖z_A − z_B‖ (median)"
    if pictures is None:
        st.caption(said)
        return
    grid = mosaic(pictures, shown)
    st.image(np.squeeze(grid, -1) if grid.shape[-1] == 1 else grid, said, width="stretch")


def _show_profiles(a: Side, b: Side) -> None:
    """Energy and ‖z‖ of both over the steps."""
    steps = {side.name: side.run.trajectory.steps.numpy() for side in (a, b)}
    energies = {side.name: (steps[side.name], side.energy) for side in (a, b)}
    norms = {
        side.name: (steps[side.name], side.run.trajectory.z.norm(dim=-1).numpy()) for side in (a, b)
    }
    left, right = st.columns(2)
    left.plotly_chart(
        figures.overlaid_profiles(energies, _COLORS, "Energy, middle 90 % of chains", "−f(z)"),
        key="compare.energy",
    )
    right.plotly_chart(
        figures.overlaid_profiles(norms, _COLORS, "Distance from the origin", "‖z‖"),
        key="compare.norm",
    )


def _show_numbers(a: Side, b: Side) -> None:
    """A table that fills while the slower numbers are computed."""
    this = " ".join(f"{side.run.id} {side.run.n_taken}" for side in (a, b))
    _watch(own_job(_NUMBERS, this, lambda job: compare.study(job, a, b)))


def _watch(job: Job[dict[str, Numbers]]) -> None:
    def draw() -> None:
        st.subheader("In numbers")
        if job.running:
            st.progress(job.progress, "log Z by annealing, then chains ten times as long")
        if job.error:
            st.error(f"The numbers could not be computed: {plain(job.error)}")
        if job.latest is not None:
            st.dataframe(compare.numbers_table(job.latest), hide_index=True)
            st.caption(compare.NUMBERS_HELP)

    follow(job, draw)
