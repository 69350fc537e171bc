"""A class left out of training, whose examples are the anomalies (Pang et al. 2020, Table 4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from train.data.base import Dataset, DatasetUnavailable

#: Of the normal examples; the others are held out beside the anomalies.
TRAINED_SHARE = 0.8


def hold_out(dataset: Dataset, held_out: int, seed: int) -> Dataset:
    """The data set divided anew for anomaly detection.

    Training and held-out examples are pooled. All of the class are `anomalies`; the others, in
    an order drawn from the seed, are `train` (80 %) and `test`. This is the division of the
    public code of MEG and of Efficient-GAN anomaly detection.

    Args:
        dataset: one with labels.
        held_out: the class.
        seed: of the order.

    Raises:
        DatasetUnavailable: without labels or without such a class.
    """
    if dataset.labels is None:
        raise DatasetUnavailable(f"{dataset.name} has no classes to hold out: leave held_out away")
    labels = torch.cat(dataset.labels)
    known = labels.unique().tolist()
    if held_out not in known or len(known) < 2:
        raise DatasetUnavailable(
            f"{dataset.name} has no class {held_out} to hold out: choose one of {known}"
        )
    pooled = torch.cat([dataset.train, dataset.test])
    normal = torch.nonzero(labels != held_out)[:, 0]
    order = np.random.default_rng(seed).permutation(len(normal))
    normal = normal[torch.from_numpy(order)]
    n_train = int(TRAINED_SHARE * len(normal))
    return replace(
        dataset,
        train=pooled[normal[:n_train]],
        test=pooled[normal[n_train:]],
        anomalies=pooled[labels == held_out],
        labels=None,
    )
