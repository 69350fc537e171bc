"""One learning iteration, held against its parts."""

from __future__ import annotations

import pytest
import torch
from torch.optim import SGD

from lebm import langevin
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from train.algorithm1 import Iteration, learning_iteration
from train.objectives import generator_loss, prior_loss

PRIOR = LangevinConfig(n_steps=6, step_size=0.08)
POSTERIOR = LangevinConfig(n_steps=4, step_size=0.01)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(8))


@pytest.fixture
def z_start() -> torch.Tensor:
    return torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


def iterate(
    model: LatentEBM, x, z_start, *, lr: tuple[float, float], seed: int = 0, **others
) -> Iteration:
    generator = torch.Generator().manual_seed(seed)
    return learning_iteration(
        model,
        x,
        model.prior.sample_base(len(x), generator=generator),
        z_start,
        SGD(model.prior.parameters(), lr[0]),
        SGD(model.generator.parameters(), lr[1]),
        PRIOR,
        POSTERIOR,
        generator=generator,
        **others,
    )


def weights(model: LatentEBM) -> list[torch.Tensor]:
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("lr", [(0.0, 0.0), (0.05, 0.05)])
def test_samples_are_those_of_langevin_sample(lr, make_model, x, z_start):
    """Both chains run before any parameter moves, whatever the learning rates are."""
    model, untouched = make_model(), make_model()
    iteration = iterate(model, x, z_start, lr=lr)
    generator = torch.Generator().manual_seed(0)
    noise = untouched.prior.sample_base(7, generator=generator)
    z_minus = langevin.sample(untouched.prior_density(), noise, PRIOR, generator=generator)
    z_plus = langevin.sample(
        untouched.posterior_density(x), z_start, POSTERIOR, generator=generator
    )
    torch.testing.assert_close(iteration.z_minus, z_minus, rtol=0, atol=1e-13)
    torch.testing.assert_close(iteration.z_plus, z_plus, rtol=0, atol=1e-13)


def test_without_learning_rates_no_parameter_moves(make_model, x, z_start):
    model = make_model()
    before = weights(model)
    iterate(model, x, z_start, lr=(0.0, 0.0))
    assert all(map(torch.equal, before, weights(model)))


def test_parameters_move_down_the_gradients_of_eq_7_and_8(make_model, x, z_start):
    model, reference = make_model(), make_model()
    iteration = iterate(model, x, z_start, lr=(0.02, 0.03))
    prior_loss(reference.prior, iteration.z_plus, iteration.z_minus).backward()
    generator_loss(reference, x, iteration.z_plus).backward()
    for network, lr in (("prior", 0.02), ("generator", 0.03)):
        moved, still = getattr(model, network), getattr(reference, network)
        for after, before in zip(moved.parameters(), still.parameters(), strict=True):
            torch.testing.assert_close(after, before - lr * before.grad, rtol=0, atol=1e-12)
    assert all(
        (a != b).any()
        for a, b in zip(weights(model), weights(reference), strict=True)
        if a.numel() > 1
    )


def test_no_gradient_is_left_from_the_iteration_before(make_model, x, z_start):
    model = make_model()
    iterate(model, x, z_start, lr=(0.0, 0.0))
    once = [p.grad.clone() for p in model.parameters()]
    iterate(model, x, z_start, lr=(0.0, 0.0))
    assert all(map(torch.equal, once, [p.grad for p in model.parameters()]))


def test_the_same_seed_is_the_same_iteration(make_model, x, z_start):
    models = [make_model() for _ in range(3)]
    a, b, c = (
        iterate(model, x, z_start, lr=(0.1, 0.1), seed=seed)
        for model, seed in zip(models, (1, 1, 2), strict=True)
    )
    assert torch.equal(a.z_plus, b.z_plus)
    assert torch.equal(a.z_minus, b.z_minus)
    assert all(map(torch.equal, weights(models[0]), weights(models[1])))
    assert (a.z_plus != c.z_plus).all()
    assert (a.z_minus != c.z_minus).all()


def test_inputs_stay_as_they_are(make_model, x, z_start):
    before = x.clone(), z_start.clone()
    iterate(make_model(), x, z_start, lr=(0.1, 0.1))
    assert torch.equal(x, before[0])
    assert torch.equal(z_start, before[1])


def test_metrics_describe_the_iteration(make_model, x, z_start):
    model, reference = make_model(), make_model()
    iteration = iterate(model, x, z_start, lr=(0.1, 0.1))
    metrics, plus, minus = iteration.metrics, iteration.z_plus, iteration.z_minus
    f = reference.prior.neg_energy
    grads, others = (
        torch.cat([p.grad.flatten() for p in part.parameters()])
        for part in (model.prior, model.generator)
    )
    expected = {
        "f_gap": f(plus).mean() - f(minus).mean(),
        "nll_given_z": -reference.log_likelihood(x, plus).mean(),
        "grad_norm_prior": grads.norm(),
        "grad_norm_generator": others.norm(),
        "z_plus_norm": plus.norm(dim=1).mean(),
        "z_minus_norm": minus.norm(dim=1).mean(),
        "z_plus_max": plus.norm(dim=1).max(),
        "z_minus_max": minus.norm(dim=1).max(),
    }
    assert metrics.keys() == expected.keys()
    for name, value in expected.items():
        assert metrics[name].item() == pytest.approx(value.item(), abs=1e-12), name
    assert not any(value.requires_grad for value in metrics.values())


def test_alpha_learns_in_float32_where_the_generator_runs_in_bfloat16(make_model, x, z_start):
    model, reference = (make_model(data_shape=(1, 8, 8)).float() for _ in range(2))
    x, z_start = x.float().tile(16)[:, None].reshape(7, 1, 8, 8), z_start.float()
    lower = iterate(
        model,
        x,
        z_start,
        lr=(0.0, 0.0),
        autocast=lambda: torch.autocast("cpu", torch.bfloat16),
    )
    assert lower.z_plus.dtype == lower.z_minus.dtype == torch.float32
    prior_loss(reference.prior, lower.z_plus, lower.z_minus).backward()
    generator_loss(reference, x, lower.z_plus).backward()
    for network, same in (("prior", True), ("generator", False)):
        found, full = (
            torch.cat([p.grad.flatten() for p in getattr(each, network).parameters()])
            for each in (model, reference)
        )
        assert torch.equal(found, full) == same, network
        torch.testing.assert_close(found, full, rtol=0.05, atol=0.05 * float(full.abs().max()))


def test_a_batch_of_one_learns(make_model, x, z_start):
    model = make_model()
    before = weights(model)
    iteration = iterate(model, x[:1], z_start[:1], lr=(0.1, 0.1))
    assert iteration.z_plus.shape == (1, 3)
    assert not all(map(torch.equal, before, weights(model)))
