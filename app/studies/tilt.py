"""What the Tilted prior page shows: p_0, p_λ and the aggregate posterior in one frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from app.jobs import Job
from app.studies import examples
from app.studies.frame import Frame
from lebm import langevin
from lebm.checkpoint import ModelCard
from lebm.exact import PlaneGrid
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from lebm.tilting import TiltPath, tilt_path
from train import data

TILTS = tuple(round(0.1 * i, 1) for i in range(16))
N_PARTICLES = 1024
MALA_STEPS = 2  # at each temperature
N_EXAMPLES = N_LEARNED = 256
N_CHAINS = 6
MOST_STEPS = 200  # of a chain that is drawn
N_NEIGHBORS = 15  # of a point, by which a frame is judged
_NO_DATA = (
    "The aggregate posterior needs the data set ({}), which is not on this machine: train on it "
    "once, or set LEBM_DATA to the folder that holds it."
)
EXTENT = 4.0  # of the latent plane, where z is drawn as it is


@dataclass(frozen=True, slots=True)
class Exact:
    """Exact quantities of p_λ for a latent plane.

    Attributes:
        log_z: log Z(λ).
        kl: KL(p_λ ‖ p_0) in nats.
        axis: grid coordinates, `(m,)`.
        density: p_λ on the grid, `(m, m)`, row i at axis[i] of the second coordinate.
    """

    log_z: float
    kl: float
    axis: np.ndarray
    density: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class TiltView:
    """All that the page shows of a model; equal to itself alone, so that it can key a cache.

    Attributes:
        path: p_λ and log Z(λ) at `TILTS`, as far as annealing has come.
        frame: in which they are drawn; the Chains page draws in the same one.
        chains: prior chains of the length it was trained with, `(T, N_CHAINS, latent_dim)`;
            the Chains page shows the same ones, with seed 0.
        energy: -f at the particles of every λ that was reached, `(L, n)`.
        exact: exact quantities at every λ; none unless z lies in the plane.
        learned: draws of the model's own sampler q_ψ, `(n, latent_dim)`, if it has one.
        posterior: samples of the aggregate posterior, `(n, latent_dim)`, once there are any.
        note: why there is no posterior, a sentence.
        kept: `trustworthiness` of the frame for p_0 and p_α; None before annealing is done.
    """

    path: TiltPath
    frame: Frame
    chains: Tensor
    energy: Tensor
    exact: tuple[Exact, ...] = ()
    learned: Tensor | None = None
    posterior: Tensor | None = None
    note: str = ""
    kept: float | None = None

    def reached(self, tilt: float) -> float:
        """This λ of `TILTS`, or on the way to it the largest that annealing has reached."""
        return min(tilt, TILTS[len(self.path.tilts) - 1])

    def particles(self, tilt: float) -> Tensor:
        """Samples of p_λ, `(n, latent_dim)`."""
        return self.path.particles[TILTS.index(tilt)]


def build(job: Job[TiltView], model: LatentEBM, card: ModelCard, frame: Frame) -> None:
    """Anneal to p_λ, publishing at every λ, then infer the aggregate posterior where the data is.

    Args:
        job: where to publish.
        model: the model.
        card: names the data set and the posterior chain.
        frame: where the latents are drawn.
    """
    view = _anneal(job, model, card, frame)
    ends = view.path.particles[[0, TILTS.index(1.0)]].flatten(0, 1)
    view = replace(view, kept=trustworthiness(ends, frame.transform(ends)))
    job.publish(view, 0.6)
    try:
        x = data.to_model_range(examples.held_out(model, card)[:N_EXAMPLES])
    except data.DatasetUnavailable:
        job.publish(replace(view, note=_NO_DATA.format(card.facts.get("data"))), 1.0)
        return
    posterior = examples.aggregate_posterior(
        model,
        card,
        x,
        report=lambda share: job.report(0.6 + 0.4 * share),
        should_stop=job.should_stop,
    )
    if posterior is not None:
        job.publish(replace(view, posterior=posterior), 1.0)


def _anneal(job: Job[TiltView], model: LatentEBM, card: ModelCard, frame: Frame) -> TiltView:
    """What there is without data."""
    chains, learned = _chains(model, card), _learned(model)
    plane = exact(model) if model.config.latent_dim == 2 else ()

    def view(path: TiltPath) -> TiltView:
        energy = -model.prior.neg_energy(path.particles).detach()
        return TiltView(path, frame, chains, energy, plane, learned)

    path = tilt_path(
        model.prior,
        torch.tensor(TILTS),
        n_particles=N_PARTICLES,
        mala_steps=MALA_STEPS,
        generator=torch.Generator().manual_seed(0),
        report=lambda path: job.publish(view(path), 0.6 * len(path.tilts) / len(TILTS)),
    )
    return view(path)


def _chains(model: LatentEBM, card: ModelCard) -> Tensor:
    """A few prior chains, `(T, N_CHAINS, latent_dim)`."""
    noise = ChainNoise(0, range(N_CHAINS), model.config.latent_dim)
    density = model.prior_density()
    sampler = replace(card.prior_sampler, n_steps=min(card.prior_sampler.n_steps, MOST_STEPS))
    return langevin.run(density, langevin.init(density, noise.at(0)), sampler, noise=noise).z


def _learned(model: LatentEBM) -> Tensor | None:
    if model.amortised is None:
        return None
    return model.learned_start(ChainNoise(0, range(N_LEARNED), model.config.latent_dim).at(0))


def trustworthiness(latents: Tensor, points: np.ndarray) -> float:
    """From 0 to 1: it falls with every point that is among a point's 15 nearest on screen alone.

    Args:
        latents: `(n, latent_dim)`.
        points: where they are drawn, `(n, 2)`.
    """
    if latents.shape[1] <= 2:
        return 1.0
    from sklearn import manifold  # a second to import

    return float(manifold.trustworthiness(latents.numpy(), points, n_neighbors=N_NEIGHBORS))


@torch.no_grad()
def exact(model: LatentEBM) -> tuple[Exact, ...]:
    """Quadrature over the latent plane at every λ of `TILTS`; `latent_dim` must be 2."""
    wide, shown = PlaneGrid(extent=8.0, n_points=320), PlaneGrid(extent=EXTENT, n_points=120)
    f, f_shown = (model.prior.neg_energy(grid.points.float()).double() for grid in (wide, shown))
    base, base_shown = (model.prior.base_log_prob(grid.points) for grid in (wide, shown))
    views = []
    for tilt in TILTS:
        log_z = wide.log_integral(tilt * f + base)
        weights = (tilt * f + base - log_z).exp() * wide.cell_area
        density = (tilt * f_shown + base_shown - log_z).exp().view(120, 120).T
        kl = float((weights * tilt * f).sum() - log_z)
        views.append(Exact(float(log_z), kl, shown.axis.numpy(), density.float().numpy()))
    return tuple(views)
