"""What is read of the Tilted prior page's points, and found among them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from app import figures
from app.jobs import Job
from app.studies import projection, sentence_chains, tilt, tilt_sentences
from app.studies.frame import latent_plane
from app.studies.tilt import TiltView
from app.studies.tilt_sentences import Voice
from lebm import zoo
from lebm.decoder import TextConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def text() -> tuple[LatentEBM, TiltView]:
    model, card = zoo.load_model("text")
    job: Job[TiltView] = Job()
    job.cancelled.set()  # the aggregate posterior has a test of its own
    tilt.build(job, model, card, latent_plane(model, card.prior_sampler).frame)
    assert job.latest is not None
    return model, job.latest


def test_each_point_says_what_its_latent_decodes_to(text: tuple[LatentEBM, TiltView]) -> None:
    model, view = text
    drawn = projection.linear(view)
    voices = tilt_sentences.voices(model, view, drawn, 0.7)
    assert list(voices) == ["p_0", "p_λ"]
    for voice, particles, i in zip(voices.values(), (view.particles(0.0), view.particles(0.7)),
                                   (0, 7), strict=True):  # fmt: skip
        assert len(set(voice.rows)) == tilt_sentences.N_READ
        z = particles[voice.rows]
        np.testing.assert_array_equal(voice.places, view.frame.transform(particles)[voice.rows])
        np.testing.assert_allclose(voice.energy, view.energy[i][voice.rows], rtol=1e-4)
        assert list(voice.sentences) == model.config.text.vocabulary.decode(model.generate(z))


def test_the_tilt_makes_the_zoo_speak_its_grammar(text: tuple[LatentEBM, TiltView]) -> None:
    """Every sentence of the grammar ends with a mark; draws of p_0 often do not get there."""
    model, view = text
    voices = tilt_sentences.voices(model, view, projection.linear(view), 1.0)
    whole = {
        name: np.mean([said.endswith((" .", " ?")) for said in voice.sentences])
        for name, voice in voices.items()
    }
    assert whole["p_λ"] > 0.95
    different = {name: len(set(voice.sentences)) for name, voice in voices.items()}
    assert different["p_λ"] > 200


def test_all_words_must_be_said_and_whole() -> None:
    sentences = ("the old cat sleeps .", "The Cat is old", "the catch is old", "")
    none = np.zeros(4)
    voice = Voice(np.arange(4), np.zeros((4, 2)), none, sentences)
    assert voice.saying("cat OLD").tolist() == [True, True, False, False]
    assert voice.saying("  old  ").tolist() == [True, True, True, False]
    assert not voice.saying("<script>").any()


def test_what_is_remembered_is_what_is_read(build: Callable[[ModelConfig], LatentEBM]) -> None:
    words = TextConfig(embedding_dim=4, vocabulary=Vocabulary(("a", "b", "c")))
    model = build(ModelConfig(latent_dim=3, data_shape=(6,), width=4, prior_hidden=8, text=words))
    z = model.prior.sample_base(700, generator=torch.Generator().manual_seed(0))
    for part in (z, z[::3], z[:0]):
        assert sentence_chains.recall(model, part) == tuple(sentence_chains.read(model, part))
    assert sentence_chains.recall(model, z) is sentence_chains.recall(model, z.clone())


def test_what_stands_under_the_pointer_is_no_markup() -> None:
    said = ("<b>bold</b> & <a href='x'>", "word " * 30, "")
    places = np.zeros((3, 2))
    found = np.array([True, False, False])
    figure = figures.projection(
        {"p": figures.Cloud(places, "#000000", said=said, found=found)}, ("x", "y")
    )
    points = figure.data[0]
    assert points.hovertext[0] == "&lt;b&gt;bold&lt;/b&gt; &amp; &lt;a href='x'&gt;"
    assert points.hovertext[1].count("<br>") == 2
    assert points.hovertext[2] == "(says nothing)"
    assert points.marker.size[0] > points.marker.size[1]
    assert points.marker.opacity[0] > points.marker.opacity[1]
