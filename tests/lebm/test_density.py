"""Log densities as sums of named terms, and their forces."""

from __future__ import annotations

import pytest
import torch

from lebm.density import LogDensity, as_terms, value_and_force


def cubic(z: torch.Tensor) -> torch.Tensor:
    return z.pow(3).sum(-1)


def test_a_density_is_the_sum_of_its_terms(rng):
    z = torch.randn(5, 2, dtype=torch.float64, generator=rng)
    density = LogDensity({"a": cubic, "b": lambda z: 2 * z[:, 0], "c": lambda z: z[:, 1] - 4})
    expected = z.pow(3).sum(-1) + 2 * z[:, 0] + z[:, 1] - 4
    torch.testing.assert_close(density(z), expected, rtol=0, atol=1e-14)


def test_a_density_without_terms_is_refused():
    with pytest.raises(ValueError, match="at least one term"):
        LogDensity({})


def test_a_function_becomes_one_term_and_a_density_stays():
    density = LogDensity({"a": cubic})
    assert as_terms(density) is density
    assert as_terms(cubic).terms == {"target": cubic}


def test_value_and_force_of_a_cubic(rng):
    z = torch.randn(5, 2, dtype=torch.float64, generator=rng)
    value, force = value_and_force(cubic, z)
    assert torch.equal(value, cubic(z))
    torch.testing.assert_close(force, 3 * z**2, rtol=0, atol=1e-14)


def test_value_and_force_leave_no_trace(rng):
    z = torch.randn(5, 2, generator=rng)
    before = z.clone()
    value, force = value_and_force(cubic, z)
    assert not any(tensor.requires_grad for tensor in (value, force, z))
    assert torch.equal(z, before)


def test_force_is_there_where_gradients_are_switched_off():
    with torch.no_grad():
        _, force = value_and_force(cubic, torch.ones(1, 2))
    assert torch.equal(force, torch.full((1, 2), 3.0))


def test_parameters_get_no_gradient_from_a_force(make_model):
    prior = make_model().prior
    value_and_force(prior.unnorm_log_prob, torch.ones(2, 3, dtype=torch.float64))
    assert all(p.grad is None for p in prior.parameters())
