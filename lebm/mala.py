"""Metropolis-adjusted Langevin (MALA): eq. 9 as a proposal, corrected to be exact.

The plain chain of `lebm.langevin` samples a density that differs from its target by the step
size; accepting or rejecting each step removes the difference.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lebm.density import LogDensityFn
from lebm.langevin import Kernel, LangevinConfig, evaluate, update
from lebm.noise import ChainNoise
from lebm.trajectory import State, StepInfo


def step(
    log_density_fn: LogDensityFn,
    state: State,
    noise: Tensor,
    uniform: Tensor,
    config: LangevinConfig,
) -> tuple[State, StepInfo]:
    r"""One step that leaves π^(1/T), at T = 1 the density itself, exactly invariant.

    $$ \log\alpha = \frac{\log\pi(z') - \log\pi(z)}{T} + \log q(z|z') - \log q(z'|z), \qquad
       \log q(b|a) = -\frac{\|b - a - s\nabla\log\pi(a)\|^2}{4 s T} $$

    A proposal that is rejected leaves its chain exactly where it was; one without a finite
    density always is, so no chain diverges and `config.max_radius` plays no part.

    Args:
        log_density_fn: `(n, latent_dim) -> (n,)`, the function that made `state`.
        state: where the chains stand, from `langevin.init`.
        noise: ε, `(n, latent_dim)`.
        uniform: decides, from [0, 1), `(n,)`.
        config: step size and temperature.

    Returns:
        The new state, and what was proposed.

    Raises:
        ValueError: for a temperature of 0, which leaves nothing to sample.

    Source: Roberts and Tweedie 1996; Besag 1994.
    """
    if config.temperature == 0:
        raise ValueError("MALA needs a temperature above 0")
    s, z = config.step_size, state.z
    proposal, info = update(z, state.force, noise, config)
    terms, forces = evaluate(log_density_fn, proposal)
    force = torch.stack(list(forces.values())).sum(0)
    forward = (proposal - z - s * state.force).square().sum(-1)
    backward = (z - proposal - s * force).square().sum(-1)
    gain = torch.stack([terms[name] - old for name, old in state.terms.items()]).sum(0)
    log_ratio = (gain + (forward - backward) / (4 * s)) / config.temperature
    running = state.failed_at < 0  # plain steps before these may have stopped a chain
    moved = running & (uniform.log() < log_ratio)  # a NaN never moves
    new = State(
        step=state.step + 1,
        z=torch.where(moved[:, None], proposal, z),
        terms={name: torch.where(moved, terms[name], old) for name, old in state.terms.items()},
        forces={
            name: torch.where(moved[:, None], forces[name], old)
            for name, old in state.forces.items()
        },
        failed_at=state.failed_at,
        escaped=state.escaped,
    )
    return new, info


def adjusted(noise: ChainNoise) -> Kernel:
    """The kernel for `langevin.run` that decides by the chains' own uniform numbers.

    In the trajectory a rejected step has displacement 0, an accepted one has not.
    """

    def kernel(
        log_density_fn: LogDensityFn, state: State, epsilon: Tensor, config: LangevinConfig
    ) -> tuple[State, StepInfo]:
        uniform = noise.uniform_at(state.step + 1).to(state.z)
        return step(log_density_fn, state, epsilon, uniform, config)

    return kernel
