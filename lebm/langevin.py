"""Langevin dynamics, Pang et al. 2020, eq. 9, over any log density.

    z_{k+1} = z_k + s ∇_z log π(z_k) + sqrt(2 s) ε_k,     ε_k ~ N(0, I)

`update` is that line. `sample` repeats it and keeps the end (what learning needs); `init`, `step`
and `run` also keep the terms, forces and failures of every chain (what a person needs).

Papers and public code often write the step as z + (δ²/2) ∇ + δ ε; then s = δ²/2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm.density import LogDensity, LogDensityFn, as_terms, value_and_force
from lebm.fused import PriorDensity, Steps
from lebm.noise import ChainNoise, drawn
from lebm.trajectory import State, StepInfo, Trajectory, TrajectoryRecorder

#: (log density, state, ε, settings) -> (next state, what the step was made of).
Kernel = Callable[[LogDensityFn, State, Tensor, "LangevinConfig"], tuple[State, StepInfo]]

_Step = tuple[State, State, StepInfo]  # before, after, what led from one to the other
_NUMBERS_AT_ONCE = 2**17  # of one tensor over the steps of a piece; half a megabyte


@dataclass(frozen=True, slots=True)
class LangevinConfig:
    """Settings of a Langevin chain."""

    n_steps: int
    """K, the number of steps; at least 0."""
    step_size: float
    """s in z + s·gradient + sqrt(2 s)·noise; equals δ²/2 where a paper states δ. Above 0."""
    temperature: float = 1.0
    """T in sqrt(2 s T)·noise: 1 samples the density, 0 leaves the drift alone. At least 0."""
    max_radius: float = 100.0
    """A chain with ‖z‖ beyond this has diverged: it is stopped and reported. Above 0."""

    def __post_init__(self) -> None:
        if self.n_steps < 0:
            raise ValueError(f"n_steps must be at least 0, not {self.n_steps}")
        if not (math.isfinite(self.step_size) and self.step_size > 0):
            raise ValueError(f"step_size must be above 0, not {self.step_size}")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature must be at least 0, not {self.temperature}")
        if not (math.isfinite(self.max_radius) and self.max_radius > 0):
            raise ValueError(f"max_radius must be above 0 and finite, not {self.max_radius}")

    @property
    def noise_scale(self) -> float:
        """sqrt(2 s T), what ε is multiplied by."""
        return math.sqrt(2 * self.step_size * self.temperature)


def update(
    z: Tensor, force: Tensor, noise: Tensor, config: LangevinConfig
) -> tuple[Tensor, StepInfo]:
    """One Langevin step, eq. 9, and what it was made of; all tensors `(n, latent_dim)`.

    The only place where the arithmetic stands, but for the fused prior chain of `lebm.fused`,
    which is tested against it. Never changes its arguments.
    """
    s, scale = config.step_size, config.noise_scale
    return torch.add(z, force, alpha=s).add_(noise, alpha=scale), StepInfo(force, noise, s, scale)


@torch.no_grad()
def sample(
    log_density_fn: LogDensityFn, z: Tensor, config: LangevinConfig, *, generator: torch.Generator
) -> Tensor:
    """z_K after K steps from z, `(n, latent_dim)`, detached: the short run of Algorithm 1.

    Args:
        log_density_fn: `(n, latent_dim) -> (n,)`, up to a constant.
        z: start points, `(n, latent_dim)`; left as they are.
        config: steps, step size, temperature. `max_radius` is not applied here.
        generator: source of the noise, on z's device; drawn for many steps at once.
    """
    z, take = z.detach(), _steps(as_terms(log_density_fn), z, config)
    n, mine = drawn(len(z), generator)
    longest = _longest_piece(n * z.shape[1])
    for first in range(0, config.n_steps, longest):
        shape = (min(longest, config.n_steps - first), n, z.shape[1])
        noise = torch.randn(shape, generator=generator, device=z.device, dtype=z.dtype)
        z = take(z, noise[:, mine])
    return z


def _steps(density: LogDensity, z: Tensor, config: LangevinConfig) -> Steps:
    """How `sample` takes steps: fused where the density can, else one `update` after another."""
    if isinstance(density, PriorDensity):
        return density.steps(z, config.step_size, config.noise_scale)

    def take(z: Tensor, noise: Tensor) -> Tensor:
        for epsilon in noise:
            z, _ = update(z, density.force(z), epsilon, config)
        return z

    return take


def _longest_piece(n_numbers: int) -> int:
    """Steps that are worth taking together: many of few chains, few of many."""
    return max(1, min(64, _NUMBERS_AT_ONCE // max(n_numbers, 1)))


def init(log_density_fn: LogDensityFn, z: Tensor, at_step: int = 0) -> State:
    """The state of chains that stand at z, `(n, latent_dim)`, after `at_step` steps."""
    terms, forces = evaluate(log_density_fn, z)
    return State(
        step=at_step,
        z=z.detach().clone(),
        terms=terms,
        forces=forces,
        failed_at=torch.full((len(z),), -1, device=z.device),
        escaped=torch.zeros(len(z), dtype=torch.bool, device=z.device),
    )


def step(
    log_density_fn: LogDensityFn, state: State, noise: Tensor, config: LangevinConfig
) -> tuple[State, StepInfo]:
    """One step of every running chain; `config.n_steps` plays no part.

    A chain that would reach a place that is NaN or infinite, has no finite log density, or lies
    beyond `config.max_radius`, stays where it last was and is marked in the new state; the other
    chains go on.

    Args:
        log_density_fn: `(n, latent_dim) -> (n,)`, the function that made `state`.
        state: where the chains stand.
        noise: ε, `(n, latent_dim)`.
        config: step size, temperature and radius.
    """
    running = (state.failed_at < 0)[:, None]
    force, noise = (torch.where(running, t, 0.0) for t in (state.force, noise))
    proposal, info = update(state.z, force, noise, config)
    finite = torch.isfinite(proposal).all(-1)
    inside = proposal.norm(dim=-1) <= config.max_radius
    terms, forces = evaluate(
        log_density_fn, torch.where((finite & inside)[:, None], proposal, state.z)
    )
    finite &= torch.stack(list(terms.values())).isfinite().all(0)
    moves = running[:, 0] & finite & inside
    fails = running[:, 0] & ~moves
    new = State(
        step=state.step + 1,
        z=torch.where(moves[:, None], proposal, state.z),
        terms={name: torch.where(moves, terms[name], old) for name, old in state.terms.items()},
        forces={
            name: torch.where(moves[:, None], forces[name], old)
            for name, old in state.forces.items()
        },
        failed_at=torch.where(fails, state.step + 1, state.failed_at),
        escaped=state.escaped | (fails & finite),
    )
    return new, info


def run(
    log_density_fn: LogDensityFn,
    state: State,
    config: LangevinConfig,
    *,
    noise: ChainNoise,
    kernel: Kernel | None = None,
    thin: int = 1,
    callback: Callable[[State], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Trajectory:
    """`config.n_steps` more steps from `state`, recorded.

    Args:
        log_density_fn: `(n, latent_dim) -> (n,)`; as a `LogDensity`, its terms are recorded.
        state: from `init`, or the `state` of an earlier trajectory, which this one continues.
        config: the chain's settings.
        noise: the chains' own noise; step k of a chain uses `noise.at(k)`, so that a run cut
            into pieces is the same run.
        kernel: what takes a step; None is `step`, the plain chain of eq. 9.
        thin: record the steps that `thin` divides, and always the first and the last.
        callback: called with the state after each step.
        should_stop: asked before each step; True ends the run and keeps what there is.

    Returns:
        The trajectory, whose first record is `state` itself.

    Raises:
        ValueError: if `thin` is below 1 or the noise is for another number of chains.
    """
    if thin < 1:
        raise ValueError(f"thin must be at least 1, not {thin}")
    if len(noise.chains) != len(state.z):
        raise ValueError(f"noise is for {len(noise.chains)} chains, the state has {len(state.z)}")
    recorder = TrajectoryRecorder(state)
    walk = _Walk(as_terms(log_density_fn), config, noise, kernel, should_stop or (lambda: False))
    pending = None
    for pending in walk.steps(state, longest=1 if callback else _longest_piece(state.z.numel())):
        _, after, _ = pending
        if after.step % thin == 0:
            recorder.add(*pending)
            pending = None
        if callback is not None:
            callback(after)
    if pending is not None:
        recorder.add(*pending)
    return recorder.finish()


@dataclass(frozen=True, slots=True)
class _Walk:
    """How the steps of a run are taken.

    Steps of the plain chain are taken in pieces without a look at each chain; where that finds
    a chain that should have been stopped, the piece is taken again by `step`, which stops it.
    The result is that of `step` alone, at half its price.
    """

    density: LogDensity
    config: LangevinConfig
    noise: ChainNoise
    kernel: Kernel | None
    should_stop: Callable[[], bool]

    def steps(self, state: State, longest: int) -> Iterator[_Step]:
        """The run's steps from `state`, in pieces of at most `longest`."""
        end = state.step + self.config.n_steps
        while state.step < end:
            n_steps = min(longest, end - state.step)
            piece = self._take(self.kernel or _unguarded, state, n_steps, self.should_stop)
            if self.kernel is None and not self._all_run(piece):
                piece = self._take(step, state, len(piece), lambda: False)
            yield from piece
            if len(piece) < n_steps:
                return
            _, state, _ = piece[-1]

    @torch.no_grad()
    def _take(
        self, kernel: Kernel, state: State, n_steps: int, should_stop: Callable[[], bool]
    ) -> list[_Step]:
        piece: list[_Step] = []
        while len(piece) < n_steps and not should_stop():
            epsilon = self.noise.at(state.step + 1).to(state.z)
            after, info = kernel(self.density, state, epsilon, self.config)
            piece.append((state, after, info))
            state = after
        return piece

    def _all_run(self, piece: list[_Step]) -> bool:
        """Whether no chain had failed before or should have been stopped on the way."""
        if not piece:
            return True
        states = [after for _, after, _ in piece]
        inside = torch.stack([s.z for s in states]).norm(dim=-1) <= self.config.max_radius
        finite = torch.stack([t for s in states for t in s.terms.values()]).isfinite()
        return bool(inside.all() & finite.all() & (states[0].failed_at < 0).all())


def _unguarded(
    log_density_fn: LogDensityFn, state: State, noise: Tensor, config: LangevinConfig
) -> tuple[State, StepInfo]:
    """`step` for chains none of which fails."""
    z, info = update(state.z, state.force, noise, config)
    terms, forces = evaluate(log_density_fn, z)
    return State(state.step + 1, z, terms, forces, state.failed_at, state.escaped), info


def evaluate(
    log_density_fn: LogDensityFn, z: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Every term `(n,)` and its force `(n, latent_dim)` at z `(n, latent_dim)`, by name."""
    pairs = {name: value_and_force(t, z) for name, t in as_terms(log_density_fn).terms.items()}
    return {n: v for n, (v, _) in pairs.items()}, {n: f for n, (_, f) in pairs.items()}
