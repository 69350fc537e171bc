"""The law of a short-run chain against linear chains, whose laws are Gaussian, and samples."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from lebm import langevin, short_run, zoo
from lebm.exact import PlaneGrid
from lebm.langevin import LangevinConfig

GRID = PlaneGrid(extent=7, n_points=100)


def gaussian(mean: Tensor, covariance: Tensor) -> MultivariateNormal:
    return MultivariateNormal(mean, covariance)


def linear_chain(precision: Tensor, mean: Tensor, step_size: float, n_steps: int):
    """The Gaussians that z_0 ~ N(0, I), z ← z + s P (m - z) + √(2s) ε runs through."""
    eye = torch.eye(2).double()
    at, covariance = torch.zeros(2).double(), eye
    shrink = eye - step_size * precision
    yield gaussian(at, covariance)
    for _ in range(n_steps):
        at = at + step_size * precision @ (mean - at)
        covariance = shrink @ covariance @ shrink.T + 2 * step_size * eye
        yield gaussian(at, covariance)


@pytest.mark.parametrize(("step_size", "n_steps"), [(0.03, 40), (0.3, 8)])
def test_without_tilt_the_variance_follows_its_recursion(step_size, n_steps, make_gaussian):
    """v ← (1 - s)² v + 2s, and KL(N(0, v I) ‖ N(0, I)) = v - 1 - log v in the plane."""
    prior = make_gaussian(tilted=False).model.prior
    start, target = prior.base_log_prob(GRID.points).exp(), prior.base_log_prob(GRID.points)
    v = 1.0
    for law in short_run.laws(prior.density(), start, LangevinConfig(n_steps, step_size), GRID):
        expected = v - 1 - math.log(v)
        kl = short_run.kl_divergence(law, target, GRID)
        assert kl.item() == pytest.approx(expected, abs=1e-7)
        v = (1 - step_size) ** 2 * v + 2 * step_size
    assert abs(v - 1 / (1 - step_size / 2)) < 0.1 * step_size


def test_a_quadratic_tilt_runs_through_known_gaussians(make_gaussian):
    model = make_gaussian()
    prior = model.model.prior
    log_target = prior.unnorm_log_prob(GRID.points).detach()
    start = prior.base_log_prob(GRID.points).exp()
    laws = short_run.laws(prior.density(), start, LangevinConfig(25, 0.1), GRID)
    target = gaussian(model.mean, model.precision.inverse())
    count = 0
    for law, exact in zip(laws, linear_chain(model.precision, model.mean, 0.1, 25), strict=True):
        torch.testing.assert_close(law, exact.log_prob(GRID.points).exp(), rtol=0, atol=1e-9)
        kl = short_run.kl_divergence(law, log_target, GRID)
        torch.testing.assert_close(kl, kl_divergence(exact, target), rtol=0, atol=1e-8)
        count += 1
    assert count == 26


def test_temperature_scales_the_noise(make_gaussian):
    prior = make_gaussian(tilted=False).model.prior
    start = prior.base_log_prob(GRID.points).exp()
    config = LangevinConfig(1, 0.1, temperature=2.0)
    _, law = short_run.laws(prior.density(), start, config, GRID)
    variance = float((law * GRID.points[:, 0].square()).sum()) * GRID.cell_area
    assert variance == pytest.approx(0.9**2 + 2 * 0.1 * 2, abs=1e-7)


def test_a_learned_prior_s_law_is_where_its_chains_are(rng):
    """Counts of 20,000 chains in 6 × 6 boxes, by a χ² test that fails once in 1,000 by chance."""
    model, card = zoo.load_model("pinwheel")
    prior, n = model.prior.double(), 20_000
    config = LangevinConfig(10, card.prior_sampler.step_size)
    grid = PlaneGrid(extent=6, n_points=120)
    start = prior.base_log_prob(grid.points).exp()
    *_, law = short_run.laws(prior.density(), start, config, grid)
    z = prior.sample_base(n, generator=rng).double()
    z = langevin.sample(prior.density(), z, config, generator=rng)
    edges = torch.linspace(-2, 2, 5).double()
    expected = torch.zeros(36).double()
    boxes = _box(grid.points, edges)
    expected.index_add_(0, boxes, law * grid.cell_area * n)
    observed = torch.bincount(_box(z, edges), minlength=36).double()
    used = expected > 5
    chi2 = ((observed - expected).square() / expected)[used].sum()

    assert stats.chi2.sf(chi2.item(), int(used.sum()) - 1) > 1e-3


def _box(z: Tensor, edges: Tensor) -> Tensor:
    columns, rows = (torch.bucketize(z[:, i].contiguous(), edges) for i in range(2))
    return columns * 6 + rows


def test_a_finer_grid_gives_the_same_law():
    model, card = zoo.load_model("pinwheel")
    prior = model.prior.double()
    values = []
    for n_points in (120, 180):
        grid = PlaneGrid(extent=6, n_points=n_points)
        start = prior.base_log_prob(grid.points).exp()
        log_target = prior.unnorm_log_prob(grid.points).detach()
        config = LangevinConfig(8, card.prior_sampler.step_size)
        *_, law = short_run.laws(prior.density(), start, config, grid)
        values.append(short_run.kl_divergence(law, log_target, grid).item())
    assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_a_grid_too_coarse_for_the_noise_is_refused(make_gaussian):
    prior = make_gaussian(tilted=False).model.prior
    start = prior.base_log_prob(GRID.points).exp()
    with pytest.raises(ValueError, match=r"no wider than the noise, .* 0.0447, not 0.14"):
        next(short_run.laws(prior.density(), start, LangevinConfig(1, 0.001), GRID))


def test_a_chain_that_leaves_the_grid_is_refused(make_gaussian):
    prior = make_gaussian(tilted=False).model.prior
    grid = PlaneGrid(extent=2, n_points=40)
    start = prior.base_log_prob(grid.points)
    start = (start - grid.log_integral(start)).exp()
    with pytest.raises(ValueError, match="off the grid after step 1"):
        list(short_run.laws(prior.density(), start, LangevinConfig(3, 0.1), grid))
