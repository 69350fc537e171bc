"""Controls that pages share; every value stands in the page's address."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import cache, carry
from app.models import MAX_OPENED, ModelEntry, Opened, list_models, runs_folder
from app.studies.chain_run import ChainSettings, undrawable
from lebm import reference
from lebm.checkpoint import CheckpointError, ModelCard
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM

CHAIN_COUNTS = (1, 4, 9, 16, 25, 36, 64, 100)
_SHOWN_MODEL, _GONE = "sidebar.model", "sidebar.gone"
_OPENED, _REFUSED, _UPLOADS = "sidebar.opened", "sidebar.refused", "sidebar.uploads"

Chosen = tuple[ModelEntry, LatentEBM, ModelCard]


def pick_model(
    side: str = "",
    where: DeltaGenerator | None = None,
    chain: Chain | None = None,
) -> Chosen | None:
    """The chosen model; None, with a sentence on the page, if it cannot be opened.

    Args:
        side: "" for the page's model; "2" for the second one of a comparison. It ends the
            control's key in the address.
        where: a container for the control; None is the sidebar.
        chain: the one of its chains whose steps and step size the page starts from; None is
            the prior's.
    """
    key = f"model{side}"
    if _OPENED not in st.session_state:
        st.session_state[_OPENED] = Opened()
    opened: Opened = st.session_state[_OPENED]
    wanted = st.session_state.get(key) or st.query_params.get(key, "")
    entries = list_models(runs_folder(), wanted) | opened.entries
    if not entries:
        st.error("There is no model yet: train one with `python -m train digits`.")
        return None
    _mind_the_gone(key, wanted, entries)
    with where or st.sidebar:
        chosen = st.selectbox(
            "Model B" if side else "Model",
            list(entries),
            key=key,
            bind="query-params",
            on_change=_forget_the_gone,
            help="Models of the zoo come with the explorer; runs are those in the folder runs/. "
            "With a run chosen, its checkpoints stand in the list, too.",
        )
        st.caption(entries[chosen].note)
        if not side:
            _open_your_own(opened, chosen)
    loaded = _load(entries[chosen])
    if loaded is not None and not side:
        follow_model(chosen, loaded[2], chain or PRIOR)
    return loaded


def _load(entry: ModelEntry) -> Chosen | None:
    """The model, if it can be opened and drawn; else a sentence stands on the page."""
    try:
        model, card = cache.model(entry)
    except CheckpointError as error:
        st.error(plain(str(error)))
        return None
    if (reason := undrawable(model)) is not None:
        st.error(f"{plain(entry.id)} cannot be shown: {reason}.")
        return None
    return entry, model, card


def plain(text: str) -> str:
    """Text that may quote somebody else's file, as Markdown that shows it letter by letter."""
    return re.sub(r"([\\`*_{}\[\]()#+!|<>$~:])", r"\\\1", text)


def _mind_the_gone(key: str, wanted: str, entries: dict[str, ModelEntry]) -> None:
    """Say so when the address or the session names an opened file that is not here any more."""
    if wanted.startswith("upload/") and wanted not in entries:
        st.session_state.pop(key, None)
        st.session_state[_GONE] = wanted.removeprefix("upload/")
    if gone := st.session_state.get(_GONE):
        st.info(
            f"{plain(gone[:80])} is not open here: files live in the tab that opened them. "
            "Open it again under “Open your own” in the sidebar."
        )


def _forget_the_gone() -> None:
    st.session_state.pop(_GONE, None)


def _open_your_own(opened: Opened, chosen: str) -> None:
    """Take in a model file; what was found in it stands below."""
    findings = opened.findings.get(chosen, ())
    with st.expander("Open your own", expanded=bool(findings) or _REFUSED in st.session_state):
        key = f"{_UPLOADS}.{st.session_state.get(_UPLOADS, 0)}"
        st.file_uploader(
            "A model file",
            type=["safetensors", *reference.SUFFIXES],
            key=key,
            on_change=_take,
            args=(opened, key),
            help="A `.safetensors` file that `python -m train` wrote, or a checkpoint of the "
            "authors' public scripts. It is read as data, stays in this tab alone, and goes with "
            f"it; the newest {MAX_OPENED} are kept.",
        )
        if reason := st.session_state.get(_REFUSED):
            st.error(plain(reason))
        for sentence in findings:
            st.caption(plain(sentence))


def _take(opened: Opened, key: str) -> None:
    """Open the uploaded file and choose it; a fresh uploader then lets go of its bytes."""
    file = st.session_state[key]
    if file is None:
        return
    st.session_state.pop(_REFUSED, None)
    _forget_the_gone()
    try:
        st.session_state["model"] = opened.add(file.name, file.getvalue())
    except CheckpointError as error:
        st.session_state[_REFUSED] = str(error)
    st.session_state[_UPLOADS] = st.session_state.get(_UPLOADS, 0) + 1


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
    """None: as many steps as the model's own sampler takes."""


