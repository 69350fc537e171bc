"""Paths between two latents: straight, spherical, along low energy; and planes through three.

A path is a tensor of n places, `(n, latent_dim)`, its ends included. "Energy" here is minus a log
density, such as -log p_α(z) up to log Z.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lebm.density import LogDensityFn, as_terms


def straight(a: Tensor, b: Tensor, n: int) -> Tensor:
    """n places evenly along the line from a to b, both `(latent_dim,)`."""
    t = torch.linspace(0, 1, n, dtype=a.dtype, device=a.device)[:, None]
    return (1 - t) * a + t * b


def spherical(a: Tensor, b: Tensor, n: int) -> Tensor:
    r"""n places whose directions turn evenly from a's to b's and whose norms go linearly.

    $$ z(t) = \|z(t)\| \, \frac{\sin((1-t)\theta)\,\hat a + \sin(t\theta)\,\hat b}{\sin\theta} $$

    In many dimensions N(0, I) lives near a sphere, which a straight line leaves. Where no great
    circle is singled out (an end at the origin, or ends in equal or opposite directions) it is
    the straight line.

    Args:
        a: `(latent_dim,)`.
        b: `(latent_dim,)`.
        n: places.

    Source: Shoemake 1985; White 2016, "Sampling generative networks".
    """
    norm_a, norm_b = a.norm(), b.norm()
    direction_a, direction_b = a / norm_a, b / norm_b
    apart, together = direction_a - direction_b, direction_a + direction_b
    angle = 2 * torch.atan2(apart.norm(), together.norm())  # exact near 0 and π, arccos is not
    if not angle.sin() > 1e-4:  # also where an end is the origin and the angle NaN
        return straight(a, b, n)
    t = torch.linspace(0, 1, n, dtype=a.dtype, device=a.device)[:, None]
    turned = ((1 - t) * angle).sin() * direction_a + (t * angle).sin() * direction_b
    return ((1 - t) * norm_a + t * norm_b) * turned / angle.sin()


def plane_axes(points: Tensor) -> Tensor:
    """Two orthonormal directions of the plane through three points, `(2, latent_dim)`.

    The first leads from the first point to the second, the other towards the third. Where the
    points lie on one line, or are one, fixed random directions stand in.

    Args:
        points: `(3, latent_dim)`; at least two dimensions.

    Raises:
        ValueError: for a latent space of one dimension.
    """
    if points.shape[1] < 2:
        raise ValueError("a latent space of one dimension has no plane")
    random = torch.randn(2, points.shape[1], generator=torch.Generator().manual_seed(0))
    rows: list[Tensor] = []
    for candidates in zip(points[1:] - points[0], random.to(points), strict=True):
        for direction in candidates:
            left = direction - sum((direction @ row) * row for row in rows)
            if left.norm() > 1e-3 * direction.norm().clamp_min(1e-3):
                rows.append(left / left.norm())
                break
    return torch.stack(rows)


def low_energy(
    log_density_fn: LogDensityFn, path: Tensor, *, n_rounds: int = 300, step_size: float = 0.05
) -> Tensor:
    """The path after it has sunk into the valley below it, its ends held: the string method.

    A round moves every place up the gradient of the log density and spreads the places evenly
    along the path again. What is left between two minima is a path of least energy: the gradient
    across it is 0. From an end that is no minimum the path first follows steepest descent. Steps
    shrink to 0 over the rounds, so that kinks of the density do not keep the path in motion.

    Args:
        log_density_fn: `(n, latent_dim) -> (n,)`, up to a constant.
        path: where to begin, `(n, latent_dim)`; left as it is.
        n_rounds: rounds.
        step_size: of the first round; below 2 over the density's largest curvature.

    Returns:
        `(n, latent_dim)`.

    Source: E, Ren, Vanden-Eijnden 2007, "Simplified and improved string method".
    """
    density = as_terms(log_density_fn)
    for i in range(n_rounds):
        moved = path + step_size * (1 - i / n_rounds) * density.force(path)
        path = evenly_spaced(torch.cat([path[:1], moved[1:-1], path[-1:]]))
    return path


def evenly_spaced(path: Tensor) -> Tensor:
    """The same broken line with its places at equal distances along it, `(n, latent_dim)`."""
    n = len(path)
    along = arc_length(path)
    wanted = torch.linspace(0, 1, n, dtype=path.dtype, device=path.device) * along[-1]
    after = torch.searchsorted(along, wanted).clamp(1, n - 1)
    gap = along[after] - along[after - 1]
    share = (wanted - along[after - 1]) / gap.clamp_min(torch.finfo(path.dtype).tiny)
    return path[after - 1] + share[:, None] * (path[after] - path[after - 1])


def arc_length(path: Tensor) -> Tensor:
    """Distance travelled from the path's start to each of its places, `(n,)`."""
    pieces = path.diff(dim=0).norm(dim=1)
    return torch.cat([pieces.new_zeros(1), pieces.cumsum(0)])


@dataclass(frozen=True, slots=True)
class Barrier:
    """The pass of a path: where the energy stands highest above the valleys on both its sides.

    Attributes:
        place: the pass, a row of the path.
        forward: climb to it from the lowest place before it; 0 if there is no pass.
        backward: climb to it from the lowest place after it.
    """

    place: int
    forward: float
    backward: float


def barrier(energy: Tensor) -> Barrier:
    """The pass of a path with these energies, `(n,)`; along minus log p, climbs are in nats."""
    forward = energy - energy.cummin(0).values
    backward = energy - energy.flip(0).cummin(0).values.flip(0)
    place = int(torch.minimum(forward, backward).argmax())
    return Barrier(place, float(forward[place]), float(backward[place]))
