"""Equations 7 and 8 as losses, against formulas written by hand and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from train.objectives import generator_loss, prior_loss


def normal(rng: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=rng)


def finite_difference(loss, parameter: torch.Tensor, index: int, h: float = 1e-6) -> float:
    flat = parameter.data.view(-1)
    values = []
    for sign in (1, -1):
        flat[index] += sign * h
        values.append(loss().item())
        flat[index] -= sign * h
    return (values[0] - values[1]) / (2 * h)


def test_prior_gradient_of_a_linear_f(make_model, rng):
    prior, z_plus, z_minus = make_model().prior, normal(rng, 5, 3), normal(rng, 7, 3)
    prior.f = nn.Linear(3, 1).double()
    prior_loss(prior, z_plus, z_minus).backward()
    expected = z_minus.mean(0) - z_plus.mean(0)  # minus eq. 7, since a loss descends
    torch.testing.assert_close(prior.f.weight.grad[0], expected, rtol=0, atol=1e-15)
    assert prior.f.bias.grad.abs().item() < 1e-15


def test_prior_gradient_is_the_difference_of_mean_gradients(make_model, rng):
    prior, z_plus, z_minus = make_model().prior, normal(rng, 5, 3), normal(rng, 7, 3)

    def mean_gradients(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
        parameters = list(prior.parameters())
        each = [torch.autograd.grad(prior.neg_energy(row[None]), parameters) for row in z]
        return tuple(torch.stack(column).mean(0) for column in zip(*each, strict=True))

    prior_loss(prior, z_plus, z_minus).backward()
    up, down = mean_gradients(z_plus), mean_gradients(z_minus)
    for parameter, plus, minus in zip(prior.parameters(), up, down, strict=True):
        torch.testing.assert_close(parameter.grad, minus - plus, rtol=0, atol=1e-14)


def test_prior_gradient_against_finite_differences(make_model, rng):
    prior, z_plus, z_minus = make_model().prior, normal(rng, 5, 3), normal(rng, 7, 3)
    prior_loss(prior, z_plus, z_minus).backward()
    for parameter in prior.parameters():
        slope = finite_difference(lambda: prior_loss(prior, z_plus, z_minus), parameter, 0)
        assert parameter.grad.view(-1)[0].item() == pytest.approx(slope, abs=1e-8)


def test_descending_the_prior_loss_raises_f_at_z_plus(make_model, rng):
    prior, z_plus, z_minus = make_model().prior, normal(rng, 6, 3) + 2, normal(rng, 6, 3) - 2
    before = prior.neg_energy(z_plus).mean(), prior.neg_energy(z_minus).mean()
    optimizer = torch.optim.SGD(prior.parameters(), lr=1e-3)
    prior_loss(prior, z_plus, z_minus).backward()
    optimizer.step()
    assert prior.neg_energy(z_plus).mean() > before[0]
    assert prior.neg_energy(z_minus).mean() < before[1]


def test_the_prior_loss_is_zero_on_equal_samples(make_model, rng):
    z = normal(rng, 6, 3)
    assert prior_loss(make_model().prior, z, z).item() == 0


def test_generator_gradient_of_a_linear_generator(make_gaussian, rng):
    model = make_gaussian().model
    x, z = normal(rng, 6, 3), normal(rng, 6, 2)
    generator_loss(model, x, z).backward()
    residual = x - model.generator(z).detach()
    expected = -(residual.T @ z) / 6 / model.noise_std**2
    torch.testing.assert_close(model.generator.weight.grad, expected, rtol=0, atol=1e-13)
    torch.testing.assert_close(
        model.generator.bias.grad, -residual.mean(0) / model.noise_std**2, rtol=0, atol=1e-13
    )


def test_generator_gradient_against_finite_differences(make_model, rng):
    model = make_model()
    x, z = normal(rng, 6, 4), normal(rng, 6, 3)
    generator_loss(model, x, z).backward()
    for parameter in model.generator.parameters():
        slope = finite_difference(lambda: generator_loss(model, x, z), parameter, 0)
        assert parameter.grad.view(-1)[0].item() == pytest.approx(slope, abs=1e-6)


def test_the_generator_loss_is_the_mean_negative_log_likelihood(make_model, rng):
    model = make_model(data_shape=(1, 8, 8))
    x, z = normal(rng, 2, 1, 8, 8), normal(rng, 2, 3)
    assert torch.equal(generator_loss(model, x, z), -model.log_likelihood(x, z).mean())


def test_each_loss_reaches_its_own_network_only(make_model, rng):
    model = make_model()
    x, z = normal(rng, 6, 4), normal(rng, 6, 3)
    prior_loss(model.prior, z, -z).backward()
    assert all(p.grad is None for p in model.generator.parameters())
    model.zero_grad(set_to_none=True)
    generator_loss(model, x, z).backward()
    assert all(p.grad is None for p in model.prior.parameters())
