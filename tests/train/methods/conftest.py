"""Methods outside a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from lightning_fabric import Fabric

from train.data import Dataset
from train.methods import METHODS, Method


@pytest.fixture
def make_method(make_config) -> Callable[..., Method]:
    """The method of a name on a data set, its weights from seed 0."""

    def make(name: str, dataset: Dataset, **changes) -> Method:
        torch.manual_seed(0)
        config = make_config(dataset.name, method=name, **changes)
        config = config.with_vocabulary(dataset.vocabulary)
        fabric = Fabric(accelerator="cpu", devices=1)
        generator = torch.Generator().manual_seed(0)
        return METHODS[config.method](config, dataset.train, fabric, generator=generator)

    return make
