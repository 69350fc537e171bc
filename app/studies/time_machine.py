"""One prior at many ages: the same chains, from the same noise, under each checkpoint of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from torch import Tensor

from app.jobs import Job
from app.player.payload import Failure, Track
from app.studies import tracks
from app.studies.chain_run import ChainSettings, decode, undrawable
from app.studies.frame import LatentPlane, exact_density, smoothed_density
from app.studies.sentence_chains import read
from lebm import checkpoint, langevin
from lebm.noise import ChainNoise

MAX_STAGES = 40  # checkpoints looked at, evenly spread over the run
_SHADED = 256  # chains behind the smoothed density of a prior that is not in the plane


@dataclass(frozen=True, slots=True)
class Stage:
    """The chains under one checkpoint.

    Attributes:
        step: its training iteration.
        start_energy: -f(z) of the noise, `(n,)`.
        curves: of the chains' ends, name -> `(n,)`.
        examples: what the ends decode to: uint8 `(n, h, w, c)`, points `(n, 2)`, or sentences
            `(n,)`.
        z: the ends of these chains and of some more, `(m, latent_dim)`.
        density: for a latent plane the exact one, uint8 `(side, side)`.
        failures: sentences about chains that diverged, by chain.
    """

    step: int
    start_energy: np.ndarray
    curves: dict[str, np.ndarray]
    examples: np.ndarray
    z: Tensor
    density: np.ndarray | None
    failures: dict[int, str]


@dataclass(frozen=True, slots=True)
class TimeMachine:
    """The stages of a run.

    Attributes:
        id: names the run's checkpoints and the chains' settings.
        plane: of the last checkpoint, in which all stages are drawn.
        n_steps: taken by every chain.
        stages: oldest first, at least one.
        skipped: sentences about checkpoints that cannot be used.
    """

    id: str
    plane: LatentPlane
    n_steps: int
    stages: tuple[Stage, ...]
    skipped: tuple[str, ...] = ()

    @property
    def steps(self) -> np.ndarray:
        """The stages' training iterations, `(T,)`."""
        return np.array([stage.step for stage in self.stages])

    def energies(self) -> tuple[np.ndarray, np.ndarray]:
        """-f(z) at the chains' starts and at their ends, each `(T, n)`."""
        starts = np.stack([stage.start_energy for stage in self.stages])
        return starts, np.stack([stage.curves["energy"] for stage in self.stages])

    @property
    def _caption(self) -> str:
        """What the shade is: a plane's is exact, any other that of the chains shown."""
        if self.stages[0].density is not None:
            return self.plane.backdrop.caption
        return self.plane.frame.caption(self.n_steps)

    def track(self) -> Track:
        """The stages as the player shows them, one a record."""
        frame, backdrop = self.plane.frame, self.plane.backdrop
        latents = [frame.transform(stage.z) for stage in self.stages]
        n = len(self.stages[0].examples)
        shades = [
            _shade(points, backdrop.extent) if stage.density is None else stage.density
            for stage, points in zip(self.stages, latents, strict=True)
        ]
        failures = tuple(
            Failure(chain, i, i, f"{sentence} (iteration {stage.step:,})")
            for i, stage in enumerate(self.stages)
            for chain, sentence in stage.failures.items()
        )
        return Track(
            id=self.id,
            title="",
            steps=self.steps,
            curves={
                name: np.stack([stage.curves[name] for stage in self.stages])
                for name in self.stages[0].curves
            },
            examples=np.stack([stage.examples for stage in self.stages]),
            latents=np.stack(latents)[:, :n],
            backdrop=replace(backdrop, density=np.stack(shades), caption=self._caption),
            arrows={},
            failures=failures,
            limit=len(self.stages) - 1,
        )


def chosen(checkpoints: list[Path]) -> list[Path]:
    """At most `MAX_STAGES` of them, evenly spread, the first and the last among them."""
    n = len(checkpoints)
    rows = np.unique(np.linspace(0, n - 1, min(n, MAX_STAGES)).round().astype(int))
    return [checkpoints[i] for i in rows]


def build(
    job: Job[TimeMachine],
    machine_id: str,
    checkpoints: list[Path],
    plane: LatentPlane,
    settings: ChainSettings,
) -> None:
    """Run the chains under each checkpoint, publishing as it goes.

    Args:
        job: where to publish; when it is to stop, what there is stays.
        machine_id: names all that follows.
        checkpoints: of one run, oldest first; one that cannot be used is passed over.
        plane: of the last of them.
        settings: the chains.

    Raises:
        ValueError: if none can be used.
    """
    stages: list[Stage] = []
    skipped: list[str] = []
    for done, path in enumerate(checkpoints, start=1):
        if job.should_stop():
            return
        try:
            stages.append(_stage(path, path.stat().st_mtime_ns, settings))
        except OSError as error:
            skipped.append(f"{path.name} cannot be read: {error.strerror}")
        except checkpoint.CheckpointError as error:
            skipped.append(str(error))
        if stages:
            machine = TimeMachine(
                machine_id, plane, settings.n_steps, tuple(stages), tuple(skipped)
            )
            job.publish(machine, done / len(checkpoints))
    if not stages:
        raise ValueError(skipped[0])


def _shade(points: np.ndarray, extent: float) -> np.ndarray:
    """The density of the chains that stayed finite, smoothed."""
    return smoothed_density(points[np.isfinite(points).all(-1)], extent)


@lru_cache(maxsize=4 * MAX_STAGES)  # a stage is some pictures and a density, below a megabyte
def _stage(path: Path, version: int, settings: ChainSettings) -> Stage:
    model, _ = checkpoint.load(path)
    speaks = model.config.kind == "text"
    if (reason := undrawable(model)) is not None:
        raise checkpoint.CheckpointError(f"{path.name} cannot be shown: {reason}")
    in_plane, n = model.config.latent_dim == 2, settings.n_chains
    density = model.prior_density()
    noise = ChainNoise(settings.seed, range(n if in_plane else _SHADED), model.config.latent_dim)
    start = langevin.init(density, noise.at(0))
    t = langevin.run(density, start, settings.sampler(settings.n_steps), noise=noise)
    ends = t.z[-1, :n]
    return Stage(
        step=int(path.stem.removeprefix("step-")),
        start_energy=t.energy[0, :n].numpy(),
        curves={name: values[-1, :n] for name, values in tracks.curves(t, t.energy).items()},
        examples=np.array(read(model, ends)) if speaks else decode(model, ends[None])[0],
        z=t.z[-1].clone(),
        density=exact_density(model.prior.unnorm_log_prob) if in_plane else None,
        failures={f.chain: str(f) for f in t.failures if f.chain < n},
    )
