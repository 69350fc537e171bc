"""The library against plain eager loops that read as the equations: same noise, same chains."""

from __future__ import annotations

import pytest
import torch
from torch.optim import SGD

from lebm import langevin
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from train import algorithm1, eager_reference

CONFIG = LangevinConfig(n_steps=30, step_size=0.05)
TOLERANCE = {torch.float64: 1e-11, torch.float32: 1e-4}


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(4)


@pytest.fixture(params=["leaky_relu", "gelu"])
def model(request, make_model) -> LatentEBM:
    return make_model(latent_dim=4, data_shape=(1, 8, 8), prior_activation=request.param)


@pytest.fixture
def start() -> torch.Tensor:
    # 8 x 4 numbers a step: drawn together or step by step, randn gives the same ones.
    return torch.randn(8, 4, dtype=torch.float64, generator=seeded())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_prior_chains_agree(model, start, dtype):
    model, start = model.to(dtype), start.to(dtype)
    ours = langevin.sample(model.prior_density(), start, CONFIG, generator=seeded())
    theirs = eager_reference.prior_chain(model.prior, start, CONFIG, seeded())
    torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_posterior_chains_agree(model, start, dtype):
    model, start = model.to(dtype), start.to(dtype)
    x = model.generate(start.flip(0))
    ours = langevin.sample(model.posterior_density(x), start, CONFIG, generator=seeded())
    theirs = eager_reference.posterior_chain(
        eager_reference.plain_model(model), x, start, CONFIG, seeded()
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE[dtype])


def test_learning_iterations_agree(model, start):
    x = model.generate(start.flip(0))
    models = model, eager_reference.plain_model(model)
    optimizers = [
        (SGD(m.prior.parameters(), 0.1), SGD(m.generator.parameters(), 0.1)) for m in models
    ]
    ours = algorithm1.learning_iteration(
        models[0], x, start.flip(1), start, *optimizers[0], CONFIG, CONFIG, generator=seeded()
    )
    z_plus, z_minus = eager_reference.learning_iteration(
        models[1], x, start.flip(1), start, *optimizers[1], CONFIG, CONFIG, seeded()
    )
    torch.testing.assert_close(ours.z_plus, z_plus, rtol=0, atol=1e-11)
    torch.testing.assert_close(ours.z_minus, z_minus, rtol=0, atol=1e-11)
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11)
