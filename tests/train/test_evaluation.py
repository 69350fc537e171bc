"""What a checkpoint is judged by."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from PIL import Image

from lebm.langevin import LangevinConfig
from train import evaluation
from train.data import to_model_range

CHAIN = LangevinConfig(n_steps=5, step_size=0.01)


def silence(model) -> None:
    """Make g = 0 everywhere."""
    for parameter in model.generator.parameters():
        torch.nn.init.zeros_(parameter)


def mse(model, test, *, seed: int = 0, batch: int = 256) -> float:
    """Of reconstructions by `CHAIN`."""
    reconstruct = evaluation.by_langevin(model, CHAIN)
    device = torch.device("cpu")
    return evaluation.reconstruction_mse(reconstruct, test, seed=seed, device=device, batch=batch)


def test_mse_of_points_is_in_their_own_units(make_model, points):
    model = make_model(data_shape=(2,)).float()
    silence(model)
    ours = mse(model, points.test)
    assert ours == pytest.approx(points.test.square().mean().item(), rel=1e-6)


def test_mse_of_images_is_on_the_scale_from_0_to_1(make_model, images):
    model = make_model(data_shape=(1, 8, 8)).float()
    silence(model)
    grey = (to_model_range(images.test) + 1) / 2
    ours = mse(model, images.test)
    assert ours == pytest.approx((grey - 0.5).square().mean().item(), rel=1e-6)


def test_mse_weighs_every_example_alike_whatever_the_batch(make_model, points):
    model = make_model(data_shape=(2,)).float()
    silence(model)
    whole, uneven = (mse(model, points.test, batch=batch) for batch in (256, 5))
    assert whole == pytest.approx(uneven, rel=1e-6)


def test_mse_follows_its_seed(make_model, points):
    model = make_model(data_shape=(2,)).float()
    a, b, c = (mse(model, points.test, seed=seed) for seed in (1, 1, 2))
    assert a == b
    assert a != c


@pytest.mark.parametrize("tilted", [True, False])
def test_exact_log_prob_is_the_mean_of_the_closed_form(tilted, make_gaussian):
    gaussian = make_gaussian(tilted=tilted)
    x = gaussian.marginal.sample((20,)).float()
    ours = evaluation.exact_log_prob(gaussian.model, x, tilted=tilted)
    assert ours == pytest.approx(gaussian.marginal.log_prob(x.double()).mean().item(), abs=1e-6)


def test_a_prior_that_reaches_beyond_the_grid_has_no_exact_log_prob(make_gaussian):
    """Where its mean is 5 deviations from the edge it has, where it is 2 it has not."""
    gaussian = make_gaussian()
    deviation = gaussian.precision.inverse()[0, 0].sqrt()
    for away, known in ((5, True), (2, False)):
        mean = torch.tensor([7 - away * deviation, 0.0], dtype=torch.float64)
        gaussian.model.prior.f.slope.data = gaussian.precision @ mean
        x = gaussian.bias + gaussian.weight @ mean
        ours = evaluation.exact_log_prob(gaussian.model, x[None])
        assert math.isfinite(ours) == known
        assert math.isfinite(evaluation.exact_log_prob(gaussian.model, x[None], tilted=False))


def test_exact_log_prob_leaves_the_model_in_its_precision(make_model, points):
    model = make_model(latent_dim=2, data_shape=(2,)).float()
    evaluation.exact_log_prob(model, points.test)
    assert next(model.parameters()).dtype == torch.float32


@pytest.mark.parametrize(("kind", "size"), [("points", (480, 480)), ("images", (64, 64))])
def test_samples_are_the_same_pictures_every_time(kind, size, make_model, request, tmp_path):
    dataset = request.getfixturevalue(kind)
    model = make_model(latent_dim=2, data_shape=dataset.data_shape).float()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        reconstruct = evaluation.by_langevin(model, CHAIN)
        draw = partial(model.sample_prior, config=CHAIN)
        evaluation.save_samples(model, reconstruct, draw, dataset.test, tmp_path / name, step=7)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == [f"{k}-000007.png" for k in ("gaussian", "prior", "reconstruction")]
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    with Image.open(tmp_path / "a" / "gaussian-000007.png") as picture:
        assert picture.size == size
