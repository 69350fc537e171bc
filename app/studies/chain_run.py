"""A chain that a person steps by hand: settings in, trajectory, pictures and a track out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from app.models import ModelEntry
from app.player.payload import Failure, Track
from app.studies import tracks
from app.studies.frame import LatentPlane
from lebm import langevin, mala
from lebm.density import LogDensity
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from lebm.trajectory import Trajectory
from train.pictures import to_uint8

PICTURE_BUDGET = 128 * 2**20  # bytes of pictures that one browser page may hold
MAX_TRACKS = 2  # a chain and its fork share the budget
MAX_STEPS = 2000
_LARGEST_PICTURE = 64  # pixels; larger pictures are averaged down for the grid


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """What a chain is: with the model and its example, all that its every step depends on."""

    n_chains: int
    n_steps: int
    step_size: float
    temperature: float
    seed: int
    adjusted: bool = False
    """Whether each step must pass the Metropolis test (MALA)."""
    tilt: float = 1.0
    """λ in p_λ ∝ exp(λ f) p_0, which the chain climbs: 1 is the model, 0 the plain Gaussian."""
    learned_start: bool = False
    """Whether the chains start at draws of the model's learned sampler, not at p_0 noise."""

    def sampler(self, n_steps: int) -> LangevinConfig:
        """The settings as the library takes them, for this many steps."""
        return LangevinConfig(n_steps, self.step_size, self.temperature)

    def noise(self, model: LatentEBM) -> ChainNoise:
        """The noise of these chains."""
        return ChainNoise(self.seed, range(self.n_chains), model.config.latent_dim)

    def density(self, model: LatentEBM, x: Tensor | None = None) -> LogDensity:
        """What these chains climb: the prior, or the posterior of an example `(1, *data_shape)`."""
        if x is None:
            return model.prior_density(self.tilt)
        return model.posterior_density(x.expand(self.n_chains, *x.shape[1:]))

    def start(self, model: LatentEBM, x: Tensor | None = None) -> Tensor:
        """Where these chains start, `(n_chains, latent_dim)`; x as for `density`."""
        noise = self.noise(model).at(0)
        return model.learned_start(noise, x) if self.learned_start else noise

    @property
    def in_words(self) -> str:
        """What a step depends on, as it stands on screen."""
        test = ", Metropolis test" if self.adjusted else ""
        tilt = f", λ = {self.tilt:g}" if self.tilt != 1 else ""
        return f"s = {self.step_size:g}, T = {self.temperature:g}, seed {self.seed}{test}{tilt}"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a chain: the settings of all steps after step `start`."""

    start: int
    settings: ChainSettings


@dataclass(frozen=True, slots=True)
class ChainRun:
    """A chain as far as it was stepped.

    Attributes:
        root: digest of the model and the settings at the start; a fork's names the chain it left.
        model: the model.
        plane: where its latents are drawn.
        segments: the settings, by the step from which on they hold; the last hold now.
        noise: of the last segment.
        trajectory: every step taken.
        arrows: the parts of each record's next step, name -> `(T, n, 2)`.
        examples: what the records decode to: uint8 `(T, n, h, w, c)`, or points `(T, n, 2)`.
        x: the example whose posterior they climb, `(1, *data_shape)`; None for the prior.
    """

    root: str
    model: LatentEBM
    plane: LatentPlane
    segments: tuple[Segment, ...]
    noise: ChainNoise
    trajectory: Trajectory
    arrows: dict[str, np.ndarray]
    examples: np.ndarray
    x: Tensor | None = None

    @classmethod
    def start(
        cls,
        root: str,
        model: LatentEBM,
        plane: LatentPlane,
        settings: ChainSettings,
        x: Tensor | None = None,
    ) -> ChainRun:
        """A new chain that has taken no step.

        Args:
            root: from `chain_id`.
            model: the model.
            plane: from `app.studies.frame.latent_plane`.
            settings: the chain.
            x: an example, to climb its posterior; None climbs the prior.
        """
        noise = settings.noise(model)
        density = settings.density(model, x)
        trajectory, arrows = tracks.walk(
            density,
            langevin.init(density, settings.start(model, x)),
            settings.sampler(0),
            noise=noise,
            frame=plane.frame,
        )
        segments = (Segment(0, settings),)
        examples = decode(model, trajectory.z)
        return cls(root, model, plane, segments, noise, trajectory, arrows, examples, x)

    @property
    def id(self) -> str:
        """Names the chain: two runs with the same id are the same chain."""
        return f"{self.root} {self.segments}"

    @property
    def settings(self) -> ChainSettings:
        """The settings that hold now."""
        return self.segments[-1].settings

    @property
    def limit(self) -> int:
        """The last step this chain may take here."""
        return step_limit(self.model, self.settings.n_chains)

    @property
    def n_taken(self) -> int:
        """Steps taken so far."""
        return self.trajectory.state.step

    @property
    def energy(self) -> Tensor:
        """-f(z), `(T, n)`, whatever share λ f of the tilt the chain climbs."""
        if self.settings.tilt == 1:
            return self.trajectory.energy
        with torch.no_grad():
            return -self.model.prior.neg_energy(self.trajectory.z)

    def advance(self, to: int) -> ChainRun:
        """The same chain with every step up to `to`, but none beyond `limit`."""
        n_steps = min(to, self.limit) - self.n_taken
        return self._take(n_steps) if n_steps > 0 else self

    def change(self, settings: ChainSettings) -> ChainRun:
        """The same chain, under other settings from the last step taken on."""
        if settings == self.settings:
            return self
        used = self._used(self.n_taken)
        if self.n_taken == 0 and settings.seed == used[0].settings.seed:
            used = (Segment(0, settings),)
        elif used[-1].settings != settings:
            used += (Segment(self.n_taken, settings),)
        return replace(self, segments=used, noise=settings.noise(self.model))._take(0)

    def cut(self, step: int) -> ChainRun:
        """The same chain as it was when it had taken only `step` steps."""
        step = max(0, min(step, self.n_taken))
        whole = self.trajectory
        state = langevin.init(
            self.settings.density(self.model, self.x), whole.z[step], at_step=step
        )
        failed_at = whole.state.failed_at
        stopped = (failed_at >= 0) & (failed_at <= step)
        state = replace(
            state,
            failed_at=torch.where(stopped, failed_at, -1),
            escaped=whole.state.escaped & stopped,
        )
        used = self._used(step)
        return replace(
            self,
            segments=used,
            noise=used[-1].settings.noise(self.model),
            trajectory=whole.cut(state),
            arrows={name: vectors[: step + 1] for name, vectors in self.arrows.items()},
            examples=self.examples[: step + 1],
        )._take(0)

    def leaves(self, other: ChainRun, step: int, settings: ChainSettings) -> bool:
        """Whether this is the fork that left the other after that step, with those settings."""
        return self.root == other._fork_root(step) and self.settings == settings

    def fork(self, step: int, settings: ChainSettings) -> ChainRun:
        """Another chain, which leaves this one after `step` under these settings."""
        return replace(self.cut(step).change(settings), root=self._fork_root(step))

    def _fork_root(self, step: int) -> str:
        return f"{self.id} forked at {step}"

    def track(self, title: str = "") -> Track:
        """The chain as the player shows it."""
        t = self.trajectory
        curves = tracks.curves(t, self.energy)
        if any(each.settings.adjusted for each in self.segments):
            curves["acceptance"] = tracks.acceptance(t, self._adjusted())
        return Track(
            id=self.id,
            title=title,
            steps=t.steps.numpy(),
            curves=curves,
            examples=self.examples,
            latents=self.plane.frame.transform(t.z),
            backdrop=self.plane.backdrop,
            arrows=self.arrows,
            failures=tuple(Failure(f.chain, f.step, self.limit, str(f)) for f in t.failures),
            limit=self.limit,
        )

    def _used(self, step: int) -> tuple[Segment, ...]:
        """The segments that the first `step` steps belong to; the first one's seed drew z_0."""
        return self.segments[:1] + tuple(s for s in self.segments[1:] if s.start < step)

    def _take(self, n_steps: int) -> ChainRun:
        later, arrows = tracks.walk(
            self.settings.density(self.model, self.x),
            self.trajectory.state,
            self.settings.sampler(n_steps),
            noise=self.noise,
            frame=self.plane.frame,
            kernel=mala.adjusted(self.noise) if self.settings.adjusted else None,
        )
        examples = [self.examples]
        if n_steps > 0:
            examples.append(decode(self.model, later.z[1:]))
        return replace(
            self,
            trajectory=self.trajectory.extend(later),
            arrows={n: np.concatenate([a[:-1], arrows[n]]) for n, a in self.arrows.items()},
            examples=np.concatenate(examples),
        )

    def _adjusted(self) -> np.ndarray:
        """Whether the step to each record had to pass the Metropolis test, `(T,)`."""
        steps = np.arange(self.n_taken + 1)
        adjusted = np.zeros(len(steps), bool)
        for segment in self.segments:
            adjusted[steps > segment.start] = segment.settings.adjusted
        return adjusted


