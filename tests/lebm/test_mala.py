from __future__ import annotations

import pytest
import torch

from lebm import mala
from lebm.langevin import LangevinConfig


def _normal(z: torch.Tensor) -> torch.Tensor:
    return -0.5 * z.square().sum(-1)


def test_it_leaves_the_target_exactly_invariant_where_the_plain_chain_does_not() -> None:
    """Started from N(0, I), 20,000 chains keep variance 1 at a step where eq. 9 has 1.33."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(20_000, 1, generator=generator, dtype=torch.float64)
    state, config = mala.init(_normal, z), LangevinConfig(1, 0.5)
    for _ in range(30):
        state, moved = mala.step(_normal, state, config, generator=generator)
    # Standard error of a variance of n independent normals is sqrt(2 / n); 4 of them, P < 1e-4.
    assert abs(state.z.var().item() - 1) < 4 * (2 / 20_000) ** 0.5
    assert abs(state.z.mean().item()) < 4 / 20_000**0.5
    assert 0.7 < moved.double().mean() < 0.999


def test_small_steps_are_nearly_always_accepted() -> None:
    generator = torch.Generator().manual_seed(0)
    state = mala.init(_normal, torch.randn(2000, 3, generator=generator))
    _, moved = mala.step(_normal, state, LangevinConfig(1, 1e-3), generator=generator)
    assert moved.float().mean() > 0.99


def test_a_proposal_without_density_is_never_taken() -> None:
    def half_line(z: torch.Tensor) -> torch.Tensor:
        return torch.where(z[:, 0] > 0, _normal(z), _normal(z) * torch.nan)

    generator = torch.Generator().manual_seed(0)
    state = mala.init(half_line, torch.full((500, 1), 0.1))
    for _ in range(50):
        state, _ = mala.step(half_line, state, LangevinConfig(1, 0.5), generator=generator)
    assert (state.z > 0).all()


def test_the_state_keeps_value_and_force_of_its_place() -> None:
    generator = torch.Generator().manual_seed(0)
    state = mala.init(_normal, torch.randn(50, 2, generator=generator))
    state, _ = mala.step(_normal, state, LangevinConfig(1, 0.8), generator=generator)
    torch.testing.assert_close(state.value, _normal(state.z))
    torch.testing.assert_close(state.force, -state.z)


def test_temperatures_other_than_one_are_refused() -> None:
    state = mala.init(_normal, torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"temperature 1, not 0\.5"):
        mala.step(_normal, state, LangevinConfig(1, 0.1, 0.5), generator=torch.Generator())
