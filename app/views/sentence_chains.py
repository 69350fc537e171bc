"""The Chains page of a model of sentences: what each step says (Table 3)."""

from __future__ import annotations

import streamlit as st

from app import cache
from app.exports import of_sentences, take_away
from app.figures.sentences import energy_and_words
from app.models import ModelEntry
from app.sidebar import Count, Length, chain_settings, plain
from app.studies import sentence_chains
from app.studies.chain_run import ChainSettings, Segment, chain_id
from app.studies.export import Film
from app.studies.recipe import recipe_of
from app.studies.sentence_chains import Stretch
from app.views.sentences import SILENCE, line, step_slider
from app.waiting import tell_failures
from lebm.checkpoint import ModelCard
from lebm.model import LatentEBM
from lebm.trajectory import Trajectory

_KEPT = "sentence_chains.kept"  # the chains in the session, with the settings they belong to
_LENGTH = Length("Steps K", "K", 1, 500, 10, "Steps that the chains take.", default=100)
_COUNT = Count(default=16)
_PANEL = (0, 40, 100)  # steps of Table 3
_PANEL_CHAINS = 6


def show(entry: ModelEntry, model: LatentEBM, card: ModelCard) -> None:
    """Draw the page below its heading."""
    settings = chain_settings(card, _LENGTH, _COUNT)
    chains = _chains(entry, model, settings)
    tell_failures(chains.failures)
    _show_panel(model, chains)
    step = step_slider(
        "sentence_chains", settings.n_steps, "Which step of all chains stands in the table."
    )
    _show_table(model, chains, step)
    chain = st.number_input(
        "Follow chain",
        0,
        settings.n_chains - 1,
        0,
        key="chain",
        bind="query-params",
        help="Its sentences stand below, from the first step to the last.",
    )
    _show_walk(model, chains, int(chain), step)
    _offer(entry, model, chains, settings, step)


def _chains(entry: ModelEntry, model: LatentEBM, settings: ChainSettings) -> Trajectory:
    """Taken once, kept in the session while nothing changes."""
    this = chain_id(entry, settings)
    kept = st.session_state.get(_KEPT)
    if kept is None or kept[0] != this:
        with st.spinner("Taking the steps"):
            kept = this, sentence_chains.walk(model, settings)
        st.session_state[_KEPT] = kept
    return kept[1]


def _show_panel(model: LatentEBM, chains: Trajectory) -> None:
    """The first chains at three steps beside each other, as in the paper."""
    last = len(chains.z) - 1
    steps = [step for step in _PANEL if step <= last] or [0, last]
    st.markdown("**The same chains, further and further up the prior** (Table 3)")
    said = [sentence_chains.read(model, chains.z[step, :_PANEL_CHAINS]) for step in steps]
    for row in zip(*said, strict=True):
        for column, step, sentence in zip(st.columns(len(steps)), steps, row, strict=True):
            column.markdown(f":small[:gray[step {step}]]  \n{plain(sentence) or SILENCE}")


def _show_table(model: LatentEBM, chains: Trajectory, step: int) -> None:
    z = chains.z[step]
    st.dataframe(
        {
            "chain": range(len(z)),
            "energy −f(z)": chains.energy[step].numpy(),
            "‖z‖": z.norm(dim=-1).numpy(),
            "sentence": sentence_chains.read(model, z),
        },
        hide_index=True,
        height=300,
        column_config={
            "energy −f(z)": st.column_config.NumberColumn(format="%.2f"),
            "‖z‖": st.column_config.NumberColumn(format="%.2f"),
            "sentence": st.column_config.TextColumn(width="large"),
        },
    )


def _show_walk(model: LatentEBM, chains: Trajectory, chain: int, step: int) -> None:
    """The followed chain: where its words change, and what its energy does meanwhile."""
    energy = chains.energy.numpy()
    sentences = sentence_chains.read(model, chains.z[:, chain])
    found = sentence_chains.stretches(sentences, energy[:, chain])
    changed = [stretch.first for stretch in found[1:]]
    st.plotly_chart(energy_and_words(energy, chain, changed, step), key="energy")
    st.markdown(
        f"**Chain {chain}** says {len(found)} different things in a row. Words that are new since "
        "the line above are orange; Δ is how far the energy moved while no word changed."
    )
    with st.container(height=420):
        for stretch in found:
            st.markdown(_line(stretch))


def _offer(
    entry: ModelEntry, model: LatentEBM, chains: Trajectory, settings: ChainSettings, step: int
) -> None:
    """The chains as files and as Python lines."""
    n_taken, fingerprint = len(chains.z) - 1, cache.fingerprint(entry)
    recipe = recipe_of((Segment(0, settings),), n_taken, entry, fingerprint)
    film = Film.of_sentences(recipe, chains, step)
    take_away(lambda: film, entry, key="chains.0", formats=of_sentences(model))


def _line(stretch: Stretch) -> str:
    steps = str(stretch.first)
    if stretch.last > stretch.first:
        steps += f"–{stretch.last}"
    moved = f", Δ = {stretch.moved:+.2f}" if stretch.first < stretch.last else ""
    return line(stretch.words, f"step {steps}, −f = {stretch.energy[0]:.2f}{moved}")
