"""Verdicts and convergence, against what is known of made-up chains.

Seeds are fixed. Where a bound is on what chance decides, it is four standard errors or more, those
of the same number over 60 to 100 other seeds, given beside it: with a new seed, or another
generator of random numbers, about one such test in 10,000 would fail.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

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
    series = torch.randn(2000, 8, generator=_generator(), dtype=torch.float64)
    result = mixing(series)
    assert abs(result.rhat - 1) < 0.001  # standard error 0.0002
    assert result.ess_bulk == pytest.approx(16_000, rel=0.09)  # 2 %
    assert result.ess_tail == pytest.approx(16_000, rel=0.11)  # 2 %, and 2 % too low on average
    assert result.mcse == pytest.approx(16_000**-0.5, rel=0.05)  # 1.2 %
    assert result.mean == pytest.approx(float(series.mean()), abs=1e-12)


def test_correlated_draws_are_worth_their_known_share() -> None:
    # ESS of an AR(1) is n (1 - rho) / (1 + rho); ours has a standard error of 5 %.
    result = mixing(_ar1(0.8, 4000, 8))
    assert result.ess_bulk == pytest.approx(32_000 * 0.2 / 1.8, rel=0.2)


def test_tails_that_come_in_spells_are_worth_less_than_the_centre() -> None:
    """Draws are independent in sign, and of unit size in a fifth of the time, else near 0.

    Their ranks are uncorrelated. Below its 5 % quantile, a draw of the wild spells lies with
    probability 1/4 and no other: that indicator, of variance 0.05 · 0.95, has the autocovariance
    (1/4)² · 0.2 · 0.8 · 0.9^lag, as a spell ends with probability 0.1 a step.
    """
    generator, shape = _generator(), (2000, 8)
    begins = torch.rand(shape, generator=generator) < 0.1
    begins[0] = True
    since = (begins * torch.arange(shape[0])[:, None]).cummax(0).values
    wild = (torch.rand(shape, generator=generator) < 0.2).gather(0, since)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    result = mixing(noise * torch.where(wild, 1.0, 0.001))
    correlation = 0.25**2 * 0.2 * 0.8 / (0.05 * 0.95)  # at lag 0, and Σ 0.9^lag from lag 1 on is 9
    expected = 16_000 / (1 + 2 * 9 * correlation)
    assert result.ess_tail == pytest.approx(expected, rel=0.4)  # standard error 10 %
    assert result.ess_bulk == pytest.approx(16_000, rel=0.15)  # 3 %


def test_chains_in_different_places_raise_rhat() -> None:
    series = torch.randn(500, 4, generator=_generator()) + 3 * torch.arange(4)
    assert mixing(series).rhat == pytest.approx(2.69, abs=0.07)  # standard error 0.016


def test_mixing_refuses_too_few_draws() -> None:
    with pytest.raises(ValueError, match="at least 4 draws, not 3"):
        mixing(torch.zeros(3, 2))


def test_autocorrelation_of_an_ar1_decays_geometrically() -> None:
    curve = autocorrelation(_ar1(0.9, 5_000, 16), 10)
    assert len(curve) == 11
    assert curve[0] == pytest.approx(1)
    for lag, error in ((1, 0.0016), (5, 0.006), (10, 0.008)):
        assert curve[lag] == pytest.approx(0.9**lag, abs=4 * error)


def test_leading_directions_are_ordered_by_variance() -> None:
    scales = torch.tensor([1.0, 5.0, 2.0])
    z = torch.randn(1000, 3, 3, generator=_generator()) * scales
    spread = leading_directions(z, 3).flatten(0, 1).std(0)
    assert spread.tolist() == pytest.approx([5.0, 2.0, 1.0], rel=0.06)  # 1.4 %


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
    assert abs(result.energy_shift) < 0.96  # standard error 0.24
    assert abs(result.norm_shift) < 0.96
    assert result.spread == pytest.approx(1, abs=0.07)  # 0.017
    assert result.moved == pytest.approx(1, abs=0.07)
    assert result.merged == 0
    assert result.saturation == pytest.approx(0, abs=0.044)  # 0.011


def test_a_shift_of_energy_is_drifting() -> None:
    result = verdict(_snapshot(0), _snapshot(1, energy=-3))
    assert result.word == "drifting"
    assert result.energy_shift == pytest.approx(-3, abs=1.5)  # standard error 0.36


@pytest.mark.parametrize("what", ["energy", "norm"])
@pytest.mark.parametrize(
    ("sds", "word"),
    [(0.9, "steady"), (-0.9, "steady"), (1.1, "drifting"), (-1.1, "drifting")],
)
def test_energy_or_norm_alone_drifts_beyond_one_standard_deviation(
    what: str, sds: float, word: str
) -> None:
    short = _snapshot(0)
    before = getattr(short, what)
    result = verdict(short, replace(short, **{what: before + sds * before.std()}))
    assert result.word == word
    shifts = {"energy": result.energy_shift, "norm": result.norm_shift}
    assert shifts.pop(what) == pytest.approx(sds, rel=1e-5)
    assert list(shifts.values()) == [0]


def test_a_shift_is_that_of_the_median_in_deviations_of_the_short_run() -> None:
    short = _snapshot(0)
    after = 2 * short.norm + 0.5
    after[after.argmax()] = 1e6  # one chain that went astray
    result = verdict(short, replace(short, norm=after))
    median = float(short.norm.sort().values[31])  # the lower of the middle two, as torch has it
    spread = statistics.stdev(short.norm.tolist())
    assert result.norm_shift == pytest.approx((2 * median + 0.5 - median) / spread, rel=1e-5)


def test_saturation_is_the_share_of_values_that_came_to_the_ends_of_the_range() -> None:
    short = replace(_snapshot(0), examples=_snapshot(0).examples.clamp(-0.9, 0.9))
    examples = short.examples.clone()
    examples[:, :, 0] = 0.96  # one of eight rows
    examples[:, :, 1] = -0.96
    examples[:, :, 2] = 0.94
    long = replace(short, examples=examples)
    assert verdict(short, long).saturation == pytest.approx(2 / 8)
    assert verdict(long, short).saturation == pytest.approx(-2 / 8)


def test_examples_that_shrink_together_are_collapsed() -> None:
    result = verdict(_snapshot(0), _snapshot(1, scale=0.1))
    assert result.word == "collapsed"
    assert result.spread == pytest.approx(0.01, abs=0.0007)  # standard error 0.00017


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
