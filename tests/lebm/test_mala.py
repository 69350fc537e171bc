"""MALA: what it leaves invariant, what it rejects, and how it runs as a kernel."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lebm import langevin, mala
from lebm.langevin import LangevinConfig
from lebm.noise import ChainNoise
from lebm.trajectory import State


def _normal(z: torch.Tensor) -> torch.Tensor:
    return -0.5 * z.square().sum(-1)


def _start(n: int, d: int, seed: int = 0) -> tuple[State, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return langevin.init(_normal, z), generator


def _step(density, state: State, config: LangevinConfig, generator: torch.Generator) -> State:
    z = state.z
    noise = torch.randn(z.shape, generator=generator, dtype=z.dtype)
    uniform = torch.rand(len(z), generator=generator, dtype=z.dtype)
    return mala.step(density, state, noise, uniform, config)[0]


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_it_leaves_the_target_exactly_invariant_where_the_plain_chain_does_not(
    temperature: float,
) -> None:
    """20,000 chains keep the variance T at a step where eq. 9 has T / (1 - s/2), 1.33 T."""
    state, generator = _start(20_000, 1)
    state = langevin.init(_normal, state.z * temperature**0.5)
    config = LangevinConfig(1, 0.5, temperature)
    for _ in range(30):
        before = state.z
        state = _step(_normal, state, config, generator)
    # Standard error of a variance of n independent normals is sqrt(2 / n); 4 of them, P < 1e-4.
    assert abs(state.z.var().item() / temperature - 1) < 4 * (2 / 20_000) ** 0.5
    assert abs(state.z.mean().item()) < 4 / 20_000**0.5
    assert 0.7 < (state.z != before).double().mean() < 0.999


def test_small_steps_are_nearly_always_accepted() -> None:
    state, generator = _start(2000, 3)
    after = _step(_normal, state, LangevinConfig(1, 1e-3), generator)
    assert (after.z != state.z).any(1).double().mean() > 0.99


def test_a_proposal_without_density_is_never_taken() -> None:
    def half_line(z: torch.Tensor) -> torch.Tensor:
        return torch.where(z[:, 0] > 0, _normal(z), _normal(z) * torch.nan)

    state = langevin.init(half_line, torch.full((500, 1), 0.1, dtype=torch.float64))
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        state = _step(half_line, state, LangevinConfig(1, 0.5), generator)
    assert (state.z > 0).all()
    assert (state.failed_at == -1).all()


def test_the_state_keeps_terms_and_forces_of_its_place() -> None:
    state, generator = _start(50, 2)
    after = _step(_normal, state, LangevinConfig(1, 0.8), generator)
    torch.testing.assert_close(after.terms["target"], _normal(after.z))
    torch.testing.assert_close(after.force, -after.z)
    assert after.step == 1


def test_no_temperature_is_refused() -> None:
    state, generator = _start(2, 2)
    with pytest.raises(ValueError, match="temperature above 0"):
        _step(_normal, state, LangevinConfig(1, 0.1, 0.0), generator)


def test_as_a_kernel_a_chain_is_its_own_whatever_its_batch() -> None:
    state, _ = _start(8, 2)
    config = LangevinConfig(70, 0.9)
    noise = ChainNoise(3, range(8), 2)
    whole = langevin.run(_normal, state, config, noise=noise, kernel=mala.adjusted(noise))
    alone_noise = ChainNoise(3, [5], 2)
    alone = langevin.run(
        _normal,
        langevin.init(_normal, state.z[5:6]),
        config,
        noise=alone_noise,
        kernel=mala.adjusted(alone_noise),
    )
    assert torch.equal(whole.z[:, 5:6], alone.z)


def test_in_a_trajectory_a_rejected_step_has_no_displacement() -> None:
    state, _ = _start(200, 2)
    noise = ChainNoise(0, range(200), 2)
    kernel = mala.adjusted(noise)
    chain = langevin.run(_normal, state, LangevinConfig(20, 1.2), noise=noise, kernel=kernel)
    rejected = chain.displacement[1:] == 0
    assert 0.02 < rejected.double().mean() < 0.6
    assert torch.equal(rejected, (chain.z[1:] == chain.z[:-1]).all(-1))
    assert (chain.diffusion_norm[1:] > 0).all()


def test_a_chain_that_plain_steps_stopped_does_not_move_again() -> None:
    start, generator = _start(4, 2)
    state = start = replace(start, failed_at=torch.tensor([-1, 0, -1, -1]))
    for _ in range(20):
        state = _step(_normal, state, LangevinConfig(1, 0.1), generator)
    assert (state.z != start.z).any(-1).tolist() == [True, False, True, True]
