"""Metropolis-adjusted Langevin (MALA): eq. 9 as a proposal, corrected to be exact.

The plain chain of `lebm.langevin` samples a density that differs from its target by the step
size; accepting or rejecting each step removes the difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lebm.density import LogDensityFn, value_and_force
from lebm.langevin import LangevinConfig, update


@dataclass(frozen=True, slots=True)
class MalaState:
    """Where n chains stand.

    Attributes:
        z: positions, `(n, latent_dim)`.
        value: log density there, `(n,)`.
        force: its gradient, `(n, latent_dim)`.
    """

    z: Tensor
    value: Tensor
    force: Tensor


def init(log_density_fn: LogDensityFn, z: Tensor) -> MalaState:
    """The state of chains that stand at z, `(n, latent_dim)`."""
    return MalaState(z.detach(), *value_and_force(log_density_fn, z))


def step(
    log_density_fn: LogDensityFn,
    state: MalaState,
    config: LangevinConfig,
    *,
    generator: torch.Generator,
) -> tuple[MalaState, Tensor]:
    r"""One step that leaves exp(log density) exactly invariant.

    $$ \log\alpha = \log\pi(z') - \log\pi(z) + \log q(z|z') - \log q(z'|z), \qquad
       \log q(b|a) = -\frac{\|b - a - s\nabla\log\pi(a)\|^2}{4 s} $$

    Args:
        log_density_fn: `(n, latent_dim) -> (n,)`, the function that made `state`.
        state: where the chains stand.
        config: the step size; the temperature must be 1, `n_steps` plays no part.
        generator: source of noise and decisions, on z's device.

    Returns:
        The new state, and which chains moved, `(n,)` bool.

    Raises:
        ValueError: for a temperature other than 1.

    Source: Roberts and Tweedie 1996; Besag 1994.
    """
    if config.temperature != 1:
        raise ValueError(f"MALA needs temperature 1, not {config.temperature}")
    z, s = state.z, config.step_size
    noise = torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)
    proposal = init(log_density_fn, update(z, state.force, noise, config)[0])
    forward = (proposal.z - z - s * state.force).square().sum(-1)
    backward = (z - proposal.z - s * proposal.force).square().sum(-1)
    log_ratio = proposal.value - state.value + (forward - backward) / (4 * s)
    uniform = torch.rand(len(z), generator=generator, device=z.device, dtype=z.dtype)
    moved = uniform.log() < log_ratio  # a NaN never moves
    chosen = moved[:, None]
    new = MalaState(
        z=torch.where(chosen, proposal.z, z),
        value=torch.where(moved, proposal.value, state.value),
        force=torch.where(chosen, proposal.force, state.force),
    )
    return new, moved
