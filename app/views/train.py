"""The Train page: start a run, watch it, stop it, go on with it."""

from __future__ import annotations

import streamlit as st

from app import cache, training
from app.models import runs_folder
from app.training import Run
from app.views import train_form, train_watch

NEW = "a new run"


def page() -> None:
    """Draw the page."""
    st.header("Train")
    st.html("<style>.stImage img { image-rendering: pixelated; }</style>")
    runs = training.list_runs(runs_folder())
    if (opened := st.session_state.pop("train.open", None)) is not None:
        st.session_state["run"] = opened
    with st.sidebar:
        chosen = st.selectbox(
            "Run",
            [NEW, *runs],
            key="run",
            bind="query-params",
            help="Runs of the folder runs/, the newest first: those started here and those "
            "started on the command line.",
        )
        if chosen != NEW:
            st.caption(runs[chosen].status)
    if chosen == NEW:
        _show_new(runs)
    else:
        train_watch.show(runs[chosen])


def _show_new(runs: dict[str, Run]) -> None:
    st.markdown(
        "Learn a prior and a generator from data: choose a preset, press **Start**, and watch. "
        "The run is a process of its own: it goes on when you reload or close this page."
    )
    train_form.show()
    st.subheader("Runs")
    _show_runs(runs)


def _show_runs(runs: dict[str, Run]) -> None:
    """A table of all runs; selecting a row opens it."""
    rows = [_row(run) for run in runs.values()]
    event = st.dataframe(
        {name: [row[name] for row in rows] for name in rows[0]},
        key="train.runs",
        on_select="rerun",
        selection_mode="single-row",
        hide_index=True,
        column_config={"test MSE": st.column_config.NumberColumn(format="%.5f")},
    )
    st.caption("Select a row to watch that run, its curves and pictures.")
    if event.selection.rows:
        st.session_state["train.open"] = list(runs)[event.selection.rows[0]]
        st.rerun()


def _row(run: Run) -> dict[str, str | int | float | None]:
    tables = cache.run_logs(run.path)
    step, mse = tables["metrics"].get("step", ()), tables["evaluation"].get("test_mse", ())
    return {
        "run": run.id,
        "status": run.status,
        "iteration": int(step[-1]) if len(step) else None,
        "test MSE": float(mse[-1]) if len(mse) else None,
    }
