"""What a chain is and what it leaves behind: `State`, `StepInfo`, `Trajectory`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from lebm.density import LIKELIHOOD, TILT, total

RECORDS_AT_ONCE = 64  # records whose norms are computed together


@dataclass(frozen=True, slots=True)
class State:
    """Where n chains stand: all that the next step needs.

    Attributes:
        step: k, the number of steps taken so far.
        z: positions, `(n, latent_dim)`.
        terms: name -> value of that term of the log density at z, `(n,)`.
        forces: name -> its gradient at z, `(n, latent_dim)`; s times their sum is the drift.
        failed_at: the step at which a chain diverged and was stopped, -1 while it runs, `(n,)`.
        escaped: whether it left the radius (rather than became NaN or infinite), `(n,)`.
    """

    step: int
    z: Tensor
    terms: dict[str, Tensor]
    forces: dict[str, Tensor]
    failed_at: Tensor
    escaped: Tensor

    @property
    def force(self) -> Tensor:
        """∇_z log π(z), `(n, latent_dim)`: the sum of the terms' forces."""
        return total(self.forces.values())


@dataclass(frozen=True, slots=True)
class StepInfo:
    """What one step was made of, for diagnostics.

    Attributes:
        force: ∇_z log π(z) where the step began, `(n, latent_dim)`.
        noise: ε, `(n, latent_dim)`.
        step_size: s.
        noise_scale: sqrt(2 s T).
    """

    force: Tensor
    noise: Tensor
    step_size: float
    noise_scale: float

    @property
    def drift(self) -> Tensor:
        """s ∇_z log π(z), `(n, latent_dim)`."""
        return self.step_size * self.force

    @property
    def diffusion(self) -> Tensor:
        """sqrt(2 s T) ε, `(n, latent_dim)`."""
        return self.noise_scale * self.noise


