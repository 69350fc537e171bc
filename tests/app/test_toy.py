"""The lessons' exact numbers against the library's and against closed forms."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from app.jobs import Job
from app.studies import toy_chains
from app.studies.toy import (
    GRID,
    N_JUDGED,
    Field,
    circle,
    draw,
    exact_energy,
    holes,
    log_prob_x,
    passage,
    tilted,
    toy,
)
from lebm.exact import PlaneGrid, aggregate_posterior, log_marginal, log_partition


def mass(field: Field) -> float:
    return float(field.values.sum()) * float(field.axis[1] - field.axis[0]) ** 2


def test_without_tilt_there_is_the_gaussian():
    view = tilted(0.0)
    assert view.log_z == pytest.approx(0, abs=1e-4)  # N(0, I) has mass 1e-5 outside the grid
    assert view.kl == pytest.approx(0, abs=1e-4)
    rows, columns = np.meshgrid(view.density.axis, view.density.axis, indexing="ij")
    np.testing.assert_allclose(
        view.density.values, np.exp(-(rows**2 + columns**2) / 2) / (2 * np.pi), atol=1e-5
    )


@pytest.mark.parametrize("tilt", [0.4, 1.0, 1.5])
def test_a_tilt_agrees_with_quadrature_on_another_grid(tilt):
    prior, grid = toy().model.prior, PlaneGrid(extent=7.0, n_points=150)

    def log_density(z):
        return tilt * prior.neg_energy(z) + prior.base_log_prob(z)

    log_z = log_partition(log_density, grid)
    density = (log_density(grid.points) - log_z).exp()
    kl = (density * tilt * prior.neg_energy(grid.points)).sum() * grid.cell_area - log_z
    view = tilted(tilt)
    assert view.log_z == pytest.approx(log_z, abs=1e-4)
    assert view.kl == pytest.approx(kl.item(), abs=1e-3)
    assert mass(view.density) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("tilt", [0.4, 1.0, 1.5])
def test_the_tilt_is_red_where_the_prior_gains_mass_and_blue_where_it_loses(tilt):
    view, base = tilted(tilt), tilted(0.0)
    expected = np.log(view.density.values.astype(float)) - np.log(base.density.values)
    np.testing.assert_allclose(view.log_ratio.values, expected, atol=1e-4)
    gained = view.density.values > base.density.values
    np.testing.assert_array_equal(view.log_ratio.values > 0, gained)
    assert 0 < gained.mean() < 1


def test_log_prob_x_is_the_library_s_log_marginal():
    x = toy().test[:N_JUDGED].double()
    ours = log_marginal(toy().model, x, GRID).mean().item()
    assert tilted(1.0).log_prob_x == pytest.approx(ours, abs=1e-9)
    assert tilted(1.0).log_prob_x > tilted(0.0).log_prob_x + 0.5


def test_the_mean_energy_is_minus_the_slope_of_log_z():
    """d log Z / dλ = E[f] under p_λ, at λ = 1."""
    slope = (tilted(1.001).log_z - tilted(0.999).log_z) / 0.002
    assert exact_energy() == pytest.approx(-slope, abs=1e-4)


def test_draws_of_a_density_have_its_moments():
    """The mean and variance of 20,000 draws of N(0, I), four standard errors wide."""
    density = toy().model.prior.base_log_prob(GRID.points).exp()
    z = draw(density, 20_000, GRID)
    assert z.mean(0).abs().max() < 4 / 20_000**0.5
    assert (z.var(0) - 1 - GRID.cell_area / 12).abs().max() < 4 * (2 / 20_000) ** 0.5


def test_the_ring_has_its_radius_and_goes_through_g():
    ring, image = circle(1.5)
    np.testing.assert_allclose(np.linalg.norm(ring, axis=1), 1.5, rtol=1e-6)
    np.testing.assert_allclose(image[0], image[-1], atol=1e-5)
    view = passage()
    np.testing.assert_allclose(
        toy().light.generate(torch.from_numpy(view.z)).numpy(), view.x, atol=1e-5
    )


def test_holes_grow_with_their_threshold():
    view = holes(200)
    shares = [view.share(threshold) for threshold in (0.0, 0.1, 0.5, np.inf)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1, abs=1e-3)
    assert mass(view.aggregate) == pytest.approx(1, abs=1e-6)


def test_holes_hold_the_share_of_draws_that_they_claim():
    """800 draws of p_0: a binomial share, four standard errors wide."""
    view = holes(200)
    share = view.share(0.5)
    error = 4 * (share * (1 - share) / len(view.ratio)) ** 0.5
    assert (view.ratio < 0.5).mean() == pytest.approx(share, abs=error)


def test_the_posterior_is_the_library_s_and_chains_come_to_lie_in_it():
    """Late chains in the 95 % region: 92 %, some being on their way; over seeds, give or take 2 %.

    Of 64 starts in N(0, I) 3 % lie there, give or take 3 %.
    """
    view = toy_chains.posterior(0, 0.2)
    exact = copy.deepcopy(toy().model)
    exact.noise_std = 0.2
    grid = PlaneGrid(extent=3.6, n_points=160)
    density = aggregate_posterior(exact, toy().test[:1].double(), grid)
    np.testing.assert_allclose(view.density.values, density.view(160, 160).T, atol=1e-5)
    assert view.inside[0] < 0.15
    assert view.inside[-20:].mean() > 0.84


def test_a_posterior_chain_steps_no_further_than_a_prior_chain(monkeypatch):
    """Late chains in the 95 % region: 93 % of 64 at this step size, and 76 % at σ²'s 0.128.

    Over seeds the 93 % vary by 0.5 %. After 100 steps it is 83 %, give or take 4 %, and beyond 90 %
    for one seed in twenty; that of the lesson is fixed.
    """
    card = toy().card
    assert toy_chains.posterior_step_size(0.1) == pytest.approx(card.posterior_sampler.step_size)
    assert toy_chains.posterior_step_size(0.05) == pytest.approx(0.0005)
    assert toy_chains.posterior_step_size(0.8) == card.prior_sampler.step_size
    assert toy_chains.posterior(0, 0.8).inside[-20:].mean() < 0.9  # some are on their way
    monkeypatch.setattr(toy_chains, "POSTERIOR_STEPS", 600)
    assert 0.9 < toy_chains.posterior(0, 0.8).inside[-300:].mean() < 0.95


def test_a_walk_is_its_drift_and_its_noise():
    walk = toy_chains.walk(0.03, 1.0)
    np.testing.assert_allclose(walk.z[1:], (walk.z + walk.drift + walk.noise)[:-1], atol=1e-5)
    still = toy_chains.walk(0.03, 0.0)
    assert not still.noise.any()
    np.testing.assert_array_equal(walk.z[0], still.z[0])


def test_laws_start_at_the_gaussian_and_near_the_prior(monkeypatch):
    monkeypatch.setattr(toy_chains, "LAW_STEPS", 12)
    view = toy_chains.laws(0.06)
    assert len(view.densities) == len(view.kl) == len(view.log_prob_x) == len(view.chains) == 13
    # KL(p_0 ‖ p_α) = log Z - E_p0[f], and p_α's KL from p_0 is another number.
    prior, grid = toy().model.prior, toy_chains.LAW_GRID
    weights = prior.base_log_prob(grid.points).exp() * grid.cell_area
    expected = tilted(1.0).log_z - float((weights * prior.neg_energy(grid.points)).sum())
    assert view.kl[0] == pytest.approx(expected, abs=1e-4)
    assert (np.diff(view.kl) < 0).all()
    target = torch.from_numpy(view.target.values.T.reshape(-1)).double()
    assert log_prob_x(target, grid) == pytest.approx(tilted(1.0).log_prob_x, abs=0.01)


def test_a_long_run_is_published_piece_by_piece(monkeypatch):
    monkeypatch.setattr(toy_chains, "LONG_STEPS", 200)
    shares: list[float] = []
    job: Job = Job()
    publish = job.publish
    job.publish = lambda result, progress: (shares.append(progress), publish(result, progress))
    toy_chains.long_run(job, 0.03, True)
    assert shares == pytest.approx(np.arange(1, 11) / 10)
    chains = job.latest
    np.testing.assert_array_equal(chains.steps, np.arange(0, 201, 10))
    assert chains.z.shape == chains.x.shape == (21, toy_chains.N_LONG, 2)
    assert 0.7 < chains.accepted < 1
    assert chains.energy[-1].mean() < chains.energy[0].mean()


def test_a_long_run_that_nobody_wants_stops():
    job: Job = Job()
    job.cancelled.set()
    toy_chains.long_run(job, 0.03, False)
    assert len(job.latest.steps) == 1
