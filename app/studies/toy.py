"""The model of the lessons: the zoo's pinwheel, where z and x both lie in the plane."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from lebm import zoo
from lebm.checkpoint import ModelCard
from lebm.exact import PlaneGrid, aggregate_posterior
from lebm.model import LatentEBM
from train import data

LATENT_EXTENT, DATA_EXTENT = 3.6, 2.9
GRID = PlaneGrid(extent=4.5, n_points=90)
N_SAMPLES = 800
N_JUDGED = 200  # held-out examples whose log p(x) is shown


@dataclass(frozen=True, slots=True)
class Toy:
    """The model and its data.

    Attributes:
        model: the pinwheel in float64, for densities.
        light: the same in float32, for chains.
        card: its card.
        train: examples it learned from, float32 `(n, 2)`.
        test: held-out ones.
    """

    model: LatentEBM
    light: LatentEBM
    card: ModelCard
    train: Tensor
    test: Tensor


@cache
def toy() -> Toy:
    """The one model of all lessons; nobody changes it."""
    model, card = zoo.load_model("pinwheel")
    points = data.load("pinwheel", model.config.data_shape)
    model.requires_grad_(False)
    return Toy(copy.deepcopy(model).double(), model, card, points.train, points.test)


@dataclass(frozen=True, slots=True)
class Field:
    """A function on a grid, as charts take it: row i stands at axis[i] of the second axis."""

    axis: np.ndarray
    values: np.ndarray


def field(values: Tensor, grid: PlaneGrid = GRID) -> Field:
    """Values at `grid.points`, `(n_points²,)`, as a `Field`."""
    square = values.detach().reshape(grid.n_points, grid.n_points).T
    return Field(grid.axis.float().numpy(), square.float().numpy())


@dataclass(frozen=True, slots=True)
class Passage:
    """Draws of p_0 and where g takes them.

    Attributes:
        z: draws, `(n, 2)`.
        x: g(z), `(n, 2)`.
        angle: of each z, in radians: the colour both share, `(n,)`.
        data: examples, `(n, 2)`.
    """

    z: np.ndarray
    x: np.ndarray
    angle: np.ndarray
    data: np.ndarray


def passage() -> Passage:
    """Draws of N(0, I) through the generator, eq. 3 without its noise."""
    z = _draws(N_SAMPLES)
    angle = torch.atan2(z[:, 1], z[:, 0])
    x = toy().model.generate(z)
    return Passage(*(t.float().numpy() for t in (z, x, angle, toy().train[:N_SAMPLES])))


def circle(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """The circle ‖z‖ = radius and its image under g, each `(n, 2)`."""
    angle = torch.linspace(0, 2 * torch.pi, 241, dtype=torch.float64)
    z = radius * torch.stack([angle.cos(), angle.sin()], 1)
    return z.float().numpy(), toy().model.generate(z).float().numpy()


@dataclass(frozen=True, slots=True)
class Holes:
    """The aggregate posterior under the Gaussian prior, held against that prior.

    Attributes:
        aggregate: q(z), the mean of p(z|x) over examples.
        base: p_0.
        z: draws of p_0, `(n, 2)`.
        x: g(z), `(n, 2)`.
        ratio: q / p_0 at each z, `(n,)`.
        cells: q / p_0 in each cell of a grid, and p_0's mass there, each `(m,)`.
    """

    aggregate: Field
    base: Field
    z: np.ndarray
    x: np.ndarray
    ratio: np.ndarray
    cells: tuple[np.ndarray, np.ndarray]

    def share(self, threshold: float) -> float:
        """p_0's mass where q < threshold · p_0."""
        ratio, mass = self.cells
        return float(mass[ratio < threshold].sum())


