"""Chains far longer than those a model was trained with (Figure 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from app.jobs import Job
from app.studies.chain_run import ChainSettings, decode
from lebm import langevin
from lebm.diagnostics import Snapshot, Verdict, verdict
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from lebm.trajectory import Trajectory

PIECE = 100  # steps between two looks at progress and cancellation
MAX_PICTURES = 40  # of each chain
MEMORY_BUDGET = 256 * 2**20  # bytes of latents that one run may keep


@dataclass(frozen=True, slots=True)
class LongRun:
    """What there is of a long run.

    Attributes:
        model: the model.
        trajectory: every step taken.
        short_step: K_0, the length the model was trained with.
        picture_steps: the steps that were decoded.
        pictures: what they decoded to: uint8 `(P, n, h, w, c)`, or points `(P, n, 2)`.
    """

    model: LatentEBM
    trajectory: Trajectory
    short_step: int
    picture_steps: tuple[int, ...]
    pictures: np.ndarray

    @property
    def last_step(self) -> int:
        """The last step taken."""
        return int(self.trajectory.steps[-1])

    def snapshot(self, step: int) -> Snapshot:
        """The chains at one step."""
        z = self.trajectory.z[step]
        return Snapshot(
            energy=self.trajectory.energy[step],
            norm=z.norm(dim=-1),
            examples=self.model.generate(z),
        )

    @property
    def verdict(self) -> Verdict | None:
        """The chains at the end against the same chains at K_0; None before they are longer."""
        if self.last_step <= self.short_step or self.trajectory.z.shape[1] < 2:
            return None
        return verdict(self.snapshot(self.short_step), self.snapshot(self.last_step))


def max_steps(model: LatentEBM, n_chains: int) -> int:
    """Steps of n chains whose latents fit the memory budget."""
    return MEMORY_BUDGET // (4 * n_chains * model.config.latent_dim)


def run(
    job: Job[LongRun],
    model: LatentEBM,
    settings: ChainSettings,
    short_step: int,
    picture_every: int,
) -> None:
    """Take `settings.n_steps` steps, publishing what there is after every `PIECE`.

    Args:
        job: where to publish; when it is to stop, what there is stays.
        model: the model.
        settings: the chains.
        short_step: K_0, to judge the long run by.
        picture_every: steps between decoded pictures, at least; a run keeps `MAX_PICTURES`.
    """
    density = model.prior_density()
    noise = ChainNoise(settings.seed, range(settings.n_chains), model.config.latent_dim)
    start = langevin.init(density, noise.at(0))
    trajectory = langevin.run(density, start, settings.sampler(0), noise=noise)
    steps, pictures = [0], [decode(model, trajectory.z)]
    n_steps = min(settings.n_steps, max_steps(model, settings.n_chains))
    picture_every = max(picture_every, -(-n_steps // MAX_PICTURES))
    while (taken := trajectory.state.step) < n_steps and not job.should_stop():
        sampler = settings.sampler(min(PIECE, n_steps - taken))
        later = langevin.run(
            density, trajectory.state, sampler, noise=noise, should_stop=job.should_stop
        )
        rows = torch.nonzero(later.steps[1:] % picture_every == 0)[:, 0] + 1
        if len(rows):
            steps += later.steps[rows].tolist()
            pictures.append(decode(model, later.z[rows]))
        trajectory = trajectory.extend(later)
        done = LongRun(model, trajectory, short_step, tuple(steps), np.concatenate(pictures))
        job.publish(done, trajectory.state.step / max(n_steps, 1))
