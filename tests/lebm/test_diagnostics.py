from __future__ import annotations

import math

import pytest
import torch

from lebm.diagnostics import Snapshot, autocorrelation, leading_directions, mixing, verdict


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _ar1(rho: float, draws: int, chains: int) -> torch.Tensor:
    """Stationary AR(1) with unit variance."""
    noise = torch.randn(draws, chains, generator=_generator(), dtype=torch.float64)
    series = [noise[0]]
    for row in noise[1:]:
        series.append(rho * series[-1] + (1 - rho**2) ** 0.5 * row)
    return torch.stack(series)


def test_independent_draws_are_worth_themselves() -> None:
    result = mixing(torch.randn(2000, 8, generator=_generator(), dtype=torch.float64))
    assert result.rhat < 1.005
    assert result.ess_bulk == pytest.approx(16_000, rel=0.1)
    assert result.mcse == pytest.approx(16_000**-0.5, rel=0.1)


def test_correlated_draws_are_worth_their_known_share() -> None:
    # ESS of an AR(1) is n (1 - rho) / (1 + rho).
    result = mixing(_ar1(0.8, 4000, 8))
    assert result.ess_bulk == pytest.approx(32_000 * 0.2 / 1.8, rel=0.15)


def test_chains_in_different_places_raise_rhat() -> None:
    series = torch.randn(500, 4, generator=_generator()) + 3 * torch.arange(4)
    assert mixing(series).rhat > 1.5


def test_mixing_refuses_too_few_draws() -> None:
    with pytest.raises(ValueError, match="at least 4 draws, not 3"):
        mixing(torch.zeros(3, 2))


def test_autocorrelation_of_an_ar1_decays_geometrically() -> None:
    curve = autocorrelation(_ar1(0.9, 20_000, 4), 10)
    assert len(curve) == 11
    assert curve[0] == pytest.approx(1)
    # Standard error about sqrt(2 tau / 80000) = 0.015 at these lags; four of them.
    for lag in (1, 5, 10):
        assert curve[lag] == pytest.approx(0.9**lag, abs=0.06)


def test_leading_directions_are_ordered_by_variance() -> None:
    scales = torch.tensor([1.0, 5.0, 2.0])
    z = torch.randn(1000, 3, 3, generator=_generator()) * scales
    spread = leading_directions(z, 3).flatten(0, 1).std(0)
    assert spread.tolist() == pytest.approx([5.0, 2.0, 1.0], rel=0.1)


def _snapshot(seed: int, energy: float = 0.0, scale: float = 1.0) -> Snapshot:
    generator = _generator(seed)
    return Snapshot(
        energy=energy + torch.randn(64, generator=generator),
        norm=5 + torch.randn(64, generator=generator),
        examples=scale * torch.randn(64, 1, 8, 8, generator=generator).clamp(-1, 1),
    )


def test_draws_of_one_distribution_are_steady() -> None:
    result = verdict(_snapshot(0), _snapshot(1))
    assert result.word == "steady"
    assert result.spread == pytest.approx(1, abs=0.1)
    assert result.moved == pytest.approx(1, abs=0.1)
    assert result.merged == 0


def test_a_shift_of_energy_is_drifting() -> None:
    result = verdict(_snapshot(0), _snapshot(1, energy=-3))
    assert result.word == "drifting"
    assert result.energy_shift == pytest.approx(-3, abs=0.8)


def test_examples_that_shrink_together_are_collapsed() -> None:
    result = verdict(_snapshot(0), _snapshot(1, scale=0.1))
    assert result.word == "collapsed"
    assert result.spread == pytest.approx(0.01, abs=0.005)


def test_chains_that_end_at_few_examples_are_collapsed() -> None:
    long = _snapshot(1)
    few = Snapshot(long.energy, long.norm, long.examples[:4].repeat(16, 1, 1, 1))
    result = verdict(_snapshot(0), few)
    assert result.word == "collapsed"
    assert result.merged == 1


def test_nan_is_never_steady() -> None:
    long = _snapshot(1)
    result = verdict(_snapshot(0), Snapshot(long.energy * torch.nan, long.norm, long.examples))
    assert result.word == "drifting"


def test_a_model_without_a_tilt_has_an_energy_that_does_not_shift() -> None:
    short, long = _snapshot(0), _snapshot(1)
    zero = torch.zeros(64)
    result = verdict(
        Snapshot(zero, short.norm, short.examples), Snapshot(zero, long.norm, long.examples)
    )
    assert (result.word, result.energy_shift) == ("steady", 0)


def test_a_constant_has_no_rhat_and_raises_no_warning() -> None:
    result = mixing(torch.zeros(500, 4))
    assert math.isnan(result.rhat)
    assert (result.mean, result.mcse) == (0, 0)
