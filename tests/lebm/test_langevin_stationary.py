"""Where chains settle, against the exact law of the discretised chain.

On a Gaussian of precision λ the step z + s·(-λz) + sqrt(2s)·ε is linear: variances follow
v <- (1 - sλ)² v + 2s and settle at 1/(λ(1 - sλ/2)). Chains are independent, so a sample of n
chains is n independent draws. Each statistical assertion fails by chance once in 10,000 seeds.
"""

from __future__ import annotations

import pytest
import torch

from lebm import langevin
from lebm.langevin import LangevinConfig

ERROR_RATE = 1e-4
CHAINS = 20_000


def standardised(z: torch.Tensor, mean: torch.Tensor, precision: torch.Tensor, step_size: float):
    """Rows that are N(0, I) if z follows the law at which chains on this Gaussian settle."""
    eigenvalues, basis = torch.linalg.eigh(precision)
    stationary = 1 / (eigenvalues * (1 - step_size * eigenvalues / 2))
    return (z - mean) @ basis / stationary.sqrt()


def gaussian_starts(rng: torch.Generator, std: float = 1.0) -> torch.Tensor:
    return std * torch.randn(CHAINS, 2, dtype=torch.float64, generator=rng)


@pytest.mark.parametrize(("step_size", "n_steps"), [(0.1, 80), (0.5, 15), (1.2, 12)])
def test_without_tilt_the_variance_settles_at_one_over_one_minus_half_s(
    step_size, n_steps, make_gaussian, rng, p_value
):
    density = make_gaussian(tilted=False).model.prior.unnorm_log_prob
    config = LangevinConfig(n_steps, step_size)
    z = langevin.sample(density, gaussian_starts(rng), config, generator=rng)
    assert p_value(z * (1 - step_size / 2) ** 0.5) > ERROR_RATE
    assert p_value(z) < ERROR_RATE  # variance 1, that of the continuous process, is ruled out


@pytest.mark.parametrize("n_steps", [1, 2, 3, 5])
def test_without_tilt_variances_follow_the_linear_recursion(n_steps, make_gaussian, rng, p_value):
    density, step_size = make_gaussian(tilted=False).model.prior.unnorm_log_prob, 0.15
    start = gaussian_starts(rng, std=2.0)
    z = langevin.sample(density, start, LangevinConfig(n_steps, step_size), generator=rng)
    variance = 4.0
    for _ in range(n_steps):
        variance = (1 - step_size) ** 2 * variance + 2 * step_size
    assert p_value(z / variance**0.5) > ERROR_RATE


def test_a_hot_chain_settles_at_a_variance_proportional_to_its_temperature(
    make_gaussian, rng, p_value
):
    density = make_gaussian(tilted=False).model.prior.unnorm_log_prob
    config = LangevinConfig(n_steps=20, step_size=0.5, temperature=3.0)
    z = langevin.sample(density, gaussian_starts(rng), config, generator=rng)
    assert p_value(z * ((1 - 0.25) / 3) ** 0.5) > ERROR_RATE


def test_a_quadratic_tilt_settles_at_its_own_gaussian(make_gaussian, rng, p_value):
    gaussian, config = make_gaussian(), LangevinConfig(n_steps=60, step_size=0.3)
    density = gaussian.model.prior.unnorm_log_prob
    z = langevin.sample(density, gaussian_starts(rng), config, generator=rng)
    assert p_value(standardised(z, gaussian.mean, gaussian.precision, 0.3)) > ERROR_RATE
    assert p_value(z - gaussian.mean) < ERROR_RATE


@pytest.mark.parametrize("tilted", [False, True])
def test_drift_alone_finds_the_exact_posterior_mean(tilted, make_gaussian, rng):
    gaussian = make_gaussian(tilted=tilted)
    x = torch.tensor([[1.3, -0.4, 0.9], [-2.0, 0.1, 0.5]], dtype=torch.float64)
    config = LangevinConfig(n_steps=400, step_size=0.2, temperature=0)
    z = langevin.sample(
        gaussian.model.posterior_density(x), torch.zeros(2, 2).double(), config, generator=rng
    )
    means = torch.stack([gaussian.posterior(row)[0] for row in x])
    torch.testing.assert_close(z, means, rtol=0, atol=1e-13)


@pytest.mark.parametrize("tilted", [False, True])
def test_posterior_chains_settle_at_the_discretised_posterior(tilted, make_gaussian, rng, p_value):
    gaussian, x = make_gaussian(tilted=tilted), torch.tensor([1.3, -0.4, 0.9]).double()
    mean, precision = gaussian.posterior(x)
    step_size = 0.8 / float(torch.linalg.eigvalsh(precision).max())
    density = gaussian.model.posterior_density(x.expand(CHAINS, -1))
    config = LangevinConfig(n_steps=60, step_size=step_size)
    z = langevin.sample(density, gaussian_starts(rng), config, generator=rng)
    assert p_value(standardised(z, mean, precision, step_size)) > ERROR_RATE
    assert p_value(standardised(z, mean, precision, 0.0)) < ERROR_RATE
