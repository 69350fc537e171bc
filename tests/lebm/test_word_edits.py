from __future__ import annotations

from functools import cache

import pytest
import torch

from lebm import word_edits
from lebm.diagnostics import Snapshot, verdict
from lebm.vocabulary import END
from lebm.word_edits import edits, share_differing, share_differing_in_pairs


def _row(*words: int, length: int = 8) -> list[int]:
    return [*words, *[END] * (length - len(words))]


@pytest.mark.parametrize(
    ("a", "b", "n_edits"),
    [
        ((), (), 0),
        ((2, 3), (2, 3), 0),
        ((), (2, 3, 4), 3),
        ((2, 3, 4), (), 3),
        ((2, 3, 4), (2, 9, 4), 1),
        ((2, 3, 4), (3, 4), 1),
        ((3, 4), (2, 3, 4), 1),
        ((2, 3, 4, 5), (4, 5, 2, 3), 4),
        ((2, 3, 4, 5, 6, 7, 8, 9), (9, 2, 3, 4, 5, 6, 7, 8), 2),
    ],
)
def test_edits_by_hand(a: tuple[int, ...], b: tuple[int, ...], n_edits: int) -> None:
    rows = torch.tensor([_row(*a)]), torch.tensor([_row(*b)])
    assert edits(*rows).item() == n_edits
    assert share_differing(*rows).item() == pytest.approx(n_edits / max(len(a), len(b), 1))


def test_edits_are_as_their_recursion_says() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 4, (12, 7), generator=generator)  # many words and ends in common
    rows = torch.where((rows == END).cumsum(1) > 0, END, rows)

    @cache
    def fewest(a: tuple[int, ...], b: tuple[int, ...]) -> int:
        if not a or not b:
            return len(a) + len(b)
        ways = fewest(a[1:], b) + 1, fewest(a, b[1:]) + 1, fewest(a[1:], b[1:]) + (a[0] != b[0])
        return min(ways)

    words = [tuple(w for w in row if w != END) for row in rows.tolist()]
    expected = [[fewest(a, b) / max(len(a), len(b), 1) for b in words[:5]] for a in words]
    torch.testing.assert_close(share_differing(rows, rows[:5]), torch.tensor(expected))


@pytest.mark.parametrize("at_once", [1, 100, 2**22])
def test_sentences_are_compared_some_at_a_time(at_once, monkeypatch) -> None:
    """However many numbers are held at once; in pairs, each with its own alone."""
    rows = torch.randint(0, 4, (12, 7), generator=torch.Generator().manual_seed(0))
    whole = edits(rows, rows[:5])
    monkeypatch.setattr(word_edits, "_AT_ONCE", at_once)
    assert torch.equal(edits(rows, rows[:5]), whole)
    assert edits(rows[:0], rows).shape == (0, 12)
    pairs = share_differing_in_pairs(rows, rows.flip(0))
    assert torch.equal(pairs, share_differing(rows, rows.flip(0)).diagonal())


def _chains(examples: torch.Tensor, seed: int) -> Snapshot:
    draw = torch.randn(len(examples), generator=torch.Generator().manual_seed(seed))
    return Snapshot(draw, 5 + draw, examples)


def test_sentences_that_stay_apart_are_steady() -> None:
    short = torch.tensor([_row(2, 3, i) for i in range(4, 24)])
    long = torch.tensor([_row(2, 3, i) for i in range(24, 44)])
    found = verdict(_chains(short, 0), _chains(long, 1))
    assert (found.word, found.saturation, found.merged, found.different) == ("steady", None, 0, 1)
    assert found.spread == pytest.approx(1)
    assert found.moved == pytest.approx(1)


def test_chains_that_come_to_say_the_same_have_collapsed() -> None:
    short = torch.tensor([_row(i, i + 1, i + 2) for i in range(4, 24)])
    long = torch.tensor([_row(2, 3), _row(5, 6)] * 10)
    found = verdict(_chains(short, 0), _chains(long, 1))
    assert (found.word, found.merged, found.different) == ("collapsed", 1, 0.1)


def test_sentences_that_share_all_but_a_few_words_have_collapsed() -> None:
    """None says quite the same, but a quarter of the words that differed differ no more."""
    short = torch.tensor([[100 * i + k for k in range(8)] for i in range(1, 13)])
    long = torch.tensor([[2, 3, 4, 5, 6, 7, 8, 100 + i] for i in range(12)])
    found = verdict(_chains(short, 0), _chains(long, 1))
    assert found.spread == pytest.approx(1 / 8)
    assert (found.word, found.merged) == ("collapsed", 0)
