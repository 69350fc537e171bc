"""Exact quantities of models with a 2-D latent, by quadrature on a grid.

With z in the plane, Z(α), p_α(z) and p(x) are plain sums, and every sampled estimate can be
held against them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm.density import LogDensityFn
from lebm.model import LatentEBM


@dataclass(frozen=True, slots=True)
class PlaneGrid:
    """A square grid over [-extent, extent]², the midpoints of n_points² cells.

    The midpoint rule converges faster than any power of the spacing for smooth densities that
    vanish at the border, so `extent` matters more than `n_points`.
    """

    extent: float = 7.0
    """Half the side of the square; N(0, I) has mass 3e-12 outside 7."""
    n_points: int = 280
    """Cells along each axis."""

    def __post_init__(self) -> None:
        if not self.extent > 0 or self.n_points < 2:
            raise ValueError(
                "extent must be above 0 and n_points at least 2, "
                f"not {self.extent} and {self.n_points}"
            )

    @property
    def axis(self) -> Tensor:
        """Midpoints along one axis, float64 `(n_points,)`."""
        spacing = 2 * self.extent / self.n_points
        return (torch.arange(self.n_points, dtype=torch.float64) + 0.5) * spacing - self.extent

    @property
    def points(self) -> Tensor:
        """All midpoints, float64 `(n_points², 2)`; the second coordinate runs fastest."""
        return torch.cartesian_prod(self.axis, self.axis)

    @property
    def cell_area(self) -> float:
        """Area of one cell."""
        return (2 * self.extent / self.n_points) ** 2

    def log_integral(self, log_values: Tensor) -> Tensor:
        """log ∫ exp(values) dz from values at `points`, `(..., n_points²) -> (...)`."""
        area = torch.tensor(self.cell_area, dtype=log_values.dtype)
        return torch.logsumexp(log_values, -1) + area.log()

    def edge_share(self, log_values: Tensor) -> Tensor:
        """The share of ∫ exp(values) dz in the outermost cells, `(..., n_points²) -> (...)`.

        Unless it is next to nothing, mass may lie beyond the square.
        """
        shares = log_values.softmax(-1).unflatten(-1, (self.n_points, self.n_points))
        return 1 - shares[..., 1:-1, 1:-1].sum((-2, -1))


@torch.no_grad()
def log_partition(log_density_fn: LogDensityFn, grid: PlaneGrid) -> float:
    """log ∫ exp(log density) dz; for `prior.unnorm_log_prob` this is log Z(α) of eq. 2.

    Args:
        log_density_fn: `(n, 2) -> (n,)`, in float64 or cast by the caller.
        grid: where the integrand is evaluated.
    """
    return float(grid.log_integral(log_density_fn(grid.points)))


@torch.no_grad()
def log_marginal(
    model: LatentEBM, x: Tensor, grid: PlaneGrid, *, tilted: bool = True, chunk: int = 64
) -> Tensor:
    r"""log p(x) = log ∫ p_α(z) p_β(x|z) dz, in nats.

    The grid must resolve p_β(x|z) in z: cells well below σ divided by the generator's slope.

    Args:
        model: a model with `latent_dim` 2, in float64 (`copy.deepcopy(model).double()`).
        x: examples, `(n, *data_shape)`, float64.
        grid: where the integrand is evaluated.
        tilted: False sets f_α = 0, the same generator under the Gaussian prior.
        chunk: examples at a time; bounds the memory to chunk · n_points² values.

    Returns:
        `(n,)`.

    Raises:
        ValueError: if `latent_dim` is not 2, or examples are sentences.
    """
    joints = _log_joints(model, x, grid, tilted, chunk)
    return torch.cat([grid.log_integral(log_joint) for log_joint in joints])


@torch.no_grad()
def aggregate_posterior(
    model: LatentEBM, x: Tensor, grid: PlaneGrid, *, tilted: bool = True, chunk: int = 64
) -> Tensor:
    r"""The mean of p(z|x_i) over examples, at `grid.points`; of one example, its posterior.

    $$ p(z|x) = \frac{p_\alpha(z) p_\beta(x|z)}{p(x)} $$

    Were the model right and the examples all there are, this would be the prior itself.

    Args:
        model, x, grid, tilted, chunk: as for `log_marginal`.

    Returns:
        The density, `(n_points²,)`.

    Raises:
        ValueError: if `latent_dim` is not 2, or examples are sentences.
    """
    total = torch.zeros(len(grid.points), dtype=grid.points.dtype)
    for log_joint in _log_joints(model, x, grid, tilted, chunk):
        total += (log_joint - grid.log_integral(log_joint)[:, None]).exp().sum(0)
    return total / len(x)


def _log_joints(
    model: LatentEBM, x: Tensor, grid: PlaneGrid, tilted: bool, chunk: int
) -> Iterator[Tensor]:
    """log p(x, z) at `grid.points`, `(up to chunk, n_points²)`, a chunk of examples at a time."""
    if model.config.latent_dim != 2:
        raise ValueError(f"exact densities need latent_dim 2, not {model.config.latent_dim}")
    if model.config.kind == "text":
        raise ValueError("exact densities are those of points and images, not of sentences")
    z = grid.points
    log_prior = model.prior.unnorm_log_prob(z) if tilted else model.prior.base_log_prob(z)
    log_prior = log_prior - grid.log_integral(log_prior)
    means = model.generator(z).flatten(1)
    for rows in x.flatten(1).split(chunk):
        sq_error = torch.cdist(rows, means).square()
        yield log_prior - sq_error / (2 * model.noise_std**2) - model.log_norm
