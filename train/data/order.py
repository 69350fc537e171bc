"""In which order a run reads its examples."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lebm.vocabulary import lengths
from train.data.base import Dataset

_POOL = 50  # batches whose sentences are sorted by length together


def epoch_order(dataset: Dataset, batch_size: int, *, seed: int, epoch: int) -> Tensor:
    """The training rows in one epoch's order, a function of seed and epoch alone.

    Sentences of a batch are about equally long.
    """
    rng = np.random.default_rng([seed, epoch, 3])  # [seed, 0] is the stream of the seed alone
    rows = rng.permutation(len(dataset.train))
    if dataset.vocabulary is not None:
        rows = bucketed(rows, lengths(dataset.train).numpy(), batch_size, rng=rng)
    return torch.from_numpy(rows)


def bucketed(
    rows: np.ndarray, lengths: np.ndarray, batch_size: int, *, rng: np.random.Generator
) -> np.ndarray:
    """Rows in an order in which the sentences of a batch are about equally long.

    Pools of 50 batches are sorted by length and cut into batches, which are then shuffled.

    Args:
        rows: in random order, `(n,)`.
        lengths: of all sentences, by row.
        batch_size: rows that make a batch; the last may be smaller and stays last.
        rng: shuffles the batches.
    """
    pools = np.split(rows, range(_POOL * batch_size, len(rows), _POOL * batch_size))
    by_length = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    n_whole = len(rows) // batch_size
    whole = by_length[: n_whole * batch_size].reshape(n_whole, batch_size)
    return np.concatenate([rng.permutation(whole).ravel(), by_length[whole.size :]])
