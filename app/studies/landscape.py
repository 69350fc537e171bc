"""The energy over lines, planes and paths of latent space, and what decodes along them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from app.studies import chain_run, own_sentence, sentence_chains
from app.studies.examples import Example, Examples
from lebm import langevin, paths
from lebm.checkpoint import ModelCard
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from lebm.noise import ChainNoise

Kind = Literal[
    "prior chain", "posterior of example", "posterior of a typed sentence", "p₀ noise", "origin"
]
TYPED: Kind = "posterior of a typed sentence"
SPOKEN_KINDS: tuple[Kind, ...] = get_args(Kind)  # of models of sentences
KINDS = tuple(kind for kind in SPOKEN_KINDS if kind != TYPED)
N_PLACES = 121  # along a line; every tenth is decoded
N_DECODED = 13
PLANE_SIDE = 81
PLANE_DECODED = 9
ROUNDS = 400
N_SAMPLES = 512  # of the prior, for its principal directions


@dataclass(frozen=True, slots=True)
class Place:
    """A point of latent space, named so that it can be found again.

    Attributes:
        kind: what it is.
        number: the chain's or the example's; means nothing for the others.
        seed: of its noise.
        typed: the typed sentence, which the model can read.
    """

    kind: Kind
    number: int
    seed: int
    typed: str = ""


def locate(
    place: Place, model: LatentEBM, card: ModelCard, examples: Callable[[], Examples]
) -> Tensor:
    """z of a place, `(latent_dim,)`.

    A prior chain ends after the steps the model was trained with: chain 17 here is chain 17 of
    the Chains page. A posterior chain is the one that reconstructs.

    Args:
        place: what to find.
        model: the model.
        card: names both chains.
        examples: called if one is needed; a number beyond the last means the last.
    """
    dim = model.config.latent_dim
    if place.kind == "origin":
        return torch.zeros(dim)
    if place.kind in ("posterior of example", TYPED):
        x = example_of(place, model, examples).x
        noise = ChainNoise(place.seed, [0], dim)
        return _end(model.posterior_density(x), card.reconstruction_sampler, noise)[0]
    noise = ChainNoise(place.seed, [place.number], dim)
    if place.kind == "p₀ noise":
        return noise.at(0)[0]
    return _end(model.prior_density(), card.prior_sampler, noise)[0]


def example_of(place: Place, model: LatentEBM, examples: Callable[[], Examples]) -> Example:
    """The example whose posterior a place is of; arguments as for `locate`.

    Raises:
        UnusableSentence: if the model cannot read what was typed.
    """
    if place.kind != TYPED:
        return examples().example(place.number)
    return own_sentence.read(place.typed, model).example


def prior_samples(model: LatentEBM, card: ModelCard, seed: int) -> Tensor:
    """The ends of `N_SAMPLES` prior chains, `(n, latent_dim)`."""
    noise = ChainNoise(seed, range(N_SAMPLES), model.config.latent_dim)
    return _end(model.prior_density(), card.prior_sampler, noise)


def _end(density: langevin.LogDensityFn, sampler: LangevinConfig, noise: ChainNoise) -> Tensor:
    start = langevin.init(density, noise.at(0))
    return langevin.run(density, start, sampler, noise=noise, thin=10**6).state.z


@dataclass(frozen=True, slots=True)
class Profile:
    """What the prior says along a curve of n places.

    Attributes:
        at: where each place stands on the horizontal axis, `(n,)`.
        z: the places, `(n, latent_dim)`.
        energy: -f(z), `(n,)`.
        neg_log_prob: -log p_α(z) up to log Z, `(n,)`.
        decoded_at: the places that were decoded, evenly spread, `(m,)` of `at`.
        decoded: what they decode to: uint8 `(m, h, w, c)`, points `(m, 2)`, or sentences `(m,)`.
    """

    at: np.ndarray
    z: Tensor
    energy: np.ndarray
    neg_log_prob: np.ndarray
    decoded_at: np.ndarray
    decoded: np.ndarray

    @property
    def barrier(self) -> paths.Barrier:
        """The pass of -log p_α along the curve."""
        return paths.barrier(torch.from_numpy(self.neg_log_prob))


@torch.no_grad()
def profile(model: LatentEBM, z: Tensor, at: Tensor) -> Profile:
    """The prior and the decoded examples along z, `(n, latent_dim)`, at these places `(n,)`."""
    step = (len(z) - 1) // (N_DECODED - 1) if model.config.kind == "images" else 1
    rows = torch.arange(0, len(z), step)
    return Profile(
        at=at.numpy(),
        z=z,
        energy=-model.prior.neg_energy(z).numpy(),
        neg_log_prob=-model.prior.unnorm_log_prob(z).numpy(),
        decoded_at=at[rows].numpy(),
        decoded=decode(model, z[rows]),
    )


def line(model: LatentEBM, a: Tensor, b: Tensor) -> Profile:
    """Along the line through a and b: a at 0, b at 1, and half as far again on both sides."""
    at = torch.linspace(-0.5, 1.5, N_PLACES)
    return profile(model, a + at[:, None] * (b - a), at)


def routes(model: LatentEBM, a: Tensor, b: Tensor) -> dict[str, Profile]:
    """From a to b: straight, spherical, and along low energy; each from 0 to 1 of its length."""
    straight = paths.straight(a, b, N_PLACES)
    coarse = paths.straight(a, b, 1 + N_PLACES // 2)
    low = paths.low_energy(model.prior_density(), coarse, n_rounds=ROUNDS)
    found = {"straight": straight, "spherical": paths.spherical(a, b, N_PLACES), "low energy": low}
    return {
        name: profile(model, path, torch.linspace(0, 1, len(path))) for name, path in found.items()
    }


@dataclass(frozen=True, slots=True)
class Directions:
    """Principal directions of latents.

    Attributes:
        mean: `(latent_dim,)`.
        directions: orthonormal rows, largest variance first, `(k, latent_dim)`.
        deviations: standard deviation along each, `(k,)`.
        shares: share of the variance along each, `(k,)`.
    """

    mean: Tensor
    directions: Tensor
    deviations: Tensor
    shares: Tensor


def principal_directions(z: Tensor) -> Directions:
    """The principal directions of samples, `(n, latent_dim)`."""
    mean = z.mean(0)
    _, scales, directions = torch.linalg.svd(z - mean, full_matrices=False)
    variances = scales.square() / (len(z) - 1)
    return Directions(mean, directions, variances.sqrt(), variances / variances.sum())


def traversal(model: LatentEBM, found: Directions, number: int) -> Profile:
    """Through the mean along one direction, from -3 to +3 standard deviations."""
    at = torch.linspace(-3, 3, N_PLACES)
    step = found.deviations[number] * found.directions[number]
    return profile(model, found.mean + at[:, None] * step, at)


@dataclass(frozen=True, slots=True)
class Plane:
    """A square of a plane through latent space.

    Attributes:
        origin: the point at (0, 0), `(latent_dim,)`.
        axes: orthonormal rows, `(2, latent_dim)`.
        ticks: coordinates along either axis, `(side,)`.
        energy: -f(z), `(side, side)`, row i at ticks[i] of the second axis.
        neg_log_prob: -log p_α(z) up to log Z, likewise.
        coarse: coordinates of what was decoded, along either axis, `(m,)`.
        decoded: uint8 `(m, m, h, w, c)`, points `(m, m, 2)`, or sentences `(m, m)`; rows as above.
        marks: coordinates of the points the plane was laid through, `(p, 2)`.
        is_whole: whether latent space has no more dimensions than these.
    """

    origin: Tensor
    axes: Tensor
    ticks: np.ndarray
    energy: np.ndarray
    neg_log_prob: np.ndarray
    coarse: np.ndarray
    decoded: np.ndarray
    marks: np.ndarray
    is_whole: bool


@torch.no_grad()
def plane(model: LatentEBM, points: Tensor) -> Plane:
    """The plane through three points, `(3, latent_dim)`, wide enough to hold them all.

    Where they lie on one line, a fixed random direction is the second axis. A latent space of
    two dimensions is shown whole, in its own coordinates.

    Raises:
        ValueError: for a latent space of one dimension.
    """
    whole = points.shape[1] == 2
    origin = torch.zeros(2) if whole else points.mean(0)
    axes = torch.eye(2) if whole else paths.plane_axes(points)
    marks = (points - origin) @ axes.T
    half = max(3.5 if whole else 1.0, 1.4 * float(marks.abs().max()))
    ticks = torch.linspace(-half, half, PLANE_SIDE)
    edges = torch.linspace(-half, half, PLANE_DECODED + 1)
    fine = {"points": ticks[::4], "text": ticks[::2]}
    coarse = fine.get(model.config.kind, (edges[1:] + edges[:-1]) / 2)

    def lift(axis: Tensor) -> Tensor:
        v, u = torch.meshgrid(axis, axis, indexing="ij")
        return origin + torch.stack([u, v], -1) @ axes

    z = lift(ticks)
    return Plane(
        origin=origin,
        axes=axes,
        ticks=ticks.numpy(),
        energy=-model.prior.neg_energy(z).numpy(),
        neg_log_prob=-model.prior.unnorm_log_prob(z).numpy(),
        coarse=coarse.numpy(),
        decoded=decode(model, lift(coarse)),
        marks=marks.numpy(),
        is_whole=whole,
    )


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a plane.

    Attributes:
        at: its coordinates in the plane, `(2,)`.
        neg_energy: f(z).
        neg_log_prob: -log p_α(z) up to log Z.
        norm: ‖z‖.
        decoded: uint8 `(h, w, c)`, a point `(2,)`, or a sentence.
    """

    at: np.ndarray
    neg_energy: float
    neg_log_prob: float
    norm: float
    decoded: np.ndarray | str


@torch.no_grad()
def point(model: LatentEBM, found: Plane, u: float, v: float) -> Point:
    """What the prior says at (u, v) of a plane, and what the place decodes to."""
    at = torch.tensor([u, v])
    z = (found.origin + at @ found.axes)[None]
    return Point(
        at=at.numpy(),
        neg_energy=float(model.prior.neg_energy(z)),
        neg_log_prob=-float(model.prior.unnorm_log_prob(z)),
        norm=float(z.norm()),
        decoded=decode(model, z)[0],
    )


def decode(model: LatentEBM, z: Tensor) -> np.ndarray:
    """What latents `(..., latent_dim)` decode to: pictures or points, or one text each `(...)`."""
    flat = z.flatten(0, -2)
    if model.config.kind == "text":
        found = np.array(sentence_chains.read(model, flat), dtype=object)
    else:
        found = chain_run.decode(model, flat[None])[0]
    return found.reshape(*z.shape[:-1], *found.shape[1:])
