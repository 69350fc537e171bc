"""Priors that are no network: N(0, I) as f = 0, and a mixture of Gaussians as a tilt."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from lebm.exact import PlaneGrid, log_partition
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.tilting import tilt_path
from lebm.tilts import MixtureTilt

CHAIN = LangevinConfig(n_steps=3, step_size=0.05)


@pytest.fixture
def mixture() -> MixtureTilt:
    """Three Gaussians in the plane, far apart next to their widths."""
    tilt = MixtureTilt(2, 3).double()
    tilt.log_weights.copy_(torch.tensor([0.2, 0.3, 0.5]).log() + 7)  # a constant is no matter
    tilt.means.copy_(torch.tensor([[-3.0, 0.0], [3.0, 1.0], [0.5, -3.0]]))
    factors = [[[2.0, 0.0], [0.7, 3.0]], [[2.5, 9.0], [-0.4, 2.0]], [[1.8, 0.0], [0.0, 1.9]]]
    tilt.precision_factors.copy_(torch.tensor(factors))  # what stands above a diagonal is ignored
    return tilt


def components(tilt: MixtureTilt) -> MultivariateNormal:
    factors = tilt.precision_factors.tril()
    return MultivariateNormal(tilt.means, precision_matrix=factors @ factors.mT)


def with_mixture(make_model, tilt: MixtureTilt) -> LatentEBM:
    model = make_model(latent_dim=2, prior="mixture", mixture_components=3)
    model.prior.f = tilt
    return model


def test_the_tilted_prior_is_the_mixture(make_model, mixture, rng):
    prior = with_mixture(make_model, mixture).prior
    z = 3 * torch.randn(50, 2, dtype=torch.float64, generator=rng)
    weights = Categorical(logits=mixture.log_weights)
    expected = MixtureSameFamily(weights, components(mixture)).log_prob(z)
    torch.testing.assert_close(prior.unnorm_log_prob(z), expected, rtol=1e-12, atol=1e-12)
    assert log_partition(prior.unnorm_log_prob, PlaneGrid()) == pytest.approx(0, abs=1e-9)


def test_a_mixture_takes_latents_of_any_leading_shape(make_model, mixture, rng):
    prior = with_mixture(make_model, mixture).prior
    z = torch.randn(4, 5, 2, dtype=torch.float64, generator=rng)
    expected = torch.stack([prior.unnorm_log_prob(rows) for rows in z])
    torch.testing.assert_close(prior.unnorm_log_prob(z), expected, rtol=1e-12, atol=1e-12)
    one = prior.unnorm_log_prob(z[0, 0])
    torch.testing.assert_close(one, expected[0, 0], rtol=1e-12, atol=1e-12)


def test_samples_of_a_mixture_are_its_own(make_model, mixture, p_value, rng):
    """By nearest mean, each share within 5 deviations of its weight, each group its Gaussian.

    The groups overlap in fewer than 1 in 10,000 draws. False alarm: 1e-3.
    """
    model, n = with_mixture(make_model, mixture), 20_000
    start = torch.randn(n, 2, dtype=torch.float64, generator=rng)
    z = model.sample_prior(start, CHAIN, generator=rng)
    group = torch.cdist(z, mixture.means).argmin(1)
    for j, weight in enumerate((0.2, 0.3, 0.5)):
        deviation = (n * weight * (1 - weight)) ** 0.5
        assert abs(int((group == j).sum()) - n * weight) < 5 * deviation
        white = (z[group == j] - mixture.means[j]) @ mixture.precision_factors[j].tril()
        assert p_value(white[:2000]) > 3e-4


def test_the_least_variance_is_that_of_the_narrowest_direction(mixture):
    covariances = components(mixture).covariance_matrix
    smallest = torch.linalg.eigvalsh(covariances).min().item()
    assert mixture.least_variance == pytest.approx(smallest, rel=1e-9)


def test_without_a_tilt_the_prior_is_the_gaussian(make_model, rng):
    prior = make_model(prior="gaussian").prior
    z = torch.randn(5, 3, dtype=torch.float64, generator=rng)
    assert torch.equal(prior.neg_energy(z), torch.zeros(5, dtype=torch.float64))
    assert torch.equal(prior.unnorm_log_prob(z), prior.base_log_prob(z))
    assert prior.sample_base(4, generator=rng).dtype == torch.float64


def test_without_a_tilt_p_0_is_sampled_as_it_is(make_model, rng):
    model, start = make_model(prior="gaussian"), torch.randn(5, 3, generator=rng)
    assert torch.equal(model.sample_prior(start, CHAIN, generator=rng), start)


def test_a_network_is_sampled_by_its_chain(make_model, rng):
    model = make_model()
    start = model.prior.sample_base(5, generator=rng)
    moved = model.sample_prior(start, CHAIN, generator=rng)
    assert (moved != start).all()


def test_a_seed_gives_every_prior_the_same_generator():
    models = []
    for prior in ("tilted", "gaussian", "mixture"):
        torch.manual_seed(0)
        models.append(LatentEBM(ModelConfig(3, (4,), width=4, prior_hidden=8, prior=prior)))
    first, *others = (model.generator.state_dict().values() for model in models)
    first = list(first)
    assert all(all(map(torch.equal, first, other)) for other in others)


def test_annealing_from_the_gaussian_finds_that_z_is_one(make_model, mixture, rng):
    """log Z(1) of a mixture is 0; the estimate lies within 5 of its standard errors."""
    prior = with_mixture(make_model, mixture).prior
    mixture.means.mul_(0.3)  # where draws of p_0 reach
    path = tilt_path(prior, torch.tensor([0.0, 0.5, 1.0]), n_particles=2048, generator=rng)
    assert abs(path.log_z[-1]) < 5 * path.error[-1] + 0.01
    flat = tilt_path(make_model(prior="gaussian").prior, torch.tensor([0.0, 1.0]), generator=rng)
    assert flat.log_z.abs().max() < 1e-12
    assert flat.kl.abs().max() < 1e-12
