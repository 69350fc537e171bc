from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from app.models import ModelEntry
from app.player.payload import Backdrop
from app.studies import posterior
from app.studies.chain_run import ChainRun, ChainSettings
from app.studies.frame import PLANE_EXTENT, SIDE, Frame, LatentPlane
from lebm.checkpoint import ModelCard
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.noise import ChainNoise

X = torch.tensor([[0.4, -0.9, 1.3]])
SETTINGS = ChainSettings(n_chains=400, n_steps=120, step_size=0.1, temperature=1.0, seed=1)
SAMPLER = LangevinConfig(n_steps=20, step_size=0.05)
CARD = ModelCard("m", SAMPLER, LangevinConfig(3, 0.02), LangevinConfig(40, 0.3))
IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)


def _plane(dim: int = 2) -> LatentPlane:
    frame = Frame(torch.zeros(dim), torch.eye(dim)[:2], 1.0)
    shades = np.zeros((SIDE, SIDE), np.uint8)
    return LatentPlane(frame, Backdrop(shades, PLANE_EXTENT, ("z₁", "z₂")))


def _start(model: LatentEBM, settings: ChainSettings, x: Tensor = X) -> ChainRun:
    start = posterior.start("a", model, _plane(model.config.latent_dim), settings, x)
    return start.advance(settings.n_steps)


def _mean_pair(rows: Tensor) -> float:
    """Mean distance of two different rows."""
    pairs = itertools.combinations(rows.flatten(1).double(), 2)
    return float(np.mean([float((a - b).norm()) for a, b in pairs]))


def _prior_ends(model: LatentEBM, n_chains: int) -> Tensor:
    """The ends of prior chains as the card has them, by eq. 9 word for word."""
    s, noise = (
        SAMPLER.step_size,
        ChainNoise(SETTINGS.seed, range(n_chains), model.config.latent_dim),
    )
    z = noise.at(0)
    for k in range(1, SAMPLER.n_steps + 1):
        z = z.detach().requires_grad_()
        (force,) = torch.autograd.grad(model.prior.unnorm_log_prob(z).sum(), z)
        z = z + s * force + (2 * s) ** 0.5 * noise.at(k)
    return z.detach()


def test_restarts_of_a_gaussian_model_sample_its_posterior(
    make_gaussian: Callable, p_value: Callable[[Tensor], float]
) -> None:
    """One in a million fails: the discretised chain's own variances are known exactly."""
    gaussian = make_gaussian()
    mean, precision = gaussian.posterior(X[0].double())
    run = _start(gaussian.model.float(), SETTINGS)
    curvatures, directions = torch.linalg.eigh(precision)
    variances = 1 / (curvatures * (1 - SETTINGS.step_size * curvatures / 2))
    along = (run.trajectory.z[-1].double() - mean) @ directions
    assert p_value(along / variances.sqrt()) > 1e-6


def test_without_noise_all_restarts_find_the_mode(make_gaussian: Callable) -> None:
    gaussian = make_gaussian()
    mean, _ = gaussian.posterior(X[0].double())
    settings = replace(SETTINGS, n_chains=9, temperature=0.0)
    model = gaussian.model.float()
    found = posterior.restarts(_start(model, settings), 120, X, CARD)
    z = mean.float()[None]
    lowest = -model.unnorm_log_joint(X, z).item()
    assert found.neg_log_joint == pytest.approx(lowest, abs=1e-4)
    assert found.mse == pytest.approx(float((model.generate(z) - X).square().mean()), abs=1e-4)
    assert found.latent_distance.max() < 1e-3
    assert found.latent_share < 1e-3
    assert found.example_share < 1e-3


def test_before_the_first_step_restarts_are_noise(make_gaussian: Callable) -> None:
    model = make_gaussian().model.float()
    run = _start(model, replace(SETTINGS, n_chains=5))
    found = posterior.restarts(run, 0, X, CARD)
    z = run.trajectory.z[0]
    for i, j in itertools.product(range(5), repeat=2):
        assert found.latent_distance[i, j] == pytest.approx(float((z[i] - z[j]).norm()), abs=1e-5)
        apart = model.generate(z[i : i + 1]) - model.generate(z[j : j + 1])
        expected = float(apart.square().mean().sqrt())
        assert found.example_distance[i, j] == pytest.approx(expected, abs=1e-5)
    assert (np.diff(found.neg_log_joint[found.order]) >= 0).all()


