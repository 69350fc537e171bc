"""The regularised autoencoder: its loss term by term, and the density of its codes."""

from __future__ import annotations

import pytest
import torch

from lebm.tilts import MixtureTilt
from train.config import RAEConfig
from train.data import to_model_range
from train.methods.mixture import fit_mixture

ROWS = torch.arange(6)


@pytest.mark.parametrize(
    ("latent_weight", "generator_weight"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.2), (0.3, 0.2)]
)
@pytest.mark.parametrize("kind", ["points", "images"])
def test_the_loss_is_the_sum_of_its_terms(
    kind, latent_weight, generator_weight, make_method, request
):
    dataset = request.getfixturevalue(kind)
    weights = RAEConfig(latent_weight, generator_weight)
    method, untouched = (make_method("rae", dataset, rae=weights) for _ in range(2))
    x = to_model_range(dataset.train[ROWS])
    metrics = method.iteration(x, ROWS, generator=torch.Generator())
    g = untouched.model.generator
    z = untouched.encoder(x)
    error = (x - g(z)).square()
    scale = 1 / 4 if kind == "images" else 1  # images count from 0 to 1, half as wide
    error = scale * error.sum(1).mean()  # the sum over channels, the mean over pixels
    kernels = sum(p.square().sum() for name, p in g.named_parameters() if "weight" in name)
    expected = error + latent_weight * z.square().mean() + generator_weight * kernels
    assert metrics["loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert metrics["mse"].item() == pytest.approx((x - g(z)).square().mean().item(), rel=1e-5)


def test_one_gaussian_is_fitted_by_mean_and_covariance(rng):
    noise, factor = (torch.randn(n, 3, dtype=torch.float64, generator=rng) for n in (500, 3))
    codes = noise @ factor
    tilt = MixtureTilt(3, 1).double()
    fit_mixture(tilt, codes + 4, seed=0)
    torch.testing.assert_close(tilt.means[0], codes.mean(0) + 4)
    factor = tilt.precision_factors[0]
    covariance = codes.T.cov(correction=0) + 1e-6 * torch.eye(3)  # what scikit-learn adds
    torch.testing.assert_close(torch.linalg.inv(factor @ factor.T), covariance)


def test_separate_groups_of_codes_each_get_their_gaussian(rng):
    centres = torch.tensor([[-9.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    codes = (centres + torch.randn(400, 3, 2, generator=rng)).flatten(0, 1)
    tilt = MixtureTilt(2, 3)
    fit_mixture(tilt, codes, seed=0)
    distances = torch.cdist(centres, tilt.means)
    assert sorted(distances.argmin(1).tolist()) == [0, 1, 2]
    assert distances.min(1).values.max() < 0.3
    torch.testing.assert_close(tilt.log_weights.exp(), torch.full((3,), 1 / 3))


def test_the_recommended_step_is_stable_in_the_narrowest_direction(make_method, images):
    method = make_method("rae", images)
    method.prepare_model()
    assert 0 < method.prior_sampler().step_size <= method.mixture.least_variance * 1.0001
