"""Words to numbers and back; what cannot be a word is no word."""

from __future__ import annotations

import pytest
import torch

from lebm.vocabulary import (
    END,
    MAX_WORD,
    UNKNOWN,
    Vocabulary,
    count_words,
    drop_words,
    lengths,
    real_tokens,
)

WORDS = Vocabulary(("the", "cat", "sleeps"))


def test_sentences_come_back():
    sentences = ["the cat sleeps", "cat", ""]
    tokens = WORDS.encode([s.split() for s in sentences], length=4)
    assert tokens.tolist() == [[2, 3, 4, END], [3, END, END, END], [END] * 4]
    assert WORDS.decode(tokens) == sentences


def test_other_words_are_unknown_and_long_sentences_are_cut_before_their_end():
    tokens = WORDS.encode([["the", "dog", "sleeps", "<unk>", "cat"]], length=4)
    assert tokens.tolist() == [[2, UNKNOWN, 4, END]]
    assert WORDS.decode(tokens) == ["the <unk> sleeps"]


def test_what_follows_the_first_end_is_not_read():
    assert WORDS.decode(torch.tensor([[2, END, 3, 4], [2, 3, 4, 2]])) == [
        "the",
        "the cat sleeps the",
    ]
    x = torch.tensor([[2, END, 3, END], [END, 2, 2, 2], [2, 3, 4, 2]])
    real = [[True, True, False, False], [True, False, False, False], [True] * 4]
    assert real_tokens(x).tolist() == real
    assert lengths(x).tolist() == [2, 1, 4]


def test_no_sentences_have_a_shape_too():
    assert WORDS.encode([], length=5).shape == (0, 5)
    assert WORDS.decode(torch.zeros(0, 5, dtype=torch.int64)) == []


def test_the_most_frequent_words_are_kept_the_first_seen_before_others():
    sentences = [line.split() for line in ("b a a", "c b a", "<unk> <unk> <unk> <unk>")]
    assert count_words(sentences, 2).words == ("a", "b")
    assert count_words(sentences, 10).words == ("a", "b", "c")
    assert len(count_words(sentences, 2)) == 4


def test_what_is_too_long_for_a_word_is_not_counted():
    assert count_words([["x" * (MAX_WORD + 1), "x" * MAX_WORD]], 5).words == ("x" * MAX_WORD,)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("a", "b", "a"), "twice"),
        (("",), "cannot be a word"),
        (("a b",), "cannot be a word"),
        (("a\u00a0b",), "cannot be a word"),
        (("<unk>",), "cannot be a word"),
        (("x" * 65,), "cannot be a word"),
        (("bell\a",), "cannot be a word"),
        (tuple(map(str, range(65_001))), "at most 65000"),
    ],
)
def test_bad_words_are_refused(words, complaint):
    with pytest.raises(ValueError, match=complaint):
        Vocabulary(words)


def test_words_are_dropped_by_chance_and_ends_never(rng):
    tokens = torch.tensor([[2, 3, 4, END, END]]).repeat(4000, 1)
    dropped = drop_words(tokens, 0.3, generator=rng)
    assert (dropped[:, 3:] == END).all()
    changed = dropped[:, :3] != tokens[:, :3]
    assert (dropped[:, :3][changed] == UNKNOWN).all()
    assert abs(changed.float().mean().item() - 0.3) < 4.5 * (0.21 / 12_000) ** 0.5
    assert torch.equal(drop_words(tokens, 0.0, generator=rng), tokens)
