"""One prior at many ages: the same chains, from the same noise, under each checkpoint of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.jobs import Job
from app.studies.chain_run import ChainSettings, decode, prior_density_picture, undrawable
from app.studies.tilt import Frame
from lebm import checkpoint, langevin
from lebm.noise import ChainNoise

MAX_STAGES = 40  # checkpoints looked at, evenly spread over the run


@dataclass(frozen=True, slots=True)
class Stage:
    """The chains under one checkpoint.

    Attributes:
        step: its training iteration.
        start_energy: -f(z) of the noise, `(n,)`.
        energy: -f(z) at the chains' ends, `(n,)`.
        half_sq_norm: ½‖z‖² there, `(n,)`.
        z: the ends, `(n, latent_dim)`.
        examples: what they decode to: uint8 `(n, h, w, c)`, or points `(n, 2)`.
        density: for a latent plane, the exact p_α as `prior_density_picture` gives it.
        failures: sentences about chains that diverged, by chain.
    """

    step: int
    start_energy: np.ndarray
    energy: np.ndarray
    half_sq_norm: np.ndarray
    z: Tensor
    examples: np.ndarray
    density: np.ndarray | None
    failures: dict[int, str]


@dataclass(frozen=True, slots=True)
class TimeMachine:
    """The stages that there are so far, oldest first, in one frame.

    Attributes:
        start: the noise that every stage starts from, `(n, latent_dim)`.
        frame: fitted to it and to the last stage.
        stages: at least one.
        skipped: sentences about checkpoints that cannot be used.
    """

    start: Tensor
    frame: Frame
    stages: tuple[Stage, ...]
    skipped: tuple[str, ...] = ()

    def with_stage(self, stage: Stage) -> TimeMachine:
        """One more stage, put where it belongs."""
        return replace(self, stages=tuple(sorted([*self.stages, stage], key=lambda s: s.step)))

    @property
    def steps(self) -> np.ndarray:
        """The stages' training iterations, `(T,)`."""
        return np.array([stage.step for stage in self.stages])

    def energies(self) -> tuple[np.ndarray, np.ndarray]:
        """At the chains' starts and ends, each `(T, n)`."""
        starts = np.stack([stage.start_energy for stage in self.stages])
        return starts, np.stack([stage.energy for stage in self.stages])


def chosen(checkpoints: list[Path]) -> list[Path]:
    """At most `MAX_STAGES` of them, evenly spread, the first and the last among them."""
    n = len(checkpoints)
    rows = np.unique(np.linspace(0, n - 1, min(n, MAX_STAGES)).round().astype(int))
    return [checkpoints[i] for i in rows]


def build(job: Job[TimeMachine], checkpoints: list[Path], settings: ChainSettings) -> None:
    """Run the chains under each checkpoint, the last one first, and publish as it goes.

    Args:
        job: where to publish; when it is to stop, what there is stays.
        checkpoints: of one run, oldest first; one that cannot be used is passed over.
        settings: the chains.
    """
    machine: TimeMachine | None = None
    skipped: list[str] = []
    for done, path in enumerate([checkpoints[-1], *checkpoints[:-1]], start=1):
        if job.should_stop():
            return
        try:
            stage = _stage(path, settings)
        except ValueError as error:
            skipped.append(str(error))
        else:
            machine = machine.with_stage(stage) if machine else _first(stage, settings)
        if machine is not None:
            job.publish(replace(machine, skipped=tuple(skipped)), done / len(checkpoints))
    if machine is None:
        raise ValueError(skipped[0])


def _first(stage: Stage, settings: ChainSettings) -> TimeMachine:
    noise = ChainNoise(settings.seed, range(settings.n_chains), stage.z.shape[1])
    start = noise.at(0)
    sound = stage.z[torch.isfinite(stage.z).all(1)]
    return TimeMachine(start, Frame.fit(torch.cat([start, sound])), (stage,))


def _stage(path: Path, settings: ChainSettings) -> Stage:
    try:
        return _cached_stage(path, path.stat().st_mtime_ns, settings)
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from error
    except checkpoint.CheckpointError as error:
        raise ValueError(str(error)) from error


@lru_cache(maxsize=4 * MAX_STAGES)  # one stage is its chains' pictures, below a megabyte
def _cached_stage(path: Path, version: int, settings: ChainSettings) -> Stage:
    model, _ = checkpoint.load(path)
    if (reason := undrawable(model)) is not None:
        raise ValueError(f"{path.name} cannot be shown: {reason}")
    density = model.prior_density()
    noise = ChainNoise(settings.seed, range(settings.n_chains), model.config.latent_dim)
    state = langevin.init(density, noise.at(0))
    t = langevin.run(density, state, settings.sampler(settings.n_steps), noise=noise)
    return Stage(
        step=int(path.stem.removeprefix("step-")),
        start_energy=t.energy[0].numpy(),
        energy=t.energy[-1].numpy(),
        half_sq_norm=t.half_sq_norm[-1].numpy(),
        z=t.z[-1].clone(),
        examples=decode(model, t.z[-1:])[0],
        density=prior_density_picture(model) if len(model.config.data_shape) == 1 else None,
        failures={failure.chain: str(failure) for failure in t.failures},
    )
