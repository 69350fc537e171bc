"""The latents of the Tilted prior page as points of the plane, and what that picture loses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from app.jobs import Job
from app.studies.frame import kernel_density
from app.studies.tilt import N_NEIGHBORS, TILTS, TiltView, trustworthiness

_STRIDE = 3  # UMAP places every third particle: placing one costs a millisecond
_SIDE = 90


@dataclass(frozen=True, slots=True)
class Projection:
    """Everything that is drawn, in one frame.

    Attributes:
        axes: the names of the two axes.
        rows: which particles are drawn, `(n,)`.
        particles: their places at every λ that was reached, `(L, n, 2)`.
        chains: places of the chains, `(T, N_CHAINS, 2)`.
        learned: draws of the model's own sampler, `(m, 2)`; None where it has none.
        posterior: samples of the aggregate posterior, `(m, 2)`; None while there are none.
        kept: `trustworthiness` of p_0 and p_α in this frame; None as long as it is not known.
        explained: share of the variance, for a linear frame.
    """

    axes: tuple[str, str]
    rows: np.ndarray
    particles: np.ndarray
    chains: np.ndarray
    learned: np.ndarray | None
    posterior: np.ndarray | None
    kept: float | None
    explained: float | None = None

    def contours(self, tilt: float) -> tuple[np.ndarray, np.ndarray]:
        """The drawn particles of p_λ, smoothed: axis `(m,)` and values `(m, m)`."""
        reach = float(np.abs(self.particles).max()) * 1.1
        axis = np.linspace(-reach, reach, _SIDE)
        return axis, kernel_density(self.particles[TILTS.index(tilt)], axis)


@lru_cache(maxsize=8)
def linear(view: TiltView) -> Projection:
    """The plane itself, or two principal directions."""
    frame, particles = view.frame, view.path.particles
    return Projection(
        axes=frame.axes,
        rows=np.arange(particles.shape[1]),
        particles=frame.transform(particles),
        chains=frame.transform(view.chains),
        learned=None if view.learned is None else frame.transform(view.learned),
        posterior=None if view.posterior is None else frame.transform(view.posterior),
        kept=view.kept,
        explained=frame.explained,
    )


def umap(job: Job[Projection], view: TiltView) -> None:
    """UMAP fitted to p_0 and p_α with a fixed seed; all else is transformed, never refitted.

    Source: McInnes, Healy, Melville 2018, by their package, which takes seconds to import.
    """
    job.progress = 0.02
    from umap import UMAP

    particles = view.path.particles[:, ::_STRIDE]
    reducer = UMAP(n_neighbors=N_NEIGHBORS, n_epochs=200, random_state=0, n_jobs=1)
    job.progress = 0.1
    fitted = reducer.fit_transform(_fitted(particles).numpy())
    centre = fitted.mean(0)
    ends = np.split(fitted - centre, 2)
    placed: dict[object, np.ndarray] = dict(zip((0, TILTS.index(1.0)), ends, strict=True))
    parts: dict[object, Tensor | None] = {**dict(enumerate(particles))}
    parts |= {"chains": view.chains.flatten(0, 1)}
    parts |= {"learned": view.learned, "posterior": view.posterior}
    parts = {name: part for name, part in parts.items() if part is not None}
    for name in parts.keys() - placed.keys():
        if job.should_stop():
            return
        placed[name] = reducer.transform(parts[name].numpy()) - centre
        job.progress = 0.3 + 0.7 * len(placed) / len(parts)
    at_tilts = np.stack([placed[i] for i in range(len(TILTS))])
    projection = Projection(
        axes=("UMAP 1", "UMAP 2"),
        rows=np.arange(view.path.particles.shape[1])[::_STRIDE],
        particles=at_tilts,
        chains=placed["chains"].reshape(*view.chains.shape[:2], 2),
        learned=placed.get("learned"),
        posterior=placed.get("posterior"),
        kept=trustworthiness(_fitted(particles), _fitted(at_tilts).numpy()),
    )
    job.publish(projection, 1.0)


def _fitted(particles: Tensor | np.ndarray) -> Tensor:
    """p_0's and p_α's rows of `(L, n, ...)`, one after the other."""
    particles = torch.as_tensor(particles)
    return torch.cat([particles[0], particles[TILTS.index(1.0)]])
