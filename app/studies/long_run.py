"""Chains far longer than those a model was trained with (Figure 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from app.jobs import Job
from app.studies.chain_run import ChainSettings, decode
from lebm import langevin
from lebm.diagnostics import (
    DIVERGED,
    MIN_DRAWS,
    Mixing,
    Snapshot,
    Verdict,
    autocorrelation,
    leading_directions,
    mixing,
    verdict,
)
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from lebm.trajectory import Trajectory

PIECE = 100  # steps between two looks at progress and cancellation
MAX_PICTURES = 40  # of each chain
MEMORY_BUDGET = 256 * 2**20  # bytes of latents that one run may keep
_MAX_LAG = 400


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a finished run amounts to, by the chains that were not stopped.

    Attributes:
        verdict: the end against K_0; None for one chain, or before the run is longer than K_0.
        mixing: convergence after K_0 of the energy and of leading directions, by name; empty
            with fewer than `MIN_DRAWS` steps, of which it says nothing, and of diverged chains.
        autocorrelation: of the same quantities, lags 0 to 400.
    """

    verdict: Verdict | None
    mixing: dict[str, Mixing]
    autocorrelation: dict[str, np.ndarray]

    @property
    def diverged(self) -> bool:
        """Whether fewer than two chains are left to judge by."""
        return self.verdict is not None and self.verdict.word == "diverged"


@dataclass(frozen=True, slots=True)
class LongRun:
    """What there is of a long run.

    Attributes:
        model: the model.
        trajectory: every step taken.
        short_step: K_0, the length the model was trained with.
        picture_steps: the steps that were decoded; of a whole run, the first and the last too.
        pictures: what they decoded to: uint8 `(P, n, h, w, c)`, or points `(P, n, 2)`; nothing,
            `(P, n, 0)`, for sentences, which are read when they are shown.
        judgement: what it amounts to, once it has ended.
    """

    model: LatentEBM
    trajectory: Trajectory
    short_step: int
    picture_steps: tuple[int, ...]
    pictures: np.ndarray
    judgement: Judgement | None = None

    @property
    def last_step(self) -> int:
        """The last step taken."""
        return int(self.trajectory.steps[-1])

    def snapshot(self, step: int) -> Snapshot:
        """The chains at one step, without those that were stopped on the way."""
        z = self.trajectory.z[step, self._running]
        return Snapshot(
            energy=self.trajectory.energy[step, self._running],
            norm=z.norm(dim=-1),
            examples=self.model.generate(z),
        )

    def judge(self) -> Judgement:
        """Compare the same chains at K_0 and at the end, and look at what lies between."""
        scalars = self._scalars()
        return Judgement(
            self._verdict(),
            {name: mixing(values) for name, values in scalars.items()},
            {name: autocorrelation(values, _MAX_LAG) for name, values in scalars.items()},
        )

    @property
    def _running(self) -> Tensor:
        """The chains that were not stopped, as a mask `(n,)`."""
        return self.trajectory.state.failed_at < 0

    @property
    def _diverged(self) -> bool:
        """Whether so many chains were stopped that no two are left to compare."""
        return bool(self.trajectory.failures) and int(self._running.sum()) < 2

    def _verdict(self) -> Verdict | None:
        if self._diverged:
            return DIVERGED
        if self.last_step <= self.short_step or self.trajectory.z.shape[1] < 2:
            return None
        return verdict(self.snapshot(self.short_step), self.snapshot(self.last_step))

    def _scalars(self) -> dict[str, Tensor]:
        """Quantities along the chains after K_0, `(draws, n)`; none if there are too few draws."""
        t, rows = self.trajectory, slice(self.short_step, None)
        energy, z = t.energy[rows, self._running], t.z[rows, self._running]
        if len(energy) < MIN_DRAWS or self._diverged:
            return {}
        leading = leading_directions(z, min(3, z.shape[-1])).unbind(-1)
        return {"energy": energy} | {f"direction {i}": d for i, d in enumerate(leading, 1)}


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
    """Take `settings.n_steps` steps, publishing what there is after every `PIECE`; then judge.

    Args:
        job: where to publish; when it is to stop, what there is stays.
        model: the model.
        settings: the chains.
        short_step: K_0, to judge the long run by.
        picture_every: steps between decoded pictures, at least: a run keeps `MAX_PICTURES` of
            them, and that of the last step.
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
        shown = (later.steps % picture_every == 0) | (later.steps == n_steps)
        rows = torch.nonzero(shown[1:])[:, 0] + 1
        if len(rows):
            steps += later.steps[rows].tolist()
            pictures.append(decode(model, later.z[rows]))
        trajectory = trajectory.extend(later)
        done = LongRun(model, trajectory, short_step, tuple(steps), np.concatenate(pictures))
        job.publish(done, trajectory.state.step / max(n_steps, 1))
    if job.latest is not None:
        job.publish(replace(job.latest, judgement=job.latest.judge()), 1.0)
