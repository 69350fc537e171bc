"""A person's own sentence, typed or from the page's address: split into words a model may know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from app.studies.examples import Example
from lebm.model import LatentEBM
from lebm.vocabulary import UNKNOWN_MARK, Vocabulary
from train.data.sentences import split_words

MAX_TYPED = 400  # characters; the page's address holds them


class UnusableSentence(Exception):
    """A sentence cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class OwnSentence:
    """A sentence as a model reads it.

    Attributes:
        words: of the sentence, marks counted as words.
        known: whether each is in the model's vocabulary; the others become `<unk>`.
        x: as the model takes it, `(1, T)`.
    """

    words: tuple[str, ...]
    known: tuple[bool, ...]
    x: Tensor

    @property
    def example(self) -> Example:
        """The sentence as one of the examples that chains explain."""
        return Example(self.x, "typed", typed=" ".join(self.words))


def read(text: str, model: LatentEBM) -> OwnSentence:
    """The sentence a person typed.

    Args:
        text: from anybody; words the vocabulary has are taken as they stand, all else in small
            letters, its marks words of their own.
        model: of sentences.

    Raises:
        UnusableSentence: if there is no word in it, or more than the model takes.
    """
    assert model.config.text is not None
    vocabulary, (length,) = model.config.text.vocabulary, model.config.data_shape
    if len(text) > MAX_TYPED:
        raise UnusableSentence(
            f"This sentence has {len(text):,} characters, {MAX_TYPED} are the most: shorten it."
        )
    words = tuple(_split(text, vocabulary))
    if not words:
        raise UnusableSentence("Type a sentence: words with spaces between.")
    if len(words) >= length:
        raise UnusableSentence(
            f"This sentence has {len(words)} words, marks counted, and the model takes at most "
            f"{length - 1}: shorten it."
        )
    known = set(vocabulary.words)
    x = vocabulary.encode([words], length)
    return OwnSentence(words, tuple(word in known for word in words), x)


def _split(text: str, vocabulary: Vocabulary) -> Iterator[str]:
    known = {*vocabulary.words, UNKNOWN_MARK}
    for piece in text.split():
        if piece in known:
            yield piece
        else:
            yield from split_words(piece)
