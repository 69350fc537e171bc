"""What long chains of a model of sentences say, and where their words change."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.studies import sentence_chains
from app.studies.long_run import LongRun
from app.views.sentences import line
from lebm.diagnostics import Verdict

_BESIDE = 4  # chains that are read at a time


def show(run: LongRun) -> None:
    """Draw a column for each of some chains, its steps downwards."""
    n_chains = run.trajectory.z.shape[1]
    first = st.number_input(
        "Read from chain",
        min_value=0,
        max_value=n_chains - 1,
        value=0,
        step=_BESIDE,
        key="chain",
        bind="query-params",
        help=f"It and the {_BESIDE - 1} after it are read below; the verdict is on all chains.",
    )
    chains = range(int(first), min(int(first) + _BESIDE, n_chains))
    for column, chain in zip(st.columns(len(chains)), chains, strict=True):
        column.markdown(f"**Chain {chain}**")
        with column.container(height=420):
            for text in walk(run, chain):
                st.markdown(text)
    st.caption(
        f"What these chains say at steps {run.picture_steps[0]} to {run.picture_steps[-1]}, "
        f"{len(run.picture_steps)} of them; steps in a row that say the same share a line, and "
        "words that are new since the line above are orange."
    )


def walk(run: LongRun, chain: int) -> list[str]:
    """What a chain says at the steps that are read, as lines of Markdown."""
    steps = list(run.picture_steps)
    sentences = sentence_chains.recall(run.model, run.trajectory.z[steps, chain])
    energy = run.trajectory.energy[steps, chain].numpy()
    found = [
        replace(stretch, first=steps[stretch.first], last=steps[stretch.last])
        for stretch in sentence_chains.stretches(list(sentences), energy)
    ]
    return [
        line(
            stretch.words,
            f"step {stretch.first}"
            + (f" to {stretch.last}" if stretch.last > stretch.first else "")
            + f", −f = {stretch.energy[0]:.2f}",
        )
        for stretch in found
    ]


def numbers(verdict: Verdict) -> dict[str, tuple[str, str]]:
    """What the verdict is made of, beside energy and norm: label -> value and help line."""
    return {
        "Spread": (
            f"{verdict.spread:.2f} ×",
            "Share of words in which two chains differ at the end, as a multiple of that at K₀; "
            "below 0.25 is a collapse",
        ),
        "Moved": (
            f"{verdict.moved:.2f} ×",
            "Share of words in which each sentence differs from its own at K₀, as a multiple of "
            "the difference between chains; near 1, it is another sentence",
        ),
        "Merged": (
            f"{verdict.merged:+.0%}",
            "More chains that say word by word what another one says; above 50 % is a collapse",
        ),
        "Different": (
            f"{verdict.different:.0%}",
            "Different sentences at the end, as a share of the chains",
        ),
    }
