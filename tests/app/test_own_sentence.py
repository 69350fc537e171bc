"""Typed sentences: what a model makes of them, and which it cannot read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.studies import own_sentence
from app.studies.own_sentence import MAX_TYPED, UnusableSentence
from lebm.decoder import TextConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.vocabulary import Vocabulary

WORDS = ("the", "cat", "Zoo", "n't", "sleeps", ".")


@pytest.fixture
def model(build: Callable[[ModelConfig], LatentEBM]) -> LatentEBM:
    text = TextConfig(embedding_dim=4, vocabulary=Vocabulary(WORDS))
    return build(ModelConfig(latent_dim=3, data_shape=(6,), width=4, prior_hidden=8, text=text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat sleeps.", "the cat sleeps ."),
        ("  the\tcat\n", "the cat"),
        ("Zoo n't THE", "Zoo n't the"),
        ("the <unk> sleeps", "the <unk> sleeps"),
        ("dog-house don't", "dog-house don't"),
    ],
)
def test_words_the_model_knows_stand_as_they_are(model: LatentEBM, text: str, words: str) -> None:
    read = own_sentence.read(text, model)
    assert " ".join(read.words) == words
    assert read.known == tuple(word in WORDS for word in words.split())
    expected = " ".join(w if w in WORDS else "<unk>" for w in words.split())
    assert model.config.text.vocabulary.decode(read.x) == [expected]
    again = own_sentence.read(read.example.typed, model)
    assert again.words == read.words
    assert read.example.name == f"the sentence “{words}”"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Type a sentence"),
        (" \n\t", "Type a sentence"),
        ("the cat the cat the cat", "has 6 words, marks counted, and the model takes at most 5"),
        ("x" * (MAX_TYPED + 1), f"has {MAX_TYPED + 1} characters"),
    ],
)
def test_what_is_no_sentence_for_the_model_is_refused(
    model: LatentEBM, text: str, said: str
) -> None:
    with pytest.raises(UnusableSentence, match=said):
        own_sentence.read(text, model)


def test_the_longest_sentence_keeps_its_end(model: LatentEBM) -> None:
    x = own_sentence.read("the cat the cat .", model).x
    assert x.shape == (1, 6)
    assert int(x[0, -1]) == 0
