"""How far sentences are apart: in words that must be changed, put in or left out."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm.vocabulary import END

#: Numbers held at once, places of pairs of sentences: 32 MiB.
_AT_ONCE = 2**22


def edits(a: Tensor, b: Tensor) -> Tensor:
    """Words changed, put in or left out, at the least, to make each sentence of b of each of a.

    Args:
        a: sentences as word numbers, END after the end, `(n, T)`.
        b: likewise, `(m, T)`.

    Returns:
        `(n, m)`, whole numbers.

    Source: Levenshtein 1966.
    """
    rows = max(1, _AT_ONCE // max(1, len(b) * (b.shape[1] + 1)))
    return torch.cat([_fewest(part[:, None], b[None]) for part in a.split(rows)])


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
    return edits(a, b) / _longer(a[:, None], b[None])


def share_differing_in_pairs(a: Tensor, b: Tensor) -> Tensor:
    """The diagonal of `share_differing` of as many sentences, `(n, T), (n, T) -> (n,)`."""
    return _fewest(a, b) / _longer(a, b)


def _fewest(a: Tensor, b: Tensor) -> Tensor:
    """As `edits`, for sentences `(..., T)` whose other axes are broadcast."""
    words_a, words_b = torch.broadcast_tensors(_n_words(a), _n_words(b))
    places = torch.arange(b.shape[-1] + 1, device=a.device)
    row = places.expand(*words_b.shape, -1)  # from nothing to the first words of b
    whole = torch.where(words_a == 0, words_b, 0)
    for i in range(a.shape[-1]):
        change = row[..., :-1] + (a[..., i, None] != b)
        leave_out = row + 1
        best = torch.cat([leave_out[..., :1], torch.minimum(change, leave_out[..., 1:])], -1)
        row = (best - places).cummin(-1).values + places  # and then words are put in
        here = row.gather(-1, words_b[..., None])[..., 0]
        whole = torch.where(words_a == i + 1, here, whole)
    return whole


def _longer(a: Tensor, b: Tensor) -> Tensor:
    """Words of the longer sentence of each pair, at least 1."""
    return torch.maximum(_n_words(a), _n_words(b)).clamp_min(1)


def _n_words(tokens: Tensor) -> Tensor:
    """Words before the first END, `(..., T) -> (...)`."""
    return ((tokens == END).cumsum(-1) == 0).sum(-1)
