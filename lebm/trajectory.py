"""What a chain is and what it leaves behind: `State`, `StepInfo`, `Trajectory`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from lebm.density import LIKELIHOOD, TILT


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
        return torch.stack(list(self.forces.values())).sum(0)


@dataclass(frozen=True, slots=True)
class StepInfo:
    """What one step did, for diagnostics.

    Attributes:
        drift: s ∇_z log π(z), `(n, latent_dim)`.
        diffusion: sqrt(2 s T) ε, `(n, latent_dim)`.
    """

    drift: Tensor
    diffusion: Tensor


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
        """-f_α(z), `(T, n)`: without the Gaussian term. KeyError if the density has no tilt."""
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


class TrajectoryRecorder:
    """Collects states into a `Trajectory`; the first record is the state it is made with."""

    def __init__(self, start: State) -> None:
        self._state = start
        zero = torch.zeros(len(start.z), dtype=start.z.dtype, device=start.z.device)
        self._steps: list[int] = []
        self._rows: list[dict[str, Tensor]] = []
        self._append(start, zero, zero, zero)

    def add(self, before: State, after: State, info: StepInfo) -> None:
        """Record `after`, which a step from `before` reached."""
        displacement = (after.z - before.z).norm(dim=-1)
        drift, diffusion = info.drift.norm(dim=-1), info.diffusion.norm(dim=-1)
        self._append(after, drift, diffusion, displacement)

    def _append(self, state: State, drift: Tensor, diffusion: Tensor, moved: Tensor) -> None:
        self._state = state
        self._steps.append(state.step)
        row = {"z": state.z, "drift": drift, "diffusion": diffusion, "moved": moved}
        row |= {f"term {name}": value for name, value in state.terms.items()}
        row |= {f"force {name}": force.norm(dim=-1) for name, force in state.forces.items()}
        row |= {
            f"cosine {a} {b}": cosine_similarity(state.forces[a], state.forces[b], dim=-1)
            for a, b in combinations(state.forces, 2)
        }
        self._rows.append(row)

    def finish(self) -> Trajectory:
        """All that was recorded."""
        columns = {key: torch.stack([row[key] for row in self._rows]) for key in self._rows[0]}
        return Trajectory(
            steps=torch.tensor(self._steps),
            z=columns["z"],
            terms={name: columns[f"term {name}"] for name in self._state.terms},
            force_norms={name: columns[f"force {name}"] for name in self._state.forces},
            force_cosines={
                (a, b): columns[f"cosine {a} {b}"] for a, b in combinations(self._state.forces, 2)
            },
            drift_norm=columns["drift"],
            diffusion_norm=columns["diffusion"],
            displacement=columns["moved"],
            state=self._state,
        )
