"""What every view of the Landscape page works with: the model, and points named by controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from torch import Tensor

from app import cache
from app.example import pick_number
from app.exports import show_lines
from app.figures.profiles import Strip
from app.models import ModelEntry
from app.sidebar import plain
from app.studies import landscape, lines
from app.studies.examples import Examples
from app.studies.landscape import TYPED, Kind, Place, Profile
from app.views.own_sentence import type_sentence
from app.views.sentences import SILENCE
from lebm.checkpoint import ModelCard
from lebm.model import LatentEBM

_KEPT = "landscape.kept"
_LAST_CHAIN = 9_999
_SCROLLS = """<style>
.st-key-over-strips { overflow-x: auto; }
.st-key-over-strips .stElementContainer:has(.stPlotlyChart) { min-width: 760px; }
</style>"""
QUANTITIES = {"−log p_α": "neg_log_prob", "−f": "energy"}


@dataclass(frozen=True, slots=True)
class Scene:
    """What every view of the page works with."""

    entry: ModelEntry
    model: LatentEBM
    card: ModelCard
    seed: int

    @property
    def is_points(self) -> bool:
        """Whether examples are points of the plane, not pictures."""
        return self.model.config.kind == "points"

    @property
    def is_text(self) -> bool:
        """Whether examples are sentences."""
        return self.model.config.kind == "text"

    def keep(self, what: str, compute: Callable[[], object]) -> object:
        """The result of `compute`, kept in the session until something else of `what` is asked.

        `what` names all that the result depends on beside the scene; its first word names the
        slot.
        """
        slots = st.session_state.setdefault(_KEPT, {})
        tag = f"{self.entry.path} {self.entry.version} {self.seed} {what}"
        slot = what.partition(" ")[0]
        if slots.get(slot, ("",))[0] != tag:
            slots[slot] = (tag, compute())
        return slots[slot][1]

    def known(self) -> Examples:
        """Examples of the model's data."""
        return cache.examples(self.entry)

    def samples(self) -> Tensor:
        """The ends of prior chains."""
        return self.keep(
            "samples", lambda: landscape.prior_samples(self.model, self.card, self.seed)
        )

    def show_lines(self, text: str) -> None:
        """Draw the lines that make again what is shown."""
        show_lines(text + lines.SPOKEN if self.is_text else text)

    def context(self) -> np.ndarray:
        """Decoded prior samples of a model of points."""
        return landscape.decode(self.model, self.samples())


@dataclass(frozen=True, slots=True)
class Chosen:
    """Points that a person named, by letter.

    Attributes:
        places: how each is found again.
        latents: z of each, `(latent_dim,)`.
    """

    places: dict[str, Place]
    latents: dict[str, Tensor]


def choose(scene: Scene, names: str) -> Chosen | None:
    """Controls for one point a letter of `names`; None if one of them is not given yet."""
    chosen = Chosen({}, {})
    for i, (name, column) in enumerate(zip(names, st.columns(len(names)), strict=True)):
        with column:
            place = _choose_place(scene, name, i)
            if place is None:
                continue
            find = partial(landscape.locate, place, scene.model, scene.card, scene.known)
            chosen.places[name] = place
            chosen.latents[name] = scene.keep(f"point-{name} {place}", find)
            if scene.is_text:
                _show_said(scene, place, chosen.latents[name])
    return chosen if len(chosen.places) == len(names) else None


def choose_two(scene: Scene) -> Chosen | None:
    """A and B; None, with a sentence on the page, if one is missing or they are the same point."""
    chosen = choose(scene, "AB")
    if chosen is not None and torch.equal(*chosen.latents.values()):
        st.info("A and B are the same point: choose another number for one of them.")
        return None
    return chosen


def _choose_place(scene: Scene, name: str, number: int) -> Place | None:
    key = name.lower()
    kinds = landscape.SPOKEN_KINDS if scene.is_text else landscape.KINDS
    if st.session_state.get(key, kinds[0]) not in kinds:
        del st.session_state[key]  # left behind by a model of sentences
    kind = st.selectbox(
        f"Point {name}",
        kinds,
        key=key,
        bind="query-params",
        help="Where a prior chain ends after the steps the model was trained with, where "
        "a posterior chain of an example ends, noise as chains start from, or z = 0.",
    )
    if kind == TYPED:
        sentence = type_sentence(scene.model, "Sentence", f"{key}t")
        return None if sentence is None else Place(kind, 0, scene.seed, sentence.typed)
    return Place(kind, _choose_number(scene, key, kind, number), scene.seed)


def _choose_number(scene: Scene, key: str, kind: Kind, number: int) -> int:
    of_example = kind == "posterior of example"
    return pick_number(
        "Number",
        len(scene.known().rows) - 1 if of_example else _LAST_CHAIN,
        f"{key}n",
        "Which chain or example; chain 17 is chain 17 of the Chains page.",
        default=number,
        disabled=kind == "origin",
    )


def _show_said(scene: Scene, place: Place, z: Tensor) -> None:
    """What a point says, below its control, and the sentence whose posterior it is of."""
    if place.kind in (TYPED, "posterior of example"):
        x = landscape.example_of(place, scene.model, scene.known).x
        assert scene.model.config.text is not None
        st.caption(f"x: {plain(scene.model.config.text.vocabulary.decode(x)[0])}")
    st.markdown(f"z says: {plain(str(landscape.decode(scene.model, z[None])[0])) or SILENCE}")


def choose_quantity() -> str:
    """The control for what is drawn, a name of `QUANTITIES`."""
    chosen = st.segmented_control(
        "Energy",
        list(QUANTITIES),
        default="−log p_α",
        required=True,
        key="of",
        bind="query-params",
        help="−log p_α(z), up to log Z, holds the Gaussian term; −f(z) is the network alone.",
    )
    return chosen or "−log p_α"


def strips(found: dict[str, Profile]) -> list[Strip]:
    """The pictures along curves, by name; none for a model of points or of sentences."""
    return [Strip(name, p.decoded_at, p.decoded) for name, p in found.items() if p.decoded.ndim > 2]


def draw_over_strips(figure: go.Figure, key: str) -> None:
    """The chart, which scrolls sideways where a screen is too narrow for its pictures, if any."""
    if not any(trace.type == "image" for trace in figure.data):
        st.plotly_chart(figure, key=key)
        return
    with st.container(key="over-strips"):
        st.html(_SCROLLS)
        st.plotly_chart(figure, key=key)
