"""The Time machine page: how a run's prior took shape, checkpoint by checkpoint."""

from __future__ import annotations

import hashlib
from pathlib import Path

import streamlit as st

from app import address, cache, figures, training
from app.exports import show_lines
from app.jobs import Job
from app.models import ModelEntry, runs_folder
from app.player import player
from app.player.payload import View, encode
from app.sidebar import Length, chain_settings, follow_model, plain
from app.studies import lines, time_machine
from app.studies.chain_run import ChainSettings, undrawable
from app.studies.time_machine import TimeMachine
from app.training import Run
from app.views import time_machine_sentences
from app.waiting import own_job
from lebm.checkpoint import CheckpointError
from train.run_dir import RunDir

_PLAYER, _MACHINE = "time-player", "time_machine.machine"
_PAYLOAD, _VIEW = "time_machine.payload", "time_machine.view"
_JOB = "time_machine.job"
_PATIENCE = 0.3  # seconds
_LENGTH = Length("Steps K", "K", 0, 500, 10, "Steps that every chain takes at every checkpoint.")


def page() -> None:
    """Draw the page."""
    st.header("Time machine")
    st.markdown(
        "One run, many ages: the **same noise** climbs the prior as it was at each checkpoint. "
        "Scrub through the training and see what the chains come to as the prior takes shape."
    )
    run, files = _pick_run()
    entry = ModelEntry(run.id, "", files[-1], files[-1].stat().st_mtime_ns)
    try:
        model, card = cache.model(entry)
    except CheckpointError as error:
        st.error(plain(str(error)))
        return
    speaks = model.config.kind == "text"
    if (reason := undrawable(model)) is not None:
        st.error(f"{plain(run.id)} cannot be shown: {reason}.")
        return
    follow_model(f"runs/{run.id}", card)
    settings = chain_settings(card, _LENGTH)
    machine_id, plane = _machine_id(files, settings), cache.latent_plane(entry)
    job = own_job(
        _JOB, machine_id, lambda job: time_machine.build(job, machine_id, files, plane, settings)
    )
    _watch(job, run, settings, speaks=speaks)


def _pick_run() -> tuple[Run, list[Path]]:
    """The chosen run, of those with checkpoints, and the checkpoints to look at."""
    listed = training.list_runs(runs_folder())
    files = {name: RunDir(run.path).checkpoints() for name, run in listed.items()}
    with st.sidebar:
        chosen = st.selectbox(
            "Run",
            [name for name in listed if files[name]],
            key="run",
            bind="query-params",
            help="Runs with at least one checkpoint; the last in the list came along.",
        )
        shown = time_machine.chosen(files[chosen])
        st.caption(f"{len(shown)} of {len(files[chosen])} checkpoints are looked at")
    return listed[chosen], shown


def _machine_id(files: list[Path], settings: ChainSettings) -> str:
    versions = [(str(file), file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(f"ages {versions} {settings}".encode()).hexdigest()[:16]


def _watch(job: Job[TimeMachine], run: Run, settings: ChainSettings, *, speaks: bool) -> None:
    """Wait for the chains, twice a second, then show them."""

    @st.fragment(run_every=0.5)
    def progress() -> None:
        job.watch()
        st.progress(job.progress, "Running the chains under each checkpoint")
        if not job.running:
            st.rerun()

    job.finished.wait(_PATIENCE)  # most runs need no progress bar
    if job.running:
        progress()
        return
    if job.error:
        st.error(f"None of the checkpoints can be shown: {plain(job.error)}")
    elif job.latest is not None:
        machine = job.latest
        for sentence in machine.skipped:
            st.warning(f"Left out: {plain(sentence)}")
        if speaks:
            time_machine_sentences.show(machine)
        else:
            _show_player(machine)
        _show_charts(machine, run)
        steps = machine.steps.tolist()
        show_lines(lines.time_machine(run.path, steps, settings, speaks=speaks))


def _show_player(machine: TimeMachine) -> None:
    shown = st.session_state.get(_MACHINE)
    if shown is None or shown.id != machine.id:
        st.session_state[_MACHINE], st.session_state[_VIEW] = machine, _view_from_address(machine)
        _send()
    _write_address(machine)
    _play()


def _show_charts(machine: TimeMachine, run: Run) -> None:
    """Energies by iteration, and how well the run did meanwhile."""
    left, right = st.columns(2)
    starts, ends = machine.energies()
    left.plotly_chart(figures.energies_by_iteration(machine.steps, starts, ends), key="energies")
    tables = cache.run_logs(run.path)
    measured = {"log_prob": "log_prob", "test_nll": "sentences"}
    names = [name for column, name in measured.items() if column in tables["evaluation"]]
    figure = figures.training_curves(figures.CHARTS[(names or ["reconstruction"])[0]], tables)
    if figure is not None:
        right.plotly_chart(figure.update_layout(height=360), key="quality")


def _send(first: int = 0) -> None:
    """Have the player show the machine; the browser holds the records before `first`."""
    machine, view = st.session_state[_MACHINE], st.session_state[_VIEW]
    st.session_state[_PAYLOAD] = encode([machine.track()], [first], view, unit="iteration")


@st.fragment
def _play() -> None:
    # A browser that was on another page meanwhile asks for everything.
    player(st.session_state[_PAYLOAD], key=_PLAYER, on_request=_send, on_view=_remember_view)


def _remember_view() -> None:
    """Keep what is looked at, here and in the page's address; nothing is sent again."""
    seen = st.session_state[_PLAYER].view
    machine = st.session_state[_MACHINE]
    st.session_state[_VIEW] = View(int(seen["step"]), int(seen["chain"]), str(seen["curve"]))
    _send(len(machine.steps))
    _write_address(machine)


def _write_address(machine: TimeMachine) -> None:
    view = st.session_state[_VIEW]
    at = machine.steps[min(view.step, len(machine.steps) - 1)]
    address.write({"at": at, "chain": view.chain, "curve": view.curve})


def _view_from_address(machine: TimeMachine) -> View:
    """The iteration, chain and curve that the address names, else chain 0 at the last one."""
    at = st.query_params.get("at", "")
    steps = [str(step) for step in machine.steps]
    return View(
        steps.index(at) if at in steps else len(steps) - 1,
        address.number("chain", 0),
        st.query_params.get("curve", ""),
    )
