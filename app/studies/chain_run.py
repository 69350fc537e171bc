"""A chain that a person steps by hand: settings in, trajectory, pictures and a track out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from app.models import ModelEntry
from app.player.payload import Track
from app.studies import tracks
from app.studies.frame import LatentPlane
from lebm import langevin
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from lebm.trajectory import Trajectory
from train.pictures import to_uint8

PICTURE_BUDGET = 64 * 2**20  # bytes of pictures that one browser page may hold
MAX_STEPS = 2000
_LARGEST_PICTURE = 64  # pixels; larger pictures are averaged down for the grid


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """What a prior chain is: together with the model, all that its every step depends on."""

    n_chains: int
    n_steps: int
    step_size: float
    temperature: float
    seed: int

    def sampler(self, n_steps: int) -> LangevinConfig:
        """The settings as the library takes them, for this many steps."""
        return LangevinConfig(n_steps, self.step_size, self.temperature)


@dataclass(frozen=True, slots=True)
class ChainRun:
    """A chain as far as it was stepped.

    Attributes:
        id: digest of model and settings; two runs with the same id are the same chain.
        model: the model.
        plane: where its latents are drawn.
        settings: the chain's settings.
        trajectory: every step taken.
        arrows: the parts of each record's next step, name -> `(T, n, 2)`.
        examples: what the records decode to: uint8 `(T, n, h, w, c)`, or points `(T, n, 2)`.
    """

    id: str
    model: LatentEBM
    plane: LatentPlane
    settings: ChainSettings
    trajectory: Trajectory
    arrows: dict[str, np.ndarray]
    examples: np.ndarray

    @classmethod
    def start(
        cls, chain_id: str, model: LatentEBM, plane: LatentPlane, settings: ChainSettings
    ) -> ChainRun:
        """A new chain from p_0 noise, `settings.n_steps` steps long (at most `step_limit`).

        Args:
            chain_id: from `chain_id`.
            model: the model.
            plane: from `app.studies.frame.latent_plane`.
            settings: the chain.
        """
        noise = ChainNoise(settings.seed, range(settings.n_chains), model.config.latent_dim)
        density = model.prior_density()
        n_steps = min(settings.n_steps, step_limit(model, settings.n_chains))
        state = langevin.init(density, noise.at(0))
        trajectory, arrows = tracks.walk(
            density, state, settings.sampler(n_steps), noise=noise, frame=plane.frame
        )
        examples = decode(model, trajectory.z)
        return cls(chain_id, model, plane, settings, trajectory, arrows, examples)

    @property
    def limit(self) -> int:
        """The last step this chain may take here."""
        return step_limit(self.model, self.settings.n_chains)

    @property
    def n_taken(self) -> int:
        """Steps taken so far."""
        return self.trajectory.state.step

    def advance(self, to: int) -> ChainRun:
        """The same chain with every step up to `to`, but none beyond `limit`."""
        n_steps = min(to, self.limit) - self.n_taken
        if n_steps <= 0:
            return self
        noise = ChainNoise(
            self.settings.seed, range(self.settings.n_chains), self.model.config.latent_dim
        )
        later, arrows = tracks.walk(
            self.model.prior_density(),
            self.trajectory.state,
            self.settings.sampler(n_steps),
            noise=noise,
            frame=self.plane.frame,
        )
        new = decode(self.model, later.z[1:])
        return replace(
            self,
            trajectory=self.trajectory.extend(later),
            arrows={n: np.concatenate([a[:-1], arrows[n]]) for n, a in self.arrows.items()},
            examples=np.concatenate([self.examples, new]),
        )

    def track(self, title: str = "") -> Track:
        """The chain as the player shows it."""
        t = self.trajectory
        return Track(
            id=self.id,
            title=title,
            steps=t.steps.numpy(),
            curves=tracks.curves(t),
            examples=self.examples,
            latents=self.plane.frame.transform(t.z),
            backdrop=self.plane.backdrop,
            arrows=self.arrows,
            failures={f.chain: str(f) for f in t.failures},
            limit=self.limit,
        )


def chain_id(entry: ModelEntry, settings: ChainSettings) -> str:
    """Names a chain: a digest of the model, the version of its file and the settings."""
    return hashlib.sha256(f"{entry.id} {entry.version} {settings}".encode()).hexdigest()[:16]


def undrawable(model: LatentEBM) -> str | None:
    """Why the explorer has no picture of this model; None if it has."""
    config = model.config
    if len(config.data_shape) == 3 or (config.data_shape == (2,) and config.latent_dim == 2):
        return None
    return (
        f"its examples are points of {config.data_shape[0]} coordinates from {config.latent_dim} "
        "latent ones, and points are drawn only from a plane to a plane"
    )


def step_limit(model: LatentEBM, n_chains: int) -> int:
    """Steps of n chains whose pictures fit the budget of one page."""
    shape = model.config.data_shape
    side = min(shape[-1], _LARGEST_PICTURE)
    size = shape[0] * side * side if len(shape) == 3 else 16
    return min(MAX_STEPS, PICTURE_BUDGET // (size * n_chains) - 1)


def decode(model: LatentEBM, z: Tensor, batch: int = 1024) -> np.ndarray:
    """g_β(z) of `(T, n, latent_dim)`: uint8 pictures `(T, n, h, w, c)`, or points `(T, n, 2)`."""
    parts = [_drawable(model.generate(rows)) for rows in z.flatten(0, 1).split(batch)]
    flat = np.concatenate(parts)
    return flat.reshape(*z.shape[:2], *flat.shape[1:])


def _drawable(x: Tensor) -> np.ndarray:
    if x.ndim == 2:
        return x[:, :2].numpy()
    if x.shape[-1] > _LARGEST_PICTURE:
        x = adaptive_avg_pool2d(x, _LARGEST_PICTURE)
    return to_uint8(x)