def chain_id(entry: ModelEntry, settings: ChainSettings) -> str:
    """Names a chain: a digest of the model, the version of its file and the settings."""
    return hashlib.sha256(f"{entry.id} {entry.version} {settings}".encode()).hexdigest()[:16]


def undrawable(model: LatentEBM) -> str | None:
    """Why the explorer can neither draw nor read what this model decodes to; None if it can."""
    config = model.config
    in_plane = config.data_shape == (2,) and config.latent_dim == 2
    if config.kind in ("images", "text") or in_plane:
        return None
    return (
        f"its examples are points of {config.data_shape[0]} coordinates from {config.latent_dim} "
        "latent ones, and points are drawn only from a plane to a plane"
    )


def step_limit(model: LatentEBM, n_chains: int) -> int:
    """Steps of n chains whose pictures fit one track's share of a page's budget."""
    shape = model.config.data_shape
    side = min(shape[-1], _LARGEST_PICTURE)
    size = shape[0] * side * side if len(shape) == 3 else 16
    return min(MAX_STEPS, PICTURE_BUDGET // MAX_TRACKS // (size * n_chains) - 1)


def decode(model: LatentEBM, z: Tensor, batch: int = 128) -> np.ndarray:
    """g_β(z) of `(T, n, latent_dim)`: uint8 pictures `(T, n, h, w, c)`, or points `(T, n, 2)`.

    Nothing, `(T, n, 0)`, for sentences: they are read when they are shown.
    """
    if model.config.kind == "text":
        return np.empty((*z.shape[:2], 0))
    parts = [drawable(model.generate(rows)) for rows in z.flatten(0, 1).split(batch)]
    flat = np.concatenate(parts)
    return flat.reshape(*z.shape[:2], *flat.shape[1:])


def drawable(x: Tensor) -> np.ndarray:
    """Examples as they are drawn: uint8 pictures `(n, h, w, c)`, or points `(n, 2)`."""
    if x.ndim == 2:
        return x[:, :2].numpy()
    if x.shape[-1] > _LARGEST_PICTURE:
        x = adaptive_avg_pool2d(x, _LARGEST_PICTURE)
    return to_uint8(x)
