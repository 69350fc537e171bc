"""The Time machine page: how a run's prior took shape, checkpoint by checkpoint."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import streamlit as st

from app import cache, figures, training
from app.jobs import Job
from app.models import ModelEntry, runs_folder
from app.sidebar import Length, chain_settings, follow_model
from app.studies import time_machine
from app.studies.chain_run import PLANE_EXTENT, ChainSettings
from app.studies.time_machine import Stage, TimeMachine
from app.training import Run
from lebm.checkpoint import CheckpointError
from train.pictures import mosaic
from train.run_dir import RunDir

_LENGTH = Length("Steps K", "K", 0, 500, 10, "Steps that every chain takes at every checkpoint.")


def page() -> None:
    """Draw the page."""
    st.header("Time machine")
    st.html("<style>.stImage img { image-rendering: pixelated; }</style>")
    st.markdown(
        "One run, many ages: the **same noise** climbs the prior as it was at each checkpoint. "
        "Scrub through the training and see what the chains come to as the prior takes shape."
    )
    run, files = _pick_run()
    try:
        _, card = cache.model(_entry(run, files[-1]))
    except CheckpointError as error:
        st.error(str(error))
        return
    follow_model(f"runs/{run.id}", card)
    settings = chain_settings(card, _LENGTH)
    job = cache.jobs().start(
        _job_id(files, settings), lambda job: time_machine.build(job, files, settings)
    )
    _watch(job, run)


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


def _entry(run: Run, file: Path) -> ModelEntry:
    return ModelEntry(run.id, "", file, file.stat().st_mtime_ns)


def _job_id(files: list[Path], settings: ChainSettings) -> str:
    versions = [(str(file), file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(f"ages {versions} {settings}".encode()).hexdigest()[:16]


def _watch(job: Job[TimeMachine], run: Run) -> None:
    """Show what there is, twice a second while more is to come."""

    @st.fragment(run_every=0.5 if job.running else None)
    def progress() -> None:
        job.watch()
        if job.running:
            st.progress(job.progress, "Running the chains under each checkpoint")
        if _is_new(job):
            st.rerun()

    progress()
    if job.error:
        st.error(f"The checkpoints could not all be shown: {job.error}")
    if job.latest is not None:
        _show(job.latest, run)


def _is_new(job: Job[TimeMachine]) -> bool:
    """Whether the page has not been drawn yet with what the job holds now."""
    state = (id(job.latest), job.running)
    fresh = st.session_state.get("time_machine.drawn") != state
    st.session_state["time_machine.drawn"] = state
    return fresh


@st.fragment
def _show(machine: TimeMachine, run: Run) -> None:
    for sentence in machine.skipped:
        st.warning(f"Left out: {sentence}")
    stage = _scrub(machine)
    left, right = st.columns([3, 2])
    with left:
        _show_examples(machine, stage)
    with right:
        _show_latents(machine, stage)
    left, right = st.columns(2)
    starts, ends = machine.energies()
    energies = figures.energies_by_iteration(machine.steps, ends, starts, stage.step)
    left.plotly_chart(energies, key="energies")
    tables = {"evaluation": cache.growing_csv(run.path / "evaluation.csv").read()}
    tables["metrics"] = cache.growing_csv(run.path / "metrics.csv").read()
    with right:
        name = "log_prob" if "log_prob" in tables["evaluation"] else "reconstruction"
        figure = figures.training_curves(figures.CHARTS[name], tables)
        if figure is not None:
            figure.add_vline(x=stage.step, line_dash="dash")
            st.plotly_chart(figure, key="quality")


def _scrub(machine: TimeMachine) -> Stage:
    by_step = {stage.step: stage for stage in machine.stages}
    if len(by_step) == 1:
        return machine.stages[0]
    step = st.select_slider(
        "Training iteration",
        list(by_step),
        machine.stages[-1].step,
        key="at",
        bind="query-params",
        help="The checkpoint whose prior the chains climb; arrow keys go from one to the next.",
    )
    return by_step[step]


def _show_examples(machine: TimeMachine, stage: Stage) -> None:
    if stage.examples.ndim == 2:
        groups = {"decoded chains": (stage.examples, figures.TILTED)}
        st.plotly_chart(figures.points(groups), key="decoded")
        return
    grid = mosaic(stage.examples, int(np.ceil(np.sqrt(len(stage.examples)))))
    caption = f"The chains' ends at iteration {stage.step:,}, decoded"
    st.image(np.squeeze(grid, -1) if grid.shape[-1] == 1 else grid, caption, width="stretch")


def _show_latents(machine: TimeMachine, stage: Stage) -> None:
    plane = stage.density is not None
    frame = machine.frame
    start, end = frame.transform(machine.start), frame.transform(stage.z)
    extent = PLANE_EXTENT if plane else 1.1 * float(np.nanmax(np.abs([start, end])))
    axes = ("z₁", "z₂") if plane else ("first direction", "second direction")
    st.plotly_chart(figures.latents_at(start, end, axes, extent, stage.density), key="latents")
    st.caption(
        "The latent plane itself; shade: the exact density of p_α at this checkpoint."
        if plane
        else f"Principal directions of the noise and of the last checkpoint's chains, the same at "
        f"every checkpoint; they keep {frame.explained:.0%} of the variance."
    )
