"""A run on the Train page: where it stands, its curves, its pictures, its log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import streamlit as st

from app import cache, figures, training
from app.sidebar import plain
from app.studies import run_log
from app.studies.run_log import Columns, Pace
from app.training import EXAMPLE, Run
from train.config import TrainConfig
from train.run_dir import RunDir, RunError

_POLL = 1.0  # seconds
_REDRAW = 4.0  # seconds between two drawings of the charts
_DRAWN = "train.drawn"
_KINDS = {
    "gaussian": "Noise z ~ N(0, I), decoded",
    "prior": "The same noise after the prior's chain",
    "reconstruction": "Held-out examples, each beside its reconstruction",
}
_VIEWS = {
    "Chains": "./?model=runs/{}",
    "Tilted prior": "./tilted-prior?model=runs/{}",
    "Long run": "./long-run?model=runs/{}",
    "Time machine": "./time-machine?run={}",
}


def show(run: Run) -> None:
    """Draw the run, once a second while it trains."""

    @st.fragment(run_every=_POLL if run.goes_on else None)
    def watch() -> None:
        now = training.look(run.id, run.path)
        if now.status != run.status:
            st.rerun()  # other buttons, and another pace of polling
        _show(now)

    watch()


def _show(run: Run) -> None:
    st.subheader(run.id)
    tables = cache.run_logs(run.path)
    config = _config(run)
    limits = (config.epochs, config.minutes) if config else (0, None)
    pace = run_log.pace(tables["metrics"], *limits)
    _show_status(run, pace)
    _show_buttons(run, config)
    _show_numbers(tables)
    _show_curves(_held(run, tables))
    _show_samples(run)
    _show_files(run, config)


def _config(run: Run) -> TrainConfig | None:
    """The run's settings; None before they are written, or where they are damaged."""
    try:
        return RunDir(run.path).config()
    except RunError as error:
        if (run.path / "config.json").exists():
            st.error(plain(str(error)))
        return None


def _show_status(run: Run, pace: Pace) -> None:
    """One sentence that says where the run stands."""
    at = f"iteration {pace.step:,}" + (f" of {pace.n_steps:,}" if pace.n_steps else "")
    if run.status == "starting":
        st.info("Starting: the program and the data are being loaded.")
    elif run.status == "training":
        st.progress(pace.share, f"At {at}{_speed(pace)}")
    elif run.status == "stopping":
        st.progress(pace.share, f"Stopping at {at}: it finishes the iteration and saves.")
    elif run.status in ("diverged", "failed"):
        st.error(plain(run.sentence) or "It failed; its log below says why.")
    elif run.status == "interrupted":
        saved = RunDir(run.path).checkpoints()
        since = f"iteration {_step(saved[-1]):,}" if saved else "its beginning"
        st.warning(
            f"Was interrupted at {at}: its process was killed, or the machine went down. "
            f"Resume goes on from its last save, after {since}."
        )
    elif run.status == "stopped":
        st.info(f"Stopped at {at}. Resume goes on from there.")
    else:
        st.success(f"Finished at {at}.")


def _speed(pace: Pace) -> str:
    if not math.isfinite(pace.rate):
        return ""
    left = f", about {_duration(pace.seconds_left)} left" if pace.n_steps else ""
    return f": {pace.rate:.3g} iterations a second{left}"