@pytest.mark.parametrize("n_chains", [5, 20])
def test_restarts_are_compared_with_as_many_samples_of_the_prior(
    make_gaussian: Callable, n_chains: int
) -> None:
    """With 16 at least, and from the chain the model learned with, whatever else its card names."""
    model, settings = make_gaussian().model.float(), replace(SETTINGS, n_chains=n_chains)
    prior = _prior_ends(model, max(16, n_chains))
    torch.testing.assert_close(posterior.prior_samples(model, settings, CARD), prior)
    run = _start(model, replace(settings, n_steps=20))
    found = posterior.restarts(run, 20, X, CARD)
    z = run.trajectory.z[20]
    assert found.latent_share == pytest.approx(_mean_pair(z) / _mean_pair(prior), rel=1e-4)
    apart, by_prior = (_mean_pair(model.generate(each)) for each in (z, prior))
    assert found.example_share == pytest.approx(apart / by_prior, rel=1e-4)
    assert abs(found.latent_share - found.example_share) > 0.01


def test_pictures_count_on_the_0_to_1_scale(build: Callable) -> None:
    model = build(IMAGES)
    x = torch.full((1, 1, 8, 8), -1.0)
    run = _start(model, replace(SETTINGS, n_chains=2, n_steps=1), x)
    found = posterior.restarts(run, 1, x, CARD)
    errors = (model.generate(run.trajectory.z[1]) + 1).square().flatten(1).mean(1) / 4
    assert found.mse == pytest.approx(errors.numpy(), rel=1e-4)
    assert found.examples.shape == (2, 8, 8, 1)


def test_a_single_restart_has_no_spread(make_gaussian: Callable) -> None:
    run = _start(make_gaussian().model.float(), replace(SETTINGS, n_chains=1, n_steps=3))
    assert np.isnan(posterior.restarts(run, 3, X, CARD).latent_share)


def test_the_terms_add_up_to_what_chains_descend(make_gaussian: Callable) -> None:
    run = _start(make_gaussian().model.float(), replace(SETTINGS, n_chains=4, n_steps=6))
    terms = posterior.joint_terms(run)
    total = sum(terms.values())
    z = run.trajectory.z.flatten(0, 1)
    joint = run.model.unnorm_log_joint(X.expand(len(z), 3), z).detach().view(7, 4).numpy()
    constant = total + joint
    assert constant == pytest.approx(np.full((7, 4), constant[0, 0]), abs=1e-3)
    assert (terms["‖x − g(z)‖² / 2σ²"] > 0).all()


def test_the_plane_shows_the_exact_posterior(make_gaussian: Callable) -> None:
    gaussian = make_gaussian()
    mean, _ = gaussian.posterior(X[0].double())
    run = _start(gaussian.model.float(), replace(SETTINGS, n_chains=1, n_steps=1))
    density = run.plane.backdrop.density.astype(float) ** 8  # near the peak alone
    centres = ((np.arange(SIDE) + 0.5) / SIDE * 2 - 1) * PLANE_EXTENT
    assert (density.sum(0) * centres).sum() / density.sum() == pytest.approx(
        float(mean[0]), abs=0.02
    )
    rows = centres[::-1]
    assert (density.sum(1) * rows).sum() / density.sum() == pytest.approx(float(mean[1]), abs=0.02)


def test_stepping_on_gives_the_chains_of_one_run(build: Callable) -> None:
    model, x = build(IMAGES), torch.zeros(1, 1, 8, 8)
    settings = replace(SETTINGS, n_chains=3, n_steps=8)
    whole = _start(model, settings, x)
    pieces = _start(model, replace(settings, n_steps=2), x).advance(5).advance(8)
    assert torch.allclose(pieces.trajectory.z, whole.trajectory.z, atol=1e-5)


def test_the_id_changes_with_the_example(entry: ModelEntry) -> None:
    ids = {
        posterior.run_id(entry, SETTINGS, X),
        posterior.run_id(entry, SETTINGS, X + 1e-3),
        posterior.run_id(entry, replace(SETTINGS, seed=2), X),
        posterior.run_id(replace(entry, version=9), SETTINGS, X),
    }
    assert len(ids) == 4
