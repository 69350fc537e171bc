"""Persistent prior chains: what they sample, and that a restart rate of 1 is the short run."""

from __future__ import annotations

import pytest
import torch

from lebm import langevin
from lebm.langevin import LangevinConfig
from train.methods.replay import PriorReplay

SIZE = 4000


def replay(restart: float, size: int = SIZE, seed: int = 0) -> PriorReplay:
    return PriorReplay(2, restart, seed, size, torch.device("cpu"))


def test_persistent_chains_keep_the_moments_of_a_tilted_gaussian(make_gaussian, p_value, rng):
    """f quadratic: after many visits the kept chains are draws of the chain's own Gaussian.

    A Langevin chain on precision P stands at covariance (P (I - s P / 2))^-1. False alarm: 1e-4.
    """
    gaussian, config = make_gaussian(), LangevinConfig(n_steps=5, step_size=0.1)
    kept = replay(restart=0.0)
    for _ in range(60):
        fresh = gaussian.model.prior.sample_base(1000, generator=rng)
        start = kept.start(fresh)
        kept.keep(langevin.sample(gaussian.model.prior_density(), start, config, generator=rng))
    precision = gaussian.precision @ (torch.eye(2) - 0.05 * gaussian.precision)
    whitened = (kept.memory["replay"].double() - gaussian.mean) @ torch.linalg.cholesky(precision)
    assert p_value(whitened) > 1e-4
    assert p_value(kept.memory["replay"] - gaussian.mean.float()) < 1e-4  # nor are they N(m, I)


def test_with_a_restart_rate_of_one_every_start_is_fresh(rng):
    kept, fresh = replay(1.0), torch.randn(100, 2, generator=rng)
    assert torch.equal(kept.start(fresh), fresh)


def test_without_restarts_no_start_is_fresh_and_each_chain_is_its_own():
    kept = replay(0.0, size=50)
    before = kept.memory["replay"].clone()
    start = kept.start(torch.full((20, 2), torch.nan))
    assert len(start.unique(dim=0)) == 20
    kept.keep(start + 100)
    moved = (kept.memory["replay"] != before).all(1)
    assert moved.sum() == 20
    torch.testing.assert_close(kept.memory["replay"][moved], before[moved] + 100)


def test_the_share_of_restarts_is_the_rate():
    """Binomial(20,000, 0.05): 5 standard deviations are 154."""
    kept, fresh = replay(0.05), torch.full((1000, 2), 9.0)
    n_fresh = sum(int((kept.start(fresh) == 9).all(1).sum()) for _ in range(20))
    assert abs(n_fresh - 1000) < 154


def test_choices_follow_the_seed_and_the_iteration():
    fresh = torch.zeros(30, 2)
    a, b, other = replay(0.1), replay(0.1), replay(0.1, seed=1)
    first = a.start(fresh)
    assert torch.equal(first, b.start(fresh))
    assert not torch.equal(first, other.start(fresh))
    assert not torch.equal(first, a.start(fresh))


@pytest.mark.parametrize("name", ["ring", "digits"])
def test_a_run_with_every_chain_restarted_is_the_short_run(
    name, start, make_config, points, images, tmp_path, same_run
):
    dataset = points if name == "ring" else images
    again = make_config(name, prior_chains="persistent", prior_restart=1.0)
    start(again, dataset, tmp_path / "again").fit()
    start(make_config(name), dataset, tmp_path / "short").fit()
    assert same_run(tmp_path / "again", tmp_path / "short")


def test_a_run_with_persistent_chains_is_another(start, make_config, points, tmp_path, read_csv):
    start(make_config(prior_chains="persistent"), points, tmp_path / "kept").fit()
    start(make_config(), points, tmp_path / "short").fit()
    kept, short = (read_csv(tmp_path / n / "metrics.csv") for n in ("kept", "short"))
    assert kept != short
