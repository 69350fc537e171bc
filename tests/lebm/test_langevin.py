"""The Langevin step and the chains made of it: exact arithmetic, inputs left alone, seeds."""

from __future__ import annotations

import math

import pytest
import torch

from lebm import langevin
from lebm.langevin import LangevinConfig
from lebm.noise import ChainNoise


def quartic(z: torch.Tensor) -> torch.Tensor:
    return -0.25 * z.pow(4).sum(-1) + z[:, 0]


def quartic_force(z: torch.Tensor) -> torch.Tensor:
    return -z.pow(3) + torch.tensor([1.0, 0.0], dtype=z.dtype)


@pytest.fixture
def z(rng) -> torch.Tensor:
    return torch.randn(6, 2, dtype=torch.float64, generator=rng)


def test_update_is_equation_9(z, rng):
    force, noise = torch.randn(2, 6, 2, dtype=torch.float64, generator=rng)
    new, info = langevin.update(z, force, noise, LangevinConfig(1, step_size=0.18))
    assert torch.equal(info.drift, 0.18 * force)
    assert torch.equal(info.diffusion, 0.6 * noise)
    torch.testing.assert_close(new, z + 0.18 * force + 0.6 * noise, rtol=0, atol=2e-15)


def test_temperature_scales_the_noise_s_variance(z):
    noise = torch.ones_like(z)
    _, info = langevin.update(z, z, noise, LangevinConfig(1, step_size=0.5, temperature=4))
    assert torch.equal(info.diffusion, 2 * noise)
    assert torch.equal(info.drift, 0.5 * z)


def test_at_temperature_0_a_step_is_step_size_times_gradient(z, rng):
    config = LangevinConfig(n_steps=1, step_size=0.03, temperature=0)
    end = langevin.sample(quartic, z, config, generator=rng)
    torch.testing.assert_close(end, z + 0.03 * quartic_force(z), rtol=0, atol=1e-15)


def test_at_temperature_0_a_chain_on_the_gaussian_shrinks_geometrically(z, make_gaussian, rng):
    prior = make_gaussian(tilted=False).model.prior
    config = LangevinConfig(n_steps=30, step_size=0.1, temperature=0)
    end = langevin.sample(prior.unnorm_log_prob, z, config, generator=rng)
    torch.testing.assert_close(end, 0.9**30 * z, rtol=0, atol=1e-14)


def test_sample_draws_its_noise_in_order_of_the_steps(z):
    config, seed = LangevinConfig(n_steps=3, step_size=0.02), torch.Generator().manual_seed(5)
    end = langevin.sample(quartic, z, config, generator=seed)
    again = torch.Generator().manual_seed(5)
    for noise in torch.randn(3, 6, 2, dtype=torch.float64, generator=again):
        z = z + 0.02 * quartic_force(z) + 0.2 * noise
    torch.testing.assert_close(end, z, rtol=0, atol=1e-14)


def test_noise_of_more_steps_than_a_piece_is_never_used_twice(rng):
    """Without force the end is the noise's sum: its variance 2 s K would double otherwise."""
    start, config = torch.zeros(500, 300), LangevinConfig(n_steps=40, step_size=0.5)
    end = langevin.sample(lambda z: 0 * z.sum(-1), start, config, generator=rng)
    # 150,000 independent normals: standard error of the variance 0.15, 4 of them, P < 1e-4.
    assert abs(end.var().item() - 40) < 0.6


def test_sample_follows_its_seed(z):
    config = LangevinConfig(n_steps=4, step_size=0.02)
    a, b, c = (
        langevin.sample(quartic, z, config, generator=torch.Generator().manual_seed(s))
        for s in (1, 1, 2)
    )
    assert torch.equal(a, b)
    assert (a != c).all()


def test_run_follows_its_seed(z):
    config = LangevinConfig(n_steps=4, step_size=0.02)
    a, b, c = (
        langevin.run(
            quartic, langevin.init(quartic, z), config, noise=ChainNoise(s, range(6), 2)
        ).z[-1]
        for s in (1, 1, 2)
    )
    assert torch.equal(a, b)
    assert (a != c).all()


def test_sample_with_no_steps_is_its_start(z, rng):
    assert torch.equal(langevin.sample(quartic, z, LangevinConfig(0, 0.1), generator=rng), z)


def test_samples_carry_no_gradient(make_model, rng):
    model = make_model()
    start = model.prior.sample_base(4, generator=rng).requires_grad_()
    end = langevin.sample(model.prior.unnorm_log_prob, start, LangevinConfig(3, 0.1), generator=rng)
    assert not end.requires_grad
    assert all(p.grad is None for p in model.parameters())


def test_nothing_that_is_passed_in_is_changed(z, rng):
    config, noise = LangevinConfig(n_steps=5, step_size=0.05), ChainNoise(0, range(6), 2)
    before, epsilon = z.clone(), noise.at(1).double()
    kept = epsilon.clone()
    state = langevin.init(quartic, z)
    start = state.z.clone()
    langevin.sample(quartic, z, config, generator=rng)
    langevin.update(z, state.force, epsilon, config)
    langevin.step(quartic, state, epsilon, config)
    langevin.run(quartic, state, config, noise=noise)
    assert torch.equal(z, before)
    assert torch.equal(epsilon, kept)
    assert torch.equal(state.z, start)


def test_a_state_does_not_move_with_the_tensor_it_was_made_from(z):
    state, before = langevin.init(quartic, z), z.clone()
    z.zero_()
    assert torch.equal(state.z, before)


def test_init_evaluates_value_and_force(z):
    state = langevin.init(quartic, z)
    assert state.step == 0
    assert torch.equal(state.terms["target"], quartic(z))
    torch.testing.assert_close(state.force, quartic_force(z), rtol=0, atol=1e-14)
    assert (state.failed_at == -1).all()
    assert not state.escaped.any()


def test_step_is_update_and_evaluates_where_it_arrives(z):
    config, noise = LangevinConfig(1, step_size=0.02), torch.ones_like(z)
    state = langevin.init(quartic, z)
    after, info = langevin.step(quartic, state, noise, config)
    arrived, expected = langevin.update(z, state.force, noise, config)
    assert after.step == 1
    assert torch.equal(after.z, arrived)
    assert torch.equal(info.drift, expected.drift)
    assert torch.equal(info.diffusion, expected.diffusion)
    assert torch.equal(after.terms["target"], quartic(arrived))


def test_run_and_repeated_update_agree(z):
    config, noise = LangevinConfig(n_steps=20, step_size=0.02), ChainNoise(2, range(6), 2)
    trajectory = langevin.run(quartic, langevin.init(quartic, z), config, noise=noise)
    for k in range(1, 21):
        z, _ = langevin.update(z, quartic_force(z), noise.at(k).double(), config)
    torch.testing.assert_close(trajectory.z[-1], z, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_steps", -1),
        ("step_size", 0.0),
        ("step_size", -0.1),
        ("step_size", math.nan),
        ("step_size", math.inf),
        ("temperature", -1.0),
        ("temperature", math.nan),
        ("max_radius", 0.0),
        ("max_radius", -5.0),
        ("max_radius", math.nan),
    ],
)
def test_a_config_names_the_field_and_the_value(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*, not {value}"):
        LangevinConfig(**{"n_steps": 1, "step_size": 0.1} | {name: value})
