"""Learning f from nothing by eq. 7, under the lessons' generator: every update kept to look at."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from app.jobs import Job
from app.studies.toy import Field, field, log_prob_x, toy
from lebm import langevin
from lebm.exact import PlaneGrid
from lebm.model import LatentEBM
from train.objectives import prior_loss

N_UPDATES, BATCH, JUDGE_EVERY = 100, 128, 5
_GRID = PlaneGrid(extent=4.0, n_points=80)


@dataclass(frozen=True, slots=True)
class Update:
    """One update of f.

    Attributes:
        density: p_α after it.
        change: p_α after it less p_α before it.
        z_plus: posterior samples it learned from, `(n, 2)`.
        z_minus: prior samples it learned from, `(n, 2)`.
    """

    density: Field
    change: Field
    z_plus: np.ndarray
    z_minus: np.ndarray


@dataclass(frozen=True, slots=True)
class Learned:
    """The updates so far.

    Attributes:
        start: p_α while f is 0.
        updates: in order.
        judged: (number of updates, mean log p(x) of held-out examples in nats, exact), in order.
    """

    start: Field
    updates: tuple[Update, ...] = ()
    judged: tuple[tuple[int, float], ...] = ()


def untilted(model: LatentEBM) -> LatentEBM:
    """A copy whose f is 0 everywhere, ready to learn; all but its last layer stays as it is."""
    model = copy.deepcopy(model)
    model.prior.requires_grad_(True)
    for parameter in model.prior.f[-1].parameters():
        torch.nn.init.zeros_(parameter)
    return model


def learn(job: Job[Learned], learning_rate: float, n_steps: int) -> None:
    """Take `N_UPDATES` updates of f and publish each.

    Args:
        job: where to publish.
        learning_rate: Adam's.
        n_steps: K_0 of the prior chains.
    """
    model = untilted(toy().light)
    optimizer = torch.optim.Adam(model.prior.parameters(), learning_rate, betas=(0.5, 0.999))
    generator = torch.Generator().manual_seed(0)
    before = _log_prob(model).exp()
    learned = Learned(field(before, _GRID), judged=((0, log_prob_x(before, _GRID)),))
    for number in range(1, N_UPDATES + 1):
        if job.should_stop():
            return
        z_plus, z_minus = _samples(model, n_steps, generator)
        optimizer.zero_grad()
        prior_loss(model.prior, z_plus, z_minus).backward()
        optimizer.step()
        after = _log_prob(model).exp()
        change = field(after - before, _GRID)
        update = Update(field(after, _GRID), change, z_plus.numpy(), z_minus.numpy())
        judged = ((number, log_prob_x(after, _GRID)),) if number % JUDGE_EVERY == 0 else ()
        learned = Learned(learned.start, (*learned.updates, update), learned.judged + judged)
        job.publish(learned, number / N_UPDATES)
        before = after


def _samples(model: LatentEBM, n_steps: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Steps 1 to 3 of Algorithm 1: z⁺ of a mini-batch and as many z⁻, each `(BATCH, 2)`."""
    card, points = toy().card, toy().train
    x = points[torch.randint(len(points), (BATCH,), generator=generator)]
    starts = [model.prior.sample_base(BATCH, generator=generator) for _ in range(2)]
    z_plus = langevin.sample(
        model.posterior_density(x), starts[0], card.posterior_sampler, generator=generator
    )
    sampler = replace(card.prior_sampler, n_steps=n_steps)
    z_minus = langevin.sample(model.prior_density(), starts[1], sampler, generator=generator)
    return z_plus, z_minus


@torch.no_grad()
def _log_prob(model: LatentEBM) -> Tensor:
    """log p_α at the grid's points."""
    z = _GRID.points
    log_prob = model.prior.neg_energy(z.float()).double() + model.prior.base_log_prob(z)
    return log_prob - _GRID.log_integral(log_prob)
