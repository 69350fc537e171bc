"""Words and the numbers that stand for them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from lebm.noise import drawn

#: Ends a sentence and fills its row; as the first input of a decoder, it begins one.
END = 0
#: Stands for every word that is not in the vocabulary.
UNKNOWN = 1
UNKNOWN_MARK = "<unk>"
#: Characters of a word; a longer one is taken for unknown.
MAX_WORD = 64
MAX_WORDS = 65_000


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words a model knows; word i of `words` has the number i + 2.

    Raises:
        ValueError: for more than `MAX_WORDS` words, a word that stands there twice, and one that
            is empty, longer than `MAX_WORD`, or holds what is no printable character.
    """

    words: tuple[str, ...] = ()
    """The most frequent first; `<unk>` and the end of a sentence are not among them."""

    def __post_init__(self) -> None:
        if len(self.words) > MAX_WORDS:
            raise ValueError(f"a vocabulary has at most {MAX_WORDS} words, not {len(self.words)}")
        if len(set(self.words)) < len(self.words):
            raise ValueError("a word stands twice in the vocabulary")
        for word in self.words:
            if not is_word(word):
                raise ValueError(f"{word[:MAX_WORD]!r} cannot be a word of the vocabulary")

    def __len__(self) -> int:
        """Numbers in use, those of `<unk>` and of the end included."""
        return len(self.words) + 2

    def digest(self) -> str:
        """Hexadecimal digits that change with any word and with their order."""
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()

    def encode(self, sentences: Iterable[Sequence[str]], length: int) -> Tensor:
        """Sentences, each a list of words, as numbers `(n, length)`, int64.

        Every row ends with at least one END: of a longer sentence the first `length` - 1 words
        are kept.
        """
        numbers = _numbers(self.words)
        rows = [[numbers.get(word, UNKNOWN) for word in s[: length - 1]] for s in sentences]
        padded = [row + [END] * (length - len(row)) for row in rows]
        return torch.tensor(padded, dtype=torch.int64).reshape(-1, length)

    def decode(self, tokens: Tensor) -> list[str]:
        """Rows of numbers `(n, T)` as sentences, words with spaces between."""
        return [" ".join(self.spell(row)) for row in tokens.tolist()]

    def spell(self, row: Sequence[int]) -> list[str]:
        """The words of one row, up to its end."""
        ended = row.index(END) if END in row else len(row)
        return [UNKNOWN_MARK if i == UNKNOWN else self.words[i - 2] for i in row[:ended]]


@lru_cache(maxsize=8)
def _numbers(words: tuple[str, ...]) -> dict[str, int]:
    return {word: i for i, word in enumerate(words, start=2)}


def is_word(text: str) -> bool:
    """Whether a vocabulary can hold it."""
    return (
        0 < len(text) <= MAX_WORD
        and text != UNKNOWN_MARK
        and text.isprintable()
        and not any(map(str.isspace, text))
    )


def count_words(sentences: Iterable[Sequence[str]], max_words: int) -> Vocabulary:
    """The most frequent words, at most `max_words`; of equally frequent ones the first seen."""
    counts = Counter(word for sentence in sentences for word in sentence)
    frequent = [word for word, _ in counts.most_common() if is_word(word)]
    return Vocabulary(tuple(frequent[:max_words]))


def drop_words(tokens: Tensor, rate: float, *, generator: torch.Generator) -> Tensor:
    """Sentences `(n, T)` in which a share of the words, each by chance, has become unknown.

    Source: Bowman et al. 2016, "Generating sentences from a continuous space", word dropout.
    """
    n, mine = drawn(len(tokens), generator)
    draws = torch.rand(n, tokens.shape[1], generator=generator, device=tokens.device)
    return tokens.masked_fill((draws[mine] < rate) & (tokens != END), UNKNOWN)


def lengths(tokens: Tensor) -> Tensor:
    """Words in each row `(n, T) -> (n,)`, its first END counted; T where there is none."""
    return real_tokens(tokens).sum(1)


def real_tokens(tokens: Tensor) -> Tensor:
    """Which tokens are part of a sentence, its first END included: bool `(n, T)`."""
    ends = tokens == END
    return (ends.cumsum(1) - ends.long()) == 0