@dataclass(frozen=True, slots=True)
class ChainFailure:
    """A chain that diverged: which (its row in the batch), at what step, and how."""

    chain: int
    step: int
    reason: Literal["became NaN or infinite", "left the radius"]

    def __str__(self) -> str:
        return f"chain {self.chain} {self.reason} at step {self.step}"


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The recorded steps of n chains; T records, the first of them the start.

    Attributes:
        steps: the step number of each record, `(T,)`.
        z: positions, `(T, n, latent_dim)`.
        terms: name -> value of that term of the log density, `(T, n)`.
        force_norms: name -> ‖its gradient‖ at z, `(T, n)`.
        force_cosines: pair of names -> the cosine between their forces at z, `(T, n)`; 0 where
            one of them is 0.
        drift_norm: ‖s ∇ log π‖ of the step that arrived here, `(T, n)`; 0 in the first record.
        diffusion_norm: ‖sqrt(2 s T) ε‖ of that step, `(T, n)`; 0 in the first record.
        displacement: ‖z_k - z_{k-1}‖ of that step, `(T, n)`; 0 in the first record.
        state: where the chains stand now; `langevin.run` goes on from it.
    """

    steps: Tensor
    z: Tensor
    terms: dict[str, Tensor]
    force_norms: dict[str, Tensor]
    force_cosines: dict[tuple[str, str], Tensor]
    drift_norm: Tensor
    diffusion_norm: Tensor
    displacement: Tensor
    state: State

    @property
    def energy(self) -> Tensor:
        """-f_α(z), `(T, n)`: without the Gaussian term; -λ f_α(z) of chains that climb p_λ.

        KeyError if the density has no tilt.
        """
        return -self.terms[TILT]

    @property
    def half_sq_norm(self) -> Tensor:
        """½‖z‖², `(T, n)`: -log p_0(z) up to a constant."""
        return 0.5 * self.z.square().sum(-1)

    @property
    def log_likelihood(self) -> Tensor:
        """log p_β(x|z), `(T, n)`, for posterior chains. KeyError for prior chains."""
        return self.terms[LIKELIHOOD]

    @property
    def failures(self) -> tuple[ChainFailure, ...]:
        """The chains that diverged, in order of chain."""
        state = self.state
        chains = torch.nonzero(state.failed_at >= 0)[:, 0].tolist()
        return tuple(
            ChainFailure(
                chain=i,
                step=int(state.failed_at[i]),
                reason="left the radius" if state.escaped[i] else "became NaN or infinite",
            )
            for i in chains
        )

    def extend(self, later: Trajectory) -> Trajectory:
        """This trajectory followed by one that began at its end.

        Raises:
            ValueError: if `later` does not begin where this one ends.
        """
        same_place = torch.allclose(later.z[0], self.z[-1], rtol=0, atol=0, equal_nan=True)
        if int(later.steps[0]) != int(self.steps[-1]) or not same_place:
            raise ValueError(
                f"the later trajectory starts at step {int(later.steps[0])}, "
                f"this one ends at step {int(self.steps[-1])} or at other points"
            )

        def join(a: Tensor, b: Tensor) -> Tensor:
            return torch.cat([a, b[1:]])

        joined: dict[str, Any] = {}
        for field in fields(self):
            a, b = getattr(self, field.name), getattr(later, field.name)
            if isinstance(a, dict):
                joined[field.name] = {name: join(a[name], b[name]) for name in a}
            else:
                joined[field.name] = join(a, b) if isinstance(a, Tensor) else b
        return Trajectory(**joined)

    def cut(self, state: State) -> Trajectory:
        """The records up to the step of `state`, which `langevin.run` may go on from.

        Args:
            state: where the chains stood then, from `langevin.init` at that record's z.

        Raises:
            ValueError: if that step is not among the records.
        """
        rows = torch.nonzero(self.steps == state.step)[:, 0]
        if len(rows) == 0:
            raise ValueError(f"step {state.step} is not among the records")
        kept = slice(int(rows[0]) + 1)
        parts: dict[str, Any] = {}
        for field in fields(self):
            part = getattr(self, field.name)
            if isinstance(part, dict):
                parts[field.name] = {name: values[kept] for name, values in part.items()}
            elif isinstance(part, Tensor):
                parts[field.name] = part[kept]
        return Trajectory(**parts, state=state)


class TrajectoryRecorder:
    """Collects states into a `Trajectory`; the first record is the state it is made with.

    Norms and cosines are computed for many records at once, which costs a tenth of as many
    computations one by one.
    """

    def __init__(self, start: State) -> None:
        self._last = start
        self._waiting: list[tuple[State, State, StepInfo]] = []
        self._steps = [start.step]
        zero = torch.zeros_like(start.z[None, :, 0])
        columns = {"drift": zero, "diffusion": zero, "moved": zero}
        self._blocks = [_columns([start]) | columns]

    def add(self, before: State, after: State, info: StepInfo) -> None:
        """Record `after`, which a step from `before` reached."""
        self._steps.append(after.step)
        self._waiting.append((before, after, info))
        if len(self._waiting) >= RECORDS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        before, after, infos = zip(*self._waiting, strict=True)
        columns = _columns(after)
        drift, diffusion = (
            torch.stack([getattr(info, name) for info in infos]).norm(dim=-1)
            for name in ("drift", "diffusion")
        )
        moved = (columns["z"] - torch.stack([state.z for state in before])).norm(dim=-1)
        self._blocks.append(columns | {"drift": drift, "diffusion": diffusion, "moved": moved})
        self._last = after[-1]
        self._waiting.clear()

    def finish(self) -> Trajectory:
        """All that was recorded."""
        if self._waiting:
            self._flush()
        columns = {
            key: torch.cat([block[key] for block in self._blocks]) for key in self._blocks[0]
        }
        names = self._last.terms
        return Trajectory(
            steps=torch.tensor(self._steps),
            z=columns["z"],
            terms={name: columns[f"term {name}"] for name in names},
            force_norms={name: columns[f"force {name}"] for name in names},
            force_cosines={(a, b): columns[f"cosine {a} {b}"] for a, b in combinations(names, 2)},
            drift_norm=columns["drift"],
            diffusion_norm=columns["diffusion"],
            displacement=columns["moved"],
            state=self._last,
        )


def _columns(states: Sequence[State]) -> dict[str, Tensor]:
    """Positions `(T, n, latent_dim)`, terms, norms and cosines of forces `(T, n)` of T states."""
    names = list(states[0].terms)
    columns = {"z": torch.stack([state.z for state in states])}
    columns |= {f"term {k}": torch.stack([state.terms[k] for state in states]) for k in names}
    forces = {k: torch.stack([state.forces[k] for state in states]) for k in names}
    columns |= {f"force {name}": force.norm(dim=-1) for name, force in forces.items()}
    columns |= {
        f"cosine {a} {b}": cosine_similarity(forces[a], forces[b], dim=-1)
        for a, b in combinations(names, 2)
    }
    return columns
