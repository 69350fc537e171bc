"""A short training in the plane learns a density, and its tilt has a share in that."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.distributions import Normal

from lebm.exact import PlaneGrid, log_marginal
from lebm.langevin import LangevinConfig
from lebm.model import ModelConfig
from train import data
from train.config import OptimizerConfig
from train.data import Dataset

MARGIN = 0.2  # nats a point; over five seeds the tilt is worth 0.22 to 0.55


@pytest.fixture
def trained(start, make_config, tmp_path):
    whole = data.load("ring", (2,))
    dataset = Dataset("ring", whole.train[:2000], whole.test[:300])
    config = make_config(
        model=ModelConfig(2, (2,), width=32, noise_std=0.3, prior_hidden=32),
        prior_sampler=LangevinConfig(n_steps=30, step_size=0.05),
        posterior_sampler=LangevinConfig(n_steps=20, step_size=0.01),
        optimizer=OptimizerConfig(lr_prior=3e-3, lr_generator=2e-3, lr_decay=0.97),
        batch_size=200,
        epochs=40,
        log_every=50,
        save_every=1000,
    )
    trainer = start(config, dataset, tmp_path / "run")
    trainer.fit()
    return copy.deepcopy(trainer.model).double(), dataset.test.double()


def test_the_tilt_raises_the_exact_likelihood_of_held_out_points(trained):
    model, test = trained
    grid, finer = PlaneGrid(), PlaneGrid(extent=10, n_points=600)
    tilted, gaussian = (log_marginal(model, test, grid, tilted=t) for t in (True, False))
    assert tilted.mean() > gaussian.mean() + MARGIN
    standard = Normal(0.0, 1.0).log_prob(test).sum(1)  # all that is known before learning
    assert tilted.mean() > standard.mean() + 2 * MARGIN
    again = log_marginal(model, test[:20], finer)
    torch.testing.assert_close(again, tilted[:20], rtol=0, atol=1e-3)  # the grid is fine enough
