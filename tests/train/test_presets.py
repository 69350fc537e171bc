"""Presets: each can be built, and its model fits its data."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from lebm.model import LatentEBM
from train import data
from train.config import DatasetName
from train.presets import PRESETS

SHAPES = {
    "mnist": (1, 28, 28),
    "fashion-mnist": (1, 28, 28),
    "svhn": (3, 32, 32),
    "cifar10": (3, 32, 32),
    "celeba64": (3, 64, 64),
    "celeba128": (3, 128, 128),
    "svhn-small": (3, 32, 32),
    "cifar10-small": (3, 32, 32),
    "celeba-small": (3, 64, 64),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_a_line_and_a_model_that_can_be_built(name):
    line, config = PRESETS[name]
    assert line.endswith(".")
    assert "\n" not in line
    with torch.device("meta"):
        LatentEBM(config.model)


@pytest.mark.parametrize(("name", "k0", "k1"), [("svhn", 60, 20), ("celeba128", 80, 40)])
def test_published_presets_have_the_authors_numbers(name, k0, k1):
    """Their options state δ, 0.4 and 0.1; a step of ours is δ²/2."""
    _, config = PRESETS[name]
    for chain, n_steps, delta in (
        (config.prior_sampler, k0, 0.4),
        (config.posterior_sampler, k1, 0.1),
    ):
        assert (chain.n_steps, chain.temperature) == (n_steps, 1)
        assert chain.step_size == pytest.approx(delta**2 / 2)
    rates = config.optimizer
    assert (rates.lr_prior, rates.lr_generator, rates.betas) == (2e-5, 1e-4, (0.5, 0.999))
    assert (config.model.noise_std, config.posterior_chains) == (0.3, "short-run")


def test_each_data_set_has_a_preset():
    datasets = [config.dataset for _, config in PRESETS.values()]
    assert set(datasets) == set(get_args(DatasetName))


@pytest.mark.parametrize("name", ["pinwheel", "two-moons", "ring", "digits"])
def test_the_model_fits_an_embedded_data_set(name):
    shape = PRESETS[name][1].model.data_shape
    assert data.load(name, shape).data_shape == shape


@pytest.mark.parametrize("name", SHAPES)
def test_the_model_fits_a_downloaded_data_set(name):
    assert PRESETS[name][1].model.data_shape == SHAPES[name]


def test_the_model_for_one_s_own_pictures_is_one_of_images():
    assert len(PRESETS["image-folder"][1].model.data_shape) == 3


@pytest.mark.parametrize("name", PRESETS)
def test_chains_of_a_preset_are_stable_on_the_gaussian(name):
    """The step factor 1 - s on N(0, I) is a contraction, for every sampler of the preset."""
    config = PRESETS[name][1]
    for sampler in (config.prior_sampler, config.posterior_sampler, config.reconstruction):
        assert 0 < sampler.step_size < 1
        assert sampler.temperature == 1


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_deterministic_in_its_seed_and_leaves_the_folder_open(name):
    config = PRESETS[name][1]
    assert (config.seed, config.out, config.data_root) == (0, None, None)