def _duration(seconds: float) -> str:
    """In the unit that suits: 40 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _show_buttons(run: Run, config: TrainConfig | None) -> None:
    """What can be done with the run now, and the pages that can open it."""
    with st.container(horizontal=True):
        if run.goes_on:
            help_line = "The trainer finishes its iteration, saves and stops."
            if st.button("Stop", key="stop", help=help_line, disabled=run.status == "stopping"):
                _do(lambda: training.stop(run))
        if run.can_resume and st.button(
            "Resume", key="resume", type="primary", help=training.shown(["resume", str(run.path)])
        ):
            _do(lambda: training.resume(run))
        has_model = bool(RunDir(run.path).checkpoints())
        for title, url in _VIEWS.items():
            if run.id != EXAMPLE or title == "Time machine":
                st.link_button(
                    f"Open in {title}",
                    url.format(quote(run.id, safe="")),
                    disabled=not has_model,
                    help="Its newest checkpoint" if has_model else "Once it has a checkpoint",
                )
    if run.status == "diverged" and config is not None:
        _offer_rewind(run, config)


def _offer_rewind(run: Run, config: TrainConfig) -> None:
    """Back to where the run was sound, in a folder of its own, with lower rates."""
    with st.container(border=True):
        st.markdown(
            "**Rewind** to where it saved last, and go on with another seed and lower learning "
            "rates, as a new run. This one stays as it is."
        )
        left, right = st.columns(2)
        seed = left.number_input(
            "New seed",
            min_value=0,
            max_value=2**31 - 1,
            value=min(config.seed + 1, 2**31 - 1),
            key="rewind-seed",
            help="Of the order of the data and of all chains from there on.",
        )
        scale = right.select_slider(
            "Learning rates ×",
            (0.1, 0.2, 0.5, 0.8, 1.0),
            0.5,
            key="rewind-scale",
            help="Both learning rates are multiplied by this.",
        )
        chosen = ["--seed", str(seed), "--lr-scale", f"{scale:g}"]
        st.code(training.shown(["rewind", str(run.path), *chosen]), "bash", wrap_lines=True)
        if st.button("Rewind", key="rewind", type="primary"):
            _do(lambda: _open(training.rewind(run, chosen)))


def _open(run_id: str) -> None:
    st.session_state["train.open"] = run_id


def _do(action: Callable[[], None]) -> None:
    """Act on a run and draw the page anew, or say why it cannot be."""
    try:
        action()
    except RunError as error:
        st.error(plain(str(error)))
    else:
        st.rerun()


def _show_numbers(tables: dict[str, Columns]) -> None:
    newest = {
        "Epoch": ("metrics", "epoch", ".2f", "Passes over the training data"),
        **_errors(tables),
        "Gap of f": ("metrics", "f_gap", "+.3f", "Mean f(z⁺) − mean f(z⁻) of the last batch"),
    }
    with st.container(horizontal=True, gap="large"):
        for label, (table, name, form, help_line) in newest.items():
            values = tables[table].get(name, ())
            shown = f"{values[-1]:{form}}" if len(values) else "–"
            st.metric(label, shown, help=help_line, width="content")


def _errors(tables: dict[str, Columns]) -> dict[str, tuple[str, str, str, str]]:
    """The numbers that say how well a run reconstructs: of sentences, in nats."""
    if "word_nll" in tables["metrics"]:
        batch, test = "Of the last batch that was logged", "Of held-out sentences, given their z"
        return {
            "Nats a word": ("metrics", "word_nll", ".3f", batch),
            "Test nats a sentence": ("evaluation", "test_nll", ".2f", test),
        }
    batch, test = "Of the last batch that was logged", "Of held-out examples, at the checkpoint"
    return {
        "Training MSE": ("metrics", "mse", ".5f", batch),
        "Test MSE": ("evaluation", "test_mse", ".5f", test),
    }


def _held(run: Run, tables: dict[str, Columns]) -> dict[str, Columns]:
    """The tables as the charts show them: a chart that changes blinks, so it seldom does."""
    run_then, at, drawn = st.session_state.get(_DRAWN, ("", 0.0, {}))
    grew = bool(drawn.get("metrics"))
    if run.goes_on and grew and run_then == run.id and time.monotonic() - at < _REDRAW:
        return drawn
    st.session_state[_DRAWN] = (run.id, time.monotonic(), tables)
    return tables


def _show_curves(tables: dict[str, Columns]) -> None:
    if not tables["metrics"]:
        st.caption("Curves appear with the first logged iteration.")
        return
    columns = st.columns(2)
    drawn = 0
    for name, chart in figures.CHARTS.items():
        figure = figures.training_curves(chart, tables)
        if figure is not None:
            with columns[drawn % 2]:
                st.plotly_chart(figure, key=f"curve-{name}")
                st.caption(chart.help)
            drawn += 1


def _show_samples(run: Run) -> None:
    """Pictures at a checkpoint; without a choice, the newest one's."""
    steps = run_log.sample_steps(RunDir(run.path))
    if not steps:
        return
    st.markdown("**Samples**, from the same seeds at every checkpoint")
    if len(steps) > 1:
        chosen = st.select_slider(
            "Checkpoint",
            [*steps, "newest"],
            "newest",
            key="at",
            bind="query-params",
            help="The training iteration at which these pictures were made.",
        )
    else:
        chosen = "newest"
    step = steps[-1] if chosen == "newest" else chosen
    for column, (kind, caption) in zip(st.columns(len(_KINDS)), _KINDS.items(), strict=True):
        picture = run.path / "samples" / f"{kind}-{step:06d}.png"
        if picture.exists():
            column.image(picture.read_bytes(), f"{caption}, iteration {step:,}", width="stretch")
        else:
            column.caption(f"{caption}, iteration {step:,}")
            column.code(picture.with_suffix(".txt").read_text(), None, wrap_lines=True, height=400)


def _show_files(run: Run, config: TrainConfig | None) -> None:
    log = training.log_tail(run.path)
    if log:
        with st.expander("Log", expanded=run.status in ("failed", "diverged")):
            st.code(log, None)
    if config is not None:
        with st.expander("Settings"):
            st.code((run.path / "config.json").read_text(), "json")


def _step(checkpoint: Path) -> int:
    return int(checkpoint.stem.removeprefix("step-"))
