"""The law of a short-run chain in the plane, exactly: what K Langevin steps make of p_0.

Pang et al. 2020, section 2.5: Algorithm 1 draws from the law of a chain of K steps instead of
from the density the chain aims at. In the plane that law is a sequence of integrals, and how far
it is from its target is a number, not a guess.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lebm.density import LogDensityFn, as_terms
from lebm.exact import PlaneGrid
from lebm.langevin import LangevinConfig, update

LOST = 1e-6  # share of the mass that may leave the grid before a law is refused


def laws(
    log_density_fn: LogDensityFn, start: Tensor, config: LangevinConfig, grid: PlaneGrid
) -> Iterator[Tensor]:
    r"""The densities of z_0, z_1, ..., z_K on the grid, one by one.

    $$ q_{k+1}(z') = \int q_k(z) \, N(z'; z + s \nabla \log \pi(z), 2 s T I) \, dz $$

    by the midpoint rule. The two coordinates of the noise are independent, so that one step is a
    product of two thin matrices. With cells no wider than the noise the rule errs by about 1e-8,
    where the drift does not stretch the plane.

    Args:
        log_density_fn: log π, `(n, 2) -> (n,)`, what the chain aims at.
        start: q_0 at `grid.points`, `(n_points²,)`, float64.
        config: K, s and T; `max_radius` is not applied.
        grid: holds nearly all of the mass of every q_k.

    Yields:
        q_k at `grid.points`, `(n_points²,)`, K + 1 times.

    Raises:
        ValueError: if a cell is wider than the noise, √(2sT), or if the chain leaves the grid.
    """
    width, spacing = config.noise_scale, grid.cell_area**0.5
    if spacing > width:
        raise ValueError(
            f"cells must be no wider than the noise, sqrt(2 s T) = {width:.3g}, "
            f"not {spacing:.3g}: take more points or a smaller extent"
        )
    force = as_terms(log_density_fn).force(grid.points)
    mean, _ = update(grid.points, force, torch.zeros_like(force), config)
    first, second = (_transition(grid.axis, mean[:, i], width) for i in range(2))
    law = start
    yield law
    for k in range(1, config.n_steps + 1):
        law = ((first * law) @ second.T).flatten() * grid.cell_area
        lost = 1 - float(law.sum()) * grid.cell_area
        if not abs(lost) < LOST:
            raise ValueError(f"{lost:.1e} of the mass is off the grid after step {k}: widen it")
        yield law


def kl_divergence(law: Tensor, log_target: Tensor, grid: PlaneGrid) -> Tensor:
    """KL(law ‖ target) in nats by quadrature, `(..., n_points²) -> (...)`.

    Args:
        law: density at `grid.points`, `(..., n_points²)`.
        log_target: the other's log density there, up to a constant, `(n_points²,)`.
        grid: holds both.
    """
    log_target = log_target - grid.log_integral(log_target)
    terms = torch.special.xlogy(law, law) - law * log_target
    return terms.sum(-1) * grid.cell_area


def _transition(axis: Tensor, mean: Tensor, width: float) -> Tensor:
    """N(axis_i; mean_j, width²), `(n_points, n_points²)`."""
    return (
        torch.distributions.Normal(mean, width, validate_args=False).log_prob(axis[:, None]).exp()
    )
