"""Signs of f that are known, and what the two tests say of them.

Seeds are fixed. Bounds on what chance decides are four standard errors or more, as measured over
30 other seeds: with a new seed, about one test in 10,000 would fail.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from lebm.langevin import LangevinConfig
from lebm.signs import SignTest, pull_test, sign_test

SAMPLER = LangevinConfig(n_steps=200, step_size=0.02)


def examples_of(gaussian, rng: torch.Generator) -> torch.Tensor:
    """Draws of the closed-form marginal."""
    root = torch.linalg.cholesky(gaussian.marginal.covariance_matrix)
    noise = torch.randn(64, len(root), generator=rng, dtype=root.dtype)
    return gaussian.marginal.loc + noise @ root.T


def turned(model):
    f = model.prior.f
    f.curvature = nn.Parameter(-f.curvature)
    f.slope = nn.Parameter(-f.slope)
    return model


def test_examples_confirm_a_right_sign_and_contradict_a_wrong_one(make_gaussian, rng):
    gaussian = make_gaussian()
    gaussian.model.prior.f.slope = nn.Parameter(torch.tensor([2.0, -2.0], dtype=torch.float64))
    model = gaussian.model
    model.noise_std = 0.2
    z = torch.linalg.solve(gaussian.precision, torch.tensor([2.0, -2.0]).double())
    x = model.generate(z + 0.5 * torch.randn(64, 2, generator=rng).double())
    # The z-score is 15.6 with a standard deviation of 2.1, the gap 3.7 with 0.25.
    right = sign_test(model, x, SAMPLER, generator=rng)
    assert right.word == "confirmed"
    assert right.f_examples > right.f_base + 2.7
    assert sign_test(turned(model), x, SAMPLER, generator=rng).word == "contradicted"


def test_a_flat_f_is_undecided(make_gaussian, rng):
    gaussian = make_gaussian(tilted=False)
    found = sign_test(gaussian.model, examples_of(gaussian, rng), SAMPLER, generator=rng)
    assert found.word == "undecided"
    assert found.z_score == 0


def test_the_words_follow_the_size_and_the_standard_errors():
    assert SignTest(f_examples=1.0, f_base=0.0, z_score=4.1).word == "confirmed"
    assert SignTest(f_examples=0.0, f_base=1.0, z_score=-4.1).word == "contradicted"
    assert SignTest(f_examples=1.0, f_base=0.0, z_score=3.9).word == "undecided"
    assert SignTest(f_examples=0.4, f_base=0.0, z_score=9.0).word == "undecided"
    assert SignTest(f_examples=torch.nan, f_base=0.0, z_score=torch.nan).word == "undecided"


def test_too_few_examples_are_refused(make_gaussian, rng):
    model = make_gaussian().model
    with pytest.raises(ValueError, match="at least 8"):
        sign_test(model, torch.zeros(7, 3).double(), SAMPLER, generator=rng)


def with_curvature(gaussian, value: float):
    """f = -value ½‖z‖²."""
    f = gaussian.model.prior.f
    f.curvature = nn.Parameter(value * torch.eye(2).double())
    f.slope = nn.Parameter(torch.zeros(2).double())
    return gaussian.model


def test_a_network_that_holds_the_gaussian_is_found_out(make_gaussian, rng):
    found = pull_test(with_curvature(make_gaussian(), 1.0), SAMPLER, generator=rng)
    assert found.slope == pytest.approx(1.0, abs=1e-9)
    assert found.counted_twice
    # N(0, I / 2) with -z, N(0, I) without: in the plane, the median of ‖z‖ / √2 is √(ln 2) sd.
    # That of 128 chains has a standard error of 6 %.
    assert found.norm_with == pytest.approx(math.sqrt(math.log(2) / 2), rel=0.26)
    assert found.norm_without == pytest.approx(math.sqrt(math.log(2)), rel=0.26)


def test_a_correction_alone_is_not_taken_for_the_gaussian(make_gaussian, rng):
    found = pull_test(with_curvature(make_gaussian(), -0.3), SAMPLER, generator=rng)
    assert found.slope == pytest.approx(-0.3, abs=1e-9)
    assert not found.counted_twice
    assert found.norm_without > 2 * found.norm_with  # 5.5 times, with a standard error of 0.45


def test_the_chain_lowers_the_energy_of_a_trained_model():
    from lebm import zoo

    model, card = zoo.load_model("digits")
    found = pull_test(model, card.prior_sampler, generator=torch.Generator().manual_seed(0))
    assert found.energy_after < found.energy_before - 10
    assert not found.counted_twice
