"""Controls that pages share; every value stands in the page's address."""

from __future__ import annotations

import math
from dataclasses import dataclass

import streamlit as st

from app import cache
from app.models import ModelEntry, list_models, runs_folder
from app.studies.chain_run import ChainSettings, undrawable
from lebm.checkpoint import CheckpointError, ModelCard
from lebm.model import LatentEBM

CHAIN_COUNTS = (1, 4, 9, 16, 25, 36, 64, 100)
_SHOWN_MODEL = "sidebar.model"


def pick_model() -> tuple[ModelEntry, LatentEBM, ModelCard] | None:
    """The chosen model; None, with a sentence on the page, if it cannot be opened."""
    entries = list_models(runs_folder())
    if not entries:
        st.error("There is no model yet: train one with `python -m train digits`.")
        return None
    with st.sidebar:
        chosen = st.selectbox(
            "Model",
            list(entries),
            key="model",
            bind="query-params",
            help="Models of the zoo come with the explorer; runs are those in the folder runs/.",
        )
        st.caption(entries[chosen].note)
    entry = entries[chosen]
    try:
        model, card = cache.model(entry)
    except CheckpointError as error:
        st.error(str(error))
        return None
    if (reason := undrawable(model)) is not None:
        st.error(f"{entry.id} cannot be shown: {reason}.")
        return None
    _follow_model(entry, card)
    return entry, model, card


@dataclass(frozen=True, slots=True)
class Length:
    """The control for a chain's length: its label, key in the address, range and help line."""

    label: str
    key: str
    lowest: int
    highest: int
    step: int
    help: str
    default: int | None = None
    """None: as many steps as the model was trained with."""


def chain_settings(card: ModelCard, length: Length) -> ChainSettings:
    """The settings of a prior chain; the defaults are those the model was trained with."""
    trained = card.prior_sampler
    with st.sidebar:
        n_chains = st.select_slider(
            "Chains",
            CHAIN_COUNTS,
            64,
            key="n",
            bind="query-params",
            help="How many chains run side by side, each with noise of its own.",
        )
        n_steps = st.number_input(
            length.label,
            min_value=length.lowest,
            max_value=max(length.highest, trained.n_steps),
            value=trained.n_steps if length.default is None else length.default,
            step=length.step,
            key=length.key,
            bind="query-params",
            help=f"{length.help} This model was trained with {trained.n_steps}.",
        )
        step_size = st.number_input(
            "Step size s",
            min_value=min(1e-5, trained.step_size),
            max_value=max(2.0, trained.step_size),
            value=trained.step_size,
            step=0.005,
            format="%.4f",
            key="s",
            bind="query-params",
            help="In z + s·gradient + √(2s)·noise. Too large and chains overshoot; too small and "
            f"they hardly move. This model was trained with {trained.step_size:g}.",
        )
        st.caption(f"δ = √(2s) = {math.sqrt(2 * step_size):.3f}, the form other papers state")
        temperature = st.slider(
            "Temperature",
            0.0,
            2.0,
            1.0,
            0.05,
            key="T",
            bind="query-params",
            help="Scales the noise's variance: 1 samples the prior, 0 only climbs.",
        )
        seed = st.number_input(
            "Seed",
            min_value=0,
            max_value=2**31 - 1,
            value=0,
            key="seed",
            bind="query-params",
            help="The same seed gives the same chains, on any machine.",
        )
        st.caption("Start: fresh noise from p₀ = N(0, I)")
    return ChainSettings(int(n_chains), int(n_steps), step_size, temperature, int(seed))


def _follow_model(entry: ModelEntry, card: ModelCard) -> None:
    """When a person turns to another model, take over the steps and step size it learned with."""
    before = st.session_state.get(_SHOWN_MODEL, entry.id)
    st.session_state[_SHOWN_MODEL] = entry.id
    if before != entry.id:
        st.session_state["K"] = card.prior_sampler.n_steps
        st.session_state["s"] = card.prior_sampler.step_size
