"""The path of tilted priors against closed forms and quadrature.

Seeds are fixed. Bounds on what chance decides are four standard errors or more, measured over 40
other seeds: with a new seed, about one test in 1,000 would fail.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from lebm.exact import PlaneGrid, log_partition
from lebm.prior import TiltedPrior
from lebm.tilting import TiltPath, tilt_path

TILTS = torch.linspace(0, 1.5, 4, dtype=torch.float64)


class Quadratic(nn.Module):
    """f(z) = b·z - ½ a ‖z‖², for which p_λ is a known Gaussian."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.a, self.b = a, b
        self.dummy = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        return (self.b * z.sum(-1) - 0.5 * self.a * z.square().sum(-1))[:, None]


def _quadratic_prior(a: float = 2.0, b: float = 1.0, d: int = 3) -> TiltedPrior:
    prior = TiltedPrior(d, hidden=1).double()
    prior.f = Quadratic(a, b)  # type: ignore[assignment]
    return prior


def _exact_log_z(tilt: float, a: float = 2.0, b: float = 1.0, d: int = 3) -> float:
    """E_p0[exp(λ f)] = (1 + λa)^(-d/2) exp(d (λb)² / (2 (1 + λa)))."""
    precision = 1 + tilt * a
    return -0.5 * d * math.log(precision) + 0.5 * d * (tilt * b) ** 2 / precision


def _path(prior: TiltedPrior, seed: int = 0, n: int = 512, tilts: Tensor = TILTS) -> TiltPath:
    generator = torch.Generator().manual_seed(seed)
    return tilt_path(prior, tilts, n_particles=n, generator=generator)


def test_no_tilt_is_exact() -> None:
    path = _path(_quadratic_prior())
    assert (path.log_z[0], path.error[0], path.kl[0]) == (0, 0, 0)
    assert path.direct_ess[0].item() == pytest.approx(1)


def test_the_path_is_told_as_far_as_it_has_come() -> None:
    told: list[TiltPath] = []
    generator = torch.Generator().manual_seed(0)
    prior = _quadratic_prior()
    whole = tilt_path(prior, TILTS, n_particles=64, generator=generator, report=told.append)
    assert [len(path.tilts) for path in told] == [1, 2, 3, 4]
    for path in told:
        for name in ("tilts", "log_z", "error", "particles"):
            assert torch.equal(getattr(path, name), getattr(whole, name)[: len(path.tilts)])


def test_log_z_covers_the_closed_form_at_its_stated_rate() -> None:
    """A 95 % interval of Student's t with 7 degrees of freedom is ±2.36 errors.

    40 independent paths: fewer than 33 hits has probability below 1e-3 if the rate is 95 %.
    """
    prior, exact = _quadratic_prior(), _exact_log_z(1.5)
    tilts = torch.tensor([0.0, 1.5], dtype=torch.float64)
    paths = [_path(prior, seed, n=256, tilts=tilts) for seed in range(40)]
    hits = sum(abs(p.log_z[-1] - exact) < 2.36 * p.error[-1] for p in paths)
    assert hits >= 33


def test_particles_follow_the_tilted_gaussian() -> None:
    path = _path(_quadratic_prior(), n=4096)
    for tilt, z in zip(TILTS.tolist(), path.particles, strict=True):
        precision = 1 + 2 * tilt
        # Resampled particles are correlated; the mean's error is up to 1.2 times as large.
        error = 1.2 * (4096 * precision) ** -0.5
        torch.testing.assert_close(
            z.mean(0), torch.full((3,), tilt / precision).double(), atol=4.5 * error, rtol=0
        )
        assert z.var(0).mean().item() == pytest.approx(1 / precision, rel=0.06)  # 1.4 %


def test_steps_come_to_be_as_long_as_three_proposals_in_five_allow() -> None:
    """Where most are accepted, longer steps would mix faster: 0.57 is best in many dimensions.

    The mean over the second half of the path is 0.595 with a standard error of 0.003.
    """
    tilts = torch.linspace(0, 1.5, 121, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    path = tilt_path(
        _quadratic_prior(d=20), tilts, n_particles=1024, steps_between=1, generator=generator
    )
    assert path.acceptance[1] > 0.85  # they start short
    assert path.acceptance[-60:].mean().item() == pytest.approx(0.6, abs=0.018)


def test_kl_agrees_with_the_closed_form() -> None:
    path = _path(_quadratic_prior(), n=4096)
    mean, precision = 1.5 / 4.0, 4.0
    exact = 3 * 0.5 * (1 / precision + mean**2 - 1 + math.log(precision))
    assert path.kl[-1].item() == pytest.approx(exact, abs=0.08)  # standard error 0.018


def test_log_z_of_a_network_agrees_with_quadrature() -> None:
    """Student's t with 7 degrees of freedom is beyond 6 with probability 5e-4."""
    torch.manual_seed(0)
    prior = TiltedPrior(2, hidden=16, activation="gelu").double()
    for parameter in prior.parameters():
        parameter.data *= 3
    path = _path(prior, n=2048)
    for tilt, log_z, error in zip(TILTS, path.log_z, path.error, strict=True):
        exact = log_partition(
            lambda z, t=tilt: t * prior.neg_energy(z) + prior.base_log_prob(z), PlaneGrid()
        )
        assert abs(log_z - exact) < 6 * error + 1e-6


def test_the_same_seed_gives_the_same_path() -> None:
    prior = _quadratic_prior()
    assert torch.equal(_path(prior).log_z, _path(prior).log_z)
    assert not torch.equal(_path(prior).log_z, _path(prior, seed=1).log_z)


def test_bad_arguments_are_refused() -> None:
    prior = _quadratic_prior()
    with pytest.raises(ValueError, match="must rise from 0"):
        _path(prior, tilts=torch.tensor([0.5, 1.0]))
    for n in (8, 100):
        with pytest.raises(ValueError, match=f"multiple of 8 and at least 16, not {n}"):
            _path(prior, n=n)