def holes(n_examples: int = 3000) -> Holes:
    """Where N(0, I) has mass that no example asks for: densities as means over small cells."""
    model, fine, coarse = toy().model, PlaneGrid(4.0, 80), PlaneGrid(4.0, 40)
    densities = (
        aggregate_posterior(model, toy().train[:n_examples].double(), fine, tilted=False),
        model.prior.base_log_prob(fine.points).exp(),
    )
    q, p_0 = (avg_pool2d(d.view(1, 80, 80), 2).flatten() for d in densities)
    ratio = q / p_0
    z = _draws(N_SAMPLES)
    column, row = ((z + 4.0) / 8.0 * 40).long().clamp(0, 39).unbind(1)
    return Holes(
        field(q, coarse),
        field(p_0, coarse),
        z.float().numpy(),
        model.generate(z).float().numpy(),
        ratio[column * 40 + row].numpy(),
        (ratio.numpy(), (p_0 * coarse.cell_area).numpy()),
    )


@dataclass(frozen=True, slots=True)
class Tilted:
    """p_λ ∝ exp(λ f) p_0, exactly.

    Attributes:
        density: p_λ.
        log_ratio: log p_λ - log p_0 = λ f - log Z(λ): above 0 where the tilt adds mass.
        log_z: log Z(λ).
        kl: KL(p_λ ‖ p_0), nats.
        log_prob_x: mean log p(x) of held-out examples under p_λ, nats.
        z: draws of p_λ, `(n, 2)`.
        x: g(z), `(n, 2)`.
    """

    density: Field
    log_ratio: Field
    log_z: float
    kl: float
    log_prob_x: float
    z: np.ndarray
    x: np.ndarray


@torch.no_grad()
def tilted(tilt: float) -> Tilted:
    """The prior tilted by λ f, eq. 2 at λ = 1, by quadrature."""
    log_tilt = tilt * _f()
    log_density = log_tilt + toy().model.prior.base_log_prob(GRID.points)
    log_z = GRID.log_integral(log_density)
    density = (log_density - log_z).exp()
    kl = (density * log_tilt).sum() * GRID.cell_area - log_z
    z = draw(density, N_SAMPLES, GRID)
    x = toy().model.generate(z)
    numbers = (float(log_z), float(kl), log_prob_x(density, GRID))
    fields = (field(density), field(log_tilt - log_z))
    return Tilted(*fields, *numbers, z.float().numpy(), x.float().numpy())


@cache
@torch.no_grad()
def _f() -> Tensor:
    """f at the grid's points."""
    return toy().model.prior.neg_energy(GRID.points)


def log_prob_x(density: Tensor, grid: PlaneGrid) -> float:
    """Mean log ∫ q(z) p_β(x|z) dz of held-out examples, with a density q at `grid.points`."""
    return float((_likelihoods(grid) @ density * grid.cell_area).log().mean())


@cache
def _likelihoods(grid: PlaneGrid) -> Tensor:
    """p_β(x|z) of `N_JUDGED` held-out examples at the grid's points, `(n, n_points²)`."""
    model, x = toy().model, toy().test[:N_JUDGED].double()
    return torch.stack([model.log_likelihood(row, grid.points).exp() for row in x])


def prior_field() -> Field:
    """p_α of the zoo's model."""
    return tilted(1.0).density


def exact_energy() -> float:
    """E[-f(z)] under p_α, by quadrature."""
    log_prob = _f() + toy().model.prior.base_log_prob(GRID.points)
    weights = (log_prob - GRID.log_integral(log_prob)).exp() * GRID.cell_area
    return -float((weights * _f()).sum())


def draw(density: Tensor, n: int, grid: PlaneGrid, seed: int = 0) -> Tensor:
    """n independent draws of a density on the grid, `(n, 2)`: a cell, and a place in it."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.multinomial(density, n, replacement=True, generator=generator)
    within = torch.rand(n, 2, dtype=density.dtype, generator=generator) - 0.5
    return grid.points[cells] + within * grid.cell_area**0.5


def _draws(n: int) -> Tensor:
    return toy().model.prior.sample_base(n, generator=torch.Generator().manual_seed(0))