@dataclass(frozen=True, slots=True)
class Count:
    """The control for the number of chains: its label, default and help line."""

    label: str = "Chains"
    default: int = 64
    help: str = "How many chains run side by side, each with noise of its own."


@dataclass(frozen=True, slots=True)
class Chain:
    """One of a model's own chains, from which a page starts.

    Pages that start from different chains keep their settings apart: what suits a prior chain is
    far too coarse for a posterior one.
    """

    sampler: Callable[[ModelCard], LangevinConfig]
    """Finds it on the model's card."""
    number: str
    """Ends the keys of its number of chains, steps, step size and temperature in the address."""
    habit: str
    """What the model does with it, for the help lines."""


PRIOR = Chain(attrgetter("prior_sampler"), "", "was trained with")
RECONSTRUCTION = Chain(attrgetter("reconstruction_sampler"), "1", "reconstructs with")
_CHAINS = Count()


def chain_settings(
    card: ModelCard,
    length: Length,
    count: Count = _CHAINS,
    chain: Chain = PRIOR,
    learned: str = "",
) -> ChainSettings:
    """The settings of a chain.

    Args:
        card: of the model, whose own chain gives the defaults.
        length: the control for its length.
        count: the control for the number of chains.
        chain: which of the model's chains it is.
        learned: name of the model's learned sampler, whose draws the chains may start from; ""
            where there is none.
    """
    own, habit = chain.sampler(card), chain.habit
    most, step_key = max(length.highest, own.n_steps), f"s{chain.number}"
    least_size, most_size = min(1e-5, own.step_size), max(2.0, own.step_size)
    confine(length.key, length.lowest, most)
    confine(step_key, least_size, most_size)
    with st.sidebar:
        n_chains = st.select_slider(
            count.label,
            CHAIN_COUNTS,
            count.default,
            key=f"n{chain.number}",
            bind="query-params",
            help=count.help,
        )
        n_steps = st.number_input(
            length.label,
            min_value=length.lowest,
            max_value=most,
            value=own.n_steps if length.default is None else length.default,
            step=length.step,
            key=length.key,
            bind="query-params",
            help=f"{length.help} This model {habit} {own.n_steps}.",
        )
        step_size = st.number_input(
            "Step size s",
            min_value=least_size,
            max_value=most_size,
            value=own.step_size,
            step=0.005,
            format="%.4f",
            key=step_key,
            bind="query-params",
            help="In z + s·gradient + √(2s)·noise. Too large and chains overshoot; too small and "
            f"they hardly move. This model {habit} {own.step_size:g}.",
        )
        st.caption(f"δ = √(2s) = {math.sqrt(2 * step_size):.3f}, the form other papers state")
        temperature = st.slider(
            "Temperature",
            0.0,
            2.0,
            1.0,
            0.05,
            key=f"T{chain.number}",
            bind="query-params",
            help="Scales the noise's variance: 1 samples the density, 0 only climbs.",
        )
        seed = pick_seed("The same seed gives the same noise, on any machine.")
        learned_start = _pick_start(learned)
    return ChainSettings(
        int(n_chains),
        int(n_steps),
        step_size,
        temperature,
        seed,
        learned_start=learned_start,
    )


def pick_seed(
    about: str,
    *,
    label: str = "Seed",
    key: str = "seed",
    first: int = 0,
    place: DeltaGenerator | None = None,
) -> int:
    """A seed to choose, which the address names too.

    Args:
        about: what it is the seed of, for who asks.
        label: above the control.
        key: of the control, and the address's name of it.
        first: the seed that stands there at first.
        place: where to draw it; by default where the script stands.
    """
    seed = (place or st).number_input(
        label,
        min_value=0,
        max_value=2**31 - 1,
        value=first,
        key=key,
        bind="query-params",
        help=about,
    )
    return int(seed)


def _pick_start(learned: str) -> bool:
    """Whether the chains start from the learned sampler of this name; "" gives no choice."""
    wanted = bool(learned) and st.toggle(
        "Start from the amortised sampler",
        key="amortised",
        bind="query-params",
        help="This model has learned to draw latents in one pass. What Langevin steps still "
        "change from there is what it has not learned.",
    )
    start = f"draws of {learned}, learned" if wanted else "fresh noise from p₀ = N(0, I)"
    st.caption(f"Start: {start}")
    return wanted


def confine(key: str, lowest: float, highest: float) -> None:
    """Bring a value that another page or model left behind into this control's range."""
    value = st.session_state.get(key)
    if value is not None and not lowest <= value <= highest:
        st.session_state[key] = min(max(value, lowest), highest)


def follow_model(model_id: str, card: ModelCard, chain: Chain = PRIOR) -> None:
    """When a person turns to another model, take over its own steps and step size."""
    shown = f"{_SHOWN_MODEL}{chain.number}"
    before = st.session_state.get(shown, model_id)
    st.session_state[shown] = model_id
    if before != model_id:
        sampler, number = chain.sampler(card), chain.number
        own = {f"K{number}": sampler.n_steps, f"s{number}": sampler.step_size}
        st.session_state.update(own)
        carry.remember(own)  # the page may lack these controls
