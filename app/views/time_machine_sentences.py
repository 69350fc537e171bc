"""The Time machine page of sentences: what the same noise says under each checkpoint."""

from __future__ import annotations

import streamlit as st

from app.studies.sentence_chains import compared
from app.studies.time_machine import TimeMachine
from app.views.sentences import line

_HEIGHT = 460


def show(machine: TimeMachine) -> None:
    """Draw all chains at one checkpoint, and one chain at all checkpoints."""
    left, right = st.columns(2, gap="large")
    with left:
        at = _pick_stage(machine)
        with st.container(height=_HEIGHT):
            st.markdown(_joined(_at_checkpoint(machine, at)))
        before = f"iteration {machine.steps[at - 1]:,}" if at else "nothing: it is the first"
        st.caption(f"Every chain at its end. Orange: words that are new since {before}.")
    with right:
        chain = st.number_input(
            "Follow chain",
            min_value=0,
            max_value=len(machine.stages[0].examples) - 1,
            value=0,
            key="chain",
            bind="query-params",
            help="What the same noise comes to say, from the first checkpoint to the last.",
        )
        with st.container(height=_HEIGHT):
            st.markdown(_joined(_of_chain(machine, int(chain))))
        st.caption("One chain under every checkpoint. Orange: words new since the line above.")


def _pick_stage(machine: TimeMachine) -> int:
    """Which checkpoint is read on the left; the last one at first."""
    steps = machine.steps.tolist()
    if st.session_state.get("at", steps[-1]) not in steps:  # it was chosen for another run
        del st.session_state["at"]
    if len(steps) == 1:
        st.markdown(f"**Iteration {steps[0]:,}**, the only checkpoint")
        return 0
    chosen = st.select_slider(
        "Checkpoint, by iteration",
        steps,
        steps[-1],
        key="at",
        bind="query-params",
        help="All chains start from the same noise at every checkpoint.",
    )
    return steps.index(chosen)


def _at_checkpoint(machine: TimeMachine, at: int) -> list[str]:
    return [_said(machine, at, chain, f"chain {chain}") for chain in _chains(machine)]


def _of_chain(machine: TimeMachine, chain: int) -> list[str]:
    steps = machine.steps
    return [_said(machine, at, chain, f"iteration {step:,}") for at, step in enumerate(steps)]


def _chains(machine: TimeMachine) -> range:
    return range(len(machine.stages[0].examples))


def _said(machine: TimeMachine, at: int, chain: int, name: str) -> str:
    """One sentence, its words new since the checkpoint before in orange, with its energy."""
    now, before = machine.stages[at], machine.stages[max(at - 1, 0)]
    words = compared(str(before.examples[chain]), str(now.examples[chain]))
    return line(words, f"{name}, −f = {now.curves['energy'][chain]:.2f}")


def _joined(lines: list[str]) -> str:
    return "\n\n".join(lines)
