"""Typed sentences, and how two sentences are compared word by word."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torchmetrics.functional.text import word_error_rate

from app.studies import own_sentence
from app.studies.own_sentence import MAX_TYPED, UnusableSentence
from app.studies.word_edits import agreement, edit_distance
from lebm.decoder import TextConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.vocabulary import Vocabulary
from train.data import grammar

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


def test_edits_are_those_of_the_word_error_rate() -> None:
    sentences = [*grammar.draw(40, seed=3), ""]
    for a in sentences[::4]:
        for b in sentences[:-1:3]:
            rate = float(word_error_rate([a], [b]))
            assert edit_distance(a, b) == round(rate * len(b.split()))
            assert edit_distance(a, b) == edit_distance(b, a)
            assert 0 <= agreement(a, b) <= 1
    assert agreement("a b c d", "a x c") == 0.5
    assert agreement("", "") == 1
