"""The Tilted prior page of sentences: points that can be read, searched and circled."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app import figures
from app.figures import Cloud
from app.sidebar import plain
from app.studies import sentence_chains, tilt_sentences
from app.studies.sentence_chains import Word
from app.studies.tilt_sentences import Voice
from app.views import tilted_prior_frame as frame
from app.views.sentences import line
from app.views.tilted_prior_frame import Scene

_COLORS = {"p_0": figures.GAUSSIAN, "p_λ": figures.TILTED, "posterior": figures.POSTERIOR}


def show(scene: Scene) -> list[int]:
    """Draw both sides; returns the numbers of the samples of p_λ that are read out."""
    words = st.text_input(
        "Find words",
        key="find",
        bind="query-params",
        max_chars=80,
        placeholder="such as: the teacher",
        help="Points whose sentence has all of these words stand out, in any order and case.",
    )
    voices = tilt_sentences.voices(scene.model, scene.view, scene.drawn, scene.tilt)
    found = {name: voice.saying(words) for name, voice in voices.items()} if words.split() else {}
    if found:
        st.markdown(_counted(scene, words, found))
    left, right = st.columns([3, 2])
    with right:  # first, since a browser takes a second to load what draws charts
        read = _read_out(scene, words, voices["p_λ"].rows[found["p_λ"]] if found else None)
    with left:
        layers = frame.pick_layers()
        frame.draw(scene, _clouds(scene, voices, found, coloured=layers.energies), layers)
    return read


def _counted(scene: Scene, words: str, found: dict[str, np.ndarray]) -> str:
    """How many draws of each distribution say the words."""
    names = {"p_0": "p₀", "p_λ": scene.sampled, "posterior": "the aggregate posterior"}
    counts = [f"{hits.sum()} of {len(hits)} draws of {names[name]}" for name, hits in found.items()]
    return f"**{plain(' '.join(words.split()))}** is said by {', '.join(counts)}."


def _clouds(
    scene: Scene, voices: dict[str, Voice], found: dict[str, np.ndarray], *, coloured: bool
) -> dict[str, Cloud]:
    def cloud(name: str) -> Cloud | None:
        if name not in voices:
            return None
        voice, tilted = voices[name], name == "p_λ"
        return Cloud(
            voice.places,
            _COLORS[name],
            rows=voice.rows if tilted else None,
            energy=voice.energy if tilted and coloured else None,
            said=voice.sentences,
            found=found.get(name),
        )

    base, tilted, posterior = map(cloud, _COLORS)
    assert base is not None
    assert tilted is not None
    return frame.in_order(base, tilted, posterior, None, scene.tilt)


def _read_out(scene: Scene, words: str, found: np.ndarray | None) -> list[int]:
    """The circled samples of p_λ, or those that were found, or some spread over it."""
    z, wanted = scene.view.particles(scene.tilt), words.lower().split()
    spread = list(range(0, len(z), len(z) // frame.SHOWN))  # neighbours may share an ancestor
    rows = scene.rows or (spread[: frame.SHOWN] if found is None else found.tolist())
    chosen = rows[: frame.SHOWN]
    kind = "circled" if scene.rows else "spread over it" if found is None else "that say these"
    st.markdown(f"**Samples of {scene.sampled}**, {kind}")
    energies = (-scene.model.prior.neg_energy(z[chosen])).tolist()
    sentences = sentence_chains.recall(scene.model, z[chosen])
    with st.container(height=520):
        for row, energy, said in zip(chosen, energies, sentences, strict=True):
            marked = [Word(word, word.lower() in wanted) for word in said.split()]
            st.markdown(line(marked, f"sample {row}, −f = {energy:.2f}"))
    more = f"The first {len(chosen)} of {len(rows)}. " if len(rows) > len(chosen) else ""
    st.caption(
        f"{more}The likeliest sentence of each; {scene.invite('read them here')}. What any other "
        "point says stands under the pointer."
    )
    return chosen
