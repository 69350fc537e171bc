"""Chains of the lessons' model beside the exact densities that they aim at."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.jobs import Job
from app.studies.toy import Field, exact_energy, field, log_prob_x, toy
from lebm import langevin, mala, short_run
from lebm.density import LogDensityFn
from lebm.exact import PlaneGrid
from lebm.langevin import LangevinConfig
from lebm.noise import ChainNoise
from lebm.trajectory import Trajectory

WALK_STEPS, POSTERIOR_STEPS, LAW_STEPS, LONG_STEPS = 100, 100, 100, 2500
N_WALKERS, N_POSTERIOR, N_DRAWS, N_LONG = 25, 64, 400, 64
THIN = 10
LAW_GRID = PlaneGrid(extent=6.0, n_points=80)  # agrees with 140 points to 1e-6 nats


@dataclass(frozen=True, slots=True)
class Walk:
    """Prior chains step by step; T records of n chains.

    Attributes:
        z: places, `(T, n, 2)`.
        x: g(z), `(T, n, 2)`.
        drift: s ∇log p_α(z) at each place, `(T, n, 2)`.
        noise: √(2sT) ε of the step that leaves it, `(T, n, 2)`.
    """

    z: np.ndarray
    x: np.ndarray
    drift: np.ndarray
    noise: np.ndarray


def walk(step_size: float, temperature: float) -> Walk:
    """Prior chains from N(0, I), every step taken apart into drift and noise."""
    density = toy().light.prior_density()
    config = LangevinConfig(WALK_STEPS, step_size, temperature, max_radius=50.0)
    source = ChainNoise(0, range(N_WALKERS), 2)
    state = langevin.init(density, source.at(0))
    places, infos = [], []
    for k in range(1, WALK_STEPS + 2):
        places.append(state.z)
        state, info = langevin.step(density, state, source.at(k), config)
        infos.append(info)
    z = torch.stack(places)
    x = toy().light.generate(z.flatten(0, 1)).view_as(z)
    drift = torch.stack([info.drift for info in infos])
    noise = torch.stack([info.diffusion for info in infos])
    return Walk(*(t.numpy() for t in (z, x, drift, noise)))


@dataclass(frozen=True, slots=True)
class PosteriorView:
    """p(z|x) of one example, exactly, and chains that sample it.

    Attributes:
        density: p(z|x).
        x: the example, `(2,)`.
        z: chains, `(T, n, 2)`.
        decoded: g(z), `(T, n, 2)`.
        inside: share of the chains in the region that holds 95 % of p(z|x), `(T,)`.
    """

    density: Field
    x: np.ndarray
    z: np.ndarray
    decoded: np.ndarray
    inside: np.ndarray


def posterior_step_size(noise_std: float) -> float:
    """The card's step size, scaled with σ², and at most its prior chain's.

    The likelihood's force grows as 1/σ²; where σ is large, the prior's force is what is left.
    """
    card, ratio = toy().card, noise_std / toy().model.noise_std
    return min(card.posterior_sampler.step_size * ratio**2, card.prior_sampler.step_size)


def posterior(example: int, noise_std: float) -> PosteriorView:
    """The posterior of a held-out example under another σ."""
    exact, light = (copy.deepcopy(model) for model in (toy().model, toy().light))
    exact.noise_std = light.noise_std = noise_std
    x, grid = toy().test[example][None], PlaneGrid(extent=3.6, n_points=160)
    with torch.no_grad():
        log_joint = exact.unnorm_log_joint(x.double(), grid.points)
    log_norm = grid.log_integral(log_joint)
    density = (log_joint - log_norm).exp()
    target = light.posterior_density(x.expand(N_POSTERIOR, 2))
    config = LangevinConfig(POSTERIOR_STEPS, posterior_step_size(noise_std))
    z = _run(target, config, N_POSTERIOR, seed=1)
    log_prob = torch.stack([target(rows) for rows in z]) - log_norm
    inside = (log_prob.exp() >= _credible_level(density, grid, 0.95)).float().mean(1)
    decoded = light.generate(z.flatten(0, 1)).view_as(z)
    return PosteriorView(field(density, grid), *(t.numpy() for t in (x[0], z, decoded, inside)))


def _credible_level(density: Tensor, grid: PlaneGrid, share: float) -> Tensor:
    """The density above which this share of the mass lies."""
    ordered = density.sort(descending=True).values
    mass = ordered.cumsum(0) * grid.cell_area
    return ordered[torch.searchsorted(mass, share).clamp_max(len(mass) - 1)]


def _run(target: LogDensityFn, config: LangevinConfig, n: int, seed: int) -> Tensor:
    """Places of n chains from N(0, I) at every step, `(K + 1, n, 2)`."""
    noise = ChainNoise(seed, range(n), 2)
    state = langevin.init(target, noise.at(0))
    return langevin.run(target, state, config, noise=noise).z


@dataclass(frozen=True, slots=True)
class Laws:
    """The law of z_K for K from 0 to `LAW_STEPS`, exactly, and draws from it.

    Attributes:
        densities: one a K.
        target: p_α on the same grid.
        kl: KL(law of z_K ‖ p_α), nats, `(K,)`.
        log_prob_x: mean log p(x) of held-out examples with that law as the prior, `(K,)`.
        chains: z_K of independent chains, `(K, n, 2)`.
    """

    densities: list[Field]
    target: Field
    kl: np.ndarray
    log_prob_x: np.ndarray
    chains: np.ndarray


@torch.no_grad()
def laws(step_size: float) -> Laws:
    """What K steps make of N(0, I), pushed through the steps by quadrature."""
    prior, grid = toy().model.prior, LAW_GRID
    config = LangevinConfig(LAW_STEPS, step_size)
    start = prior.base_log_prob(grid.points).exp()
    log_target = prior.unnorm_log_prob(grid.points)
    target = (log_target - grid.log_integral(log_target)).exp()
    densities, kl, log_prob = [], [], []
    for law in short_run.laws(prior.density(), start, config, grid):
        densities.append(field(law, grid))
        kl.append(float(short_run.kl_divergence(law, log_target, grid)))
        log_prob.append(log_prob_x(law, grid))
    chains = _run(toy().light.prior_density(), config, N_DRAWS, seed=2).numpy()
    return Laws(densities, field(target, grid), np.array(kl), np.array(log_prob), chains)


@dataclass(frozen=True, slots=True)
class LongChains:
    """Prior chains far beyond K_0, every tenth step.

    Attributes:
        steps: `(T,)`.
        z: `(T, n, 2)`.
        x: g(z), `(T, n, 2)`.
        energy: -f(z), `(T, n)`.
        exact_energy: its mean under p_α, by quadrature.
        accepted: share of the proposals accepted; 1 without Metropolis.
    """

    steps: np.ndarray
    z: np.ndarray
    x: np.ndarray
    energy: np.ndarray
    exact_energy: float
    accepted: float


def long_run(job: Job[LongChains], step_size: float, adjusted: bool) -> None:
    """Run 2,500 steps and publish what there is ten times on the way."""
    density, noise = toy().light.prior_density(), ChainNoise(3, range(N_LONG), 2)
    kernel = mala.adjusted(noise) if adjusted else None
    state, pieces = langevin.init(density, noise.at(0)), 10
    config = LangevinConfig(LONG_STEPS // pieces, step_size)
    whole = None
    for piece in range(1, pieces + 1):
        later = langevin.run(
            density,
            state,
            config,
            noise=noise,
            kernel=kernel,
            thin=THIN,
            should_stop=job.should_stop,
        )
        whole = later if whole is None else whole.extend(later)
        state = whole.state
        job.publish(_long_chains(whole), piece / pieces)
        if job.should_stop():
            return


def _long_chains(t: Trajectory) -> LongChains:
    x = toy().light.generate(t.z.flatten(0, 1)).view_as(t.z)
    accepted = float((t.displacement[1:] > 0).double().mean())
    arrays = (t.steps, t.z, x, t.energy)
    return LongChains(*(a.numpy() for a in arrays), exact_energy(), accepted)
