"""Where latents are drawn: the plane itself, or two directions fixed once for each model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from app.player.payload import Backdrop
from lebm import langevin
from lebm.density import LogDensityFn
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from train.words import counted

PLANE_EXTENT = 3.5
SIDE = 180  # of a backdrop
N_SAMPLES = 512
MOST_STEPS = 200  # taken for the samples that a frame is fitted to


@dataclass(frozen=True, slots=True)
class Frame:
    """A fixed map from latents to the plane: the plane itself, or two principal directions.

    A latent line lies along the first axis.

    Attributes:
        mean: what is subtracted, `(latent_dim,)`.
        directions: two orthonormal rows, `(2, latent_dim)`; of a latent line, the second is 0.
        explained: share of the variance that the two directions keep, from 0 to 1.
    """

    mean: Tensor
    directions: Tensor
    explained: float

    @classmethod
    def fit(cls, z: Tensor) -> Frame:
        """The frame of these latents, `(n, latent_dim)`."""
        if z.shape[1] <= 2:
            return cls(torch.zeros(z.shape[1]), torch.eye(2, z.shape[1]), 1.0)
        mean = z.mean(0)
        _, scales, directions = torch.linalg.svd(z - mean, full_matrices=False)
        variances = scales.square()
        return cls(mean, directions[:2], float(variances[:2].sum() / variances.sum()))

    @property
    def axes(self) -> tuple[str, str]:
        """The names of the two axes."""
        names = {1: ("z", ""), 2: ("z₁", "z₂")}
        return names.get(len(self.mean), ("direction 1", "direction 2"))

    @property
    def seen(self) -> str:
        """What is seen where it is no plane."""
        dim = len(self.mean)
        if dim == 1:
            return "Latent line"
        return f"Latents in two of {dim} directions, {self.explained:.0%} of the variance"

    def caption(self, n_steps: int) -> str:
        """What is seen, over a shade of prior chains after so many steps."""
        return f"{self.seen}; shade: the prior after {counted(n_steps, 'step')}"

    def transform(self, z: Tensor) -> np.ndarray:
        """Points: `(..., latent_dim) -> (..., 2)`."""
        return self.project(z - self.mean)

    def project(self, vectors: Tensor) -> np.ndarray:
        """Vectors, such as forces and steps: `(..., latent_dim) -> (..., 2)`."""
        return (vectors @ self.directions.T).numpy()


@dataclass(frozen=True, slots=True)
class LatentPlane:
    """A frame and the prior's density in it.

    Attributes:
        frame: from latents to the plane.
        backdrop: p_α in that plane: exact, or a smoothed sample of it.
    """

    frame: Frame
    backdrop: Backdrop


def latent_plane(model: LatentEBM, sampler: LangevinConfig) -> LatentPlane:
    """The plane in which a model's chains are drawn, always the same for the same model.

    A latent plane is drawn as it is, over the exact density. Otherwise the frame is fitted to
    samples of p_0 together with what they become along the prior chain; the latter, smoothed by a
    Gaussian kernel (Scott's rule), are the backdrop. Chains that end beyond their sampler's radius
    have diverged and are left out of both.

    Args:
        model: the model.
        sampler: the prior chain it was trained with.
    """
    if model.config.latent_dim == 2:
        frame = Frame.fit(torch.zeros(1, 2))
        backdrop = Backdrop(
            density=exact_density(model.prior.unnorm_log_prob),
            extent=PLANE_EXTENT,
            axes=frame.axes,
            caption="Latent plane; shade: the exact prior density",
        )
        return LatentPlane(frame, backdrop)
    n_steps = min(sampler.n_steps, MOST_STEPS)
    start, end = _samples(model, replace(sampler, n_steps=n_steps))
    both = torch.cat([start, end])
    frame = Frame.fit(both)
    extent = float(np.ceil(2.1 * np.abs(frame.transform(both)).max()) / 2)
    diverge = f"{frame.seen}; no shade: the prior chains diverge"
    caption = frame.caption(n_steps) if len(end) else diverge
    backdrop = Backdrop(
        density=smoothed_density(frame.transform(end), extent),
        extent=extent,
        axes=frame.axes,
        caption=caption,
    )
    return LatentPlane(frame, backdrop)


def _samples(model: LatentEBM, sampler: LangevinConfig) -> tuple[Tensor, Tensor]:
    """Draws of p_0, and what those of them become whose chain does not diverge."""
    generator = torch.Generator().manual_seed(0)
    start = model.prior.sample_base(N_SAMPLES, generator=generator)
    end = langevin.sample(model.prior_density(), start, sampler, generator=generator)
    return start, end[end.norm(dim=-1) <= sampler.max_radius]


@torch.no_grad()
def exact_density(log_density_fn: LogDensityFn) -> np.ndarray:
    """A density over the latent plane as uint8 `(side, side)`: 255 at most, first row at the top.

    Args:
        log_density_fn: `(n, 2) -> (n,)`, up to a constant.
    """
    axis = torch.from_numpy(_centres(PLANE_EXTENT)).float()
    x, y = torch.meshgrid(axis, axis.flip(0), indexing="xy")
    log_prob = log_density_fn(torch.stack([x, y], -1).flatten(0, 1))
    return _shades((log_prob - log_prob.max()).exp().reshape(SIDE, SIDE).numpy())


def smoothed_density(points: np.ndarray, extent: float) -> np.ndarray:
    """Kernel density of points `(n, 2)` as uint8 `(side, side)`, as `exact_density`; 0 of none."""
    if len(points) == 0:
        return np.zeros((SIDE, SIDE), np.uint8)
    return _shades(kernel_density(points, _centres(extent))[::-1])


def kernel_density(points: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Points `(n, 2)` smoothed by a Gaussian (Scott's rule), up to a constant.

    Args:
        points: the points.
        axis: coordinates of a square grid, `(m,)`.

    Returns:
        `(m, m)`, row i at axis[i] of the second coordinate.
    """
    # No narrower than the grid: points on a line have no width of their own across it.
    widths = np.maximum(points.std(0) * len(points) ** (-1 / 6), axis[1] - axis[0])
    distances = (axis[:, None, None] - points) / widths  # (m, n, 2)
    kernels = np.exp(-0.5 * np.square(distances))
    return kernels[:, :, 1] @ kernels[:, :, 0].T


def _centres(extent: float) -> np.ndarray:
    return ((np.arange(SIDE) + 0.5) / SIDE * 2 - 1) * extent


def _shades(density: np.ndarray) -> np.ndarray:
    largest = max(density.max(), np.finfo(float).tiny)  # 0 where all points lie beyond the grid
    return np.round(255 * (density / largest)).astype(np.uint8)
