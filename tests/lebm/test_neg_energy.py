"""The network f_α and its gradient by hand, against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lebm import langevin
from lebm.density import TILT, force, value_and_force
from lebm.langevin import LangevinConfig
from lebm.neg_energy import NegEnergyTerm
from lebm.noise import ChainNoise
from lebm.prior import TiltedPrior
from lebm.trajectory import Trajectory

ACTIVATIONS = ["leaky_relu", "gelu"]
TOLERANCE = {torch.float64: 1e-13, torch.float32: 2e-5}


@pytest.fixture(params=ACTIVATIONS)
def prior(request) -> TiltedPrior:
    torch.manual_seed(3)
    return TiltedPrior(5, hidden=30, activation=request.param)


@pytest.mark.parametrize("n", [1, 2, 64])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_value_and_force_are_those_of_autograd(prior, n, dtype, rng):
    prior = prior.to(dtype)
    z = 2 * torch.randn(n, 5, dtype=dtype, generator=rng)
    term = prior.density().terms[TILT]
    value, gradient = value_and_force(term, z)
    expected_value, expected = value_and_force(prior.neg_energy, z)  # a plain function
    torch.testing.assert_close(value, expected_value, rtol=0, atol=TOLERANCE[dtype])
    torch.testing.assert_close(gradient, expected, rtol=0, atol=TOLERANCE[dtype])
    assert torch.equal(force(term, z), gradient)
    assert gradient.abs().min() > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_chain_is_that_of_autograd(prior, dtype, rng):
    prior, config = prior.to(dtype), LangevinConfig(n_steps=60, step_size=0.08)
    start = torch.randn(9, 5, dtype=dtype, generator=rng)
    by_hand, by_autograd = (
        langevin.sample(f, start, config, generator=torch.Generator().manual_seed(1))
        for f in (prior.density(), prior.unnorm_log_prob)
    )
    torch.testing.assert_close(by_hand, by_autograd, rtol=0, atol=10 * TOLERANCE[dtype])
    assert (by_hand != start).all()


def test_the_term_follows_the_weights_as_they_learn(prior, rng):
    z, term = torch.randn(4, 5, generator=rng), prior.density().terms[TILT]
    before = force(term, z)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.mul_(1.5)
    after = force(term, z)
    assert (after != before).all()
    torch.testing.assert_close(after, value_and_force(prior.neg_energy, z)[1])


def test_the_term_can_be_learned_through(prior, rng):
    z = torch.randn(4, 5, generator=rng)
    prior.density()(z).sum().backward()
    assert all(p.grad is not None for p in prior.parameters())


def test_a_force_leaves_no_graph_and_no_mark(prior, rng):
    z = torch.randn(4, 5, generator=rng)
    before = z.clone()
    results = [*value_and_force(prior.density().terms[TILT], z), prior.density().force(z)]
    assert not any(result.requires_grad for result in results)
    assert torch.equal(z, before)
    assert all(p.grad is None for p in prior.parameters())


def test_f_stays_in_float32_where_the_generator_runs_in_bfloat16(prior, rng):
    z, density = torch.randn(4, 5, generator=rng), prior.density()
    with torch.autocast("cpu", torch.bfloat16):
        lower = density.force(z)
    assert lower.dtype == torch.float32
    assert torch.equal(lower, density.force(z))


@pytest.mark.parametrize("grad", [True, False])
def test_values_and_forces_stay_in_float32_under_autocast(prior, rng, grad):
    """With gradients and without, as in a chain, whose steps ask for both."""
    z, term = torch.randn(4, 5, generator=rng), prior.density().terms[TILT]
    value, gradient = value_and_force(term, z)
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(grad):
        lower_value, lower_gradient = value_and_force(term, z)
        assert prior.neg_energy(z).dtype == torch.bfloat16  # which a plain call is not spared
    assert lower_value.dtype == lower_gradient.dtype == torch.float32
    assert torch.equal(lower_value, value)
    assert torch.equal(lower_gradient, gradient)


def test_a_recorded_chain_is_the_same_under_autocast(prior):
    density, noise = prior.density(), ChainNoise(0, range(4), 5)
    config = LangevinConfig(n_steps=20, step_size=0.08)

    def chain() -> Trajectory:
        return langevin.run(density, langevin.init(density, noise.at(0)), config, noise=noise)

    plain = chain()
    with torch.autocast("cpu", torch.bfloat16):
        lower = chain()
    assert torch.equal(lower.z, plain.z)
    assert torch.equal(lower.energy, plain.energy)


def test_another_network_is_differentiated(prior, rng):
    prior.f = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1))
    z = torch.randn(4, 5, generator=rng)
    assert not isinstance(prior.density().terms[TILT], NegEnergyTerm)
    expected = value_and_force(prior.unnorm_log_prob, z)[1]
    torch.testing.assert_close(prior.density().force(z), expected)
