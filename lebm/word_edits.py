"""How far sentences are apart: in words that must be changed, put in or left out."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm.vocabulary import END


def edits(a: Tensor, b: Tensor) -> Tensor:
    """Words changed, put in or left out, at the least, to make each sentence of b of each of a.

    Args:
        a: sentences as word numbers, END after the end, `(n, T)`.
        b: likewise, `(m, T)`.

    Returns:
        `(n, m)`, whole numbers.

    Source: Levenshtein 1966.
    """
    words_a, words_b = _n_words(a)[:, None], _n_words(b)[None]
    places = torch.arange(b.shape[1] + 1, device=a.device)
    row = places.expand(len(a), len(b), -1)  # from nothing to the first words of b
    whole = torch.where(words_a == 0, row.gather(2, _at(words_b, len(a)))[..., 0], 0)
    for i in range(a.shape[1]):
        change = row[..., :-1] + (a[:, None, None, i] != b[None])
        leave_out = row + 1
        best = torch.cat([leave_out[..., :1], torch.minimum(change, leave_out[..., 1:])], -1)
        row = (best - places).cummin(-1).values + places  # and then words are put in
        here = row.gather(2, _at(words_b, len(a)))[..., 0]
        whole = torch.where(words_a == i + 1, here, whole)
    return whole


def share_differing(a: Tensor, b: Tensor) -> Tensor:
    r"""The share of words in which each sentence of a differs from each of b, from 0 to 1.

    $$ \frac{\min\{\text{words changed, put in or left out to make } b \text{ of } a\}}
            {\max(|a|, |b|)} $$

    Args:
        a: sentences as word numbers, END after the end, `(n, T)`.
        b: likewise, `(m, T)`.

    Returns:
        `(n, m)`, 0 between two empty sentences.
    """
    longer = torch.maximum(_n_words(a)[:, None], _n_words(b)[None])
    return edits(a, b) / longer.clamp_min(1)


def _at(words: Tensor, n: int) -> Tensor:
    return words.expand(n, -1)[..., None]


def _n_words(tokens: Tensor) -> Tensor:
    """Words before the first END, `(n, T) -> (n,)`."""
    return ((tokens == END).cumsum(1) == 0).sum(1)
