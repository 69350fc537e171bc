"""Is f the right way up, and is the Gaussian's pull −z counted once?

Weights do not say what they mean: a network may output f or the energy −f, with or without the
Gaussian term. These tests ask the model itself, and the examples it was learned from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lebm import langevin
from lebm.density import LogDensityFn
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM

_N_CHAINS = 128
_N_DRAWS = 2048
_CERTAIN = 4.0  # standard errors
_MATTERS = 0.5  # nats; a smaller difference in f hardly moves a sample
_IS_GAUSSIAN = 0.75  # of the slope that -½‖z‖² itself has


@dataclass(frozen=True, slots=True)
class PullTest:
    """What prior chains from N(0, I) do with and without the pull −z; norms in units of √d.

    Attributes:
        energy_before: median of −f over the starts.
        energy_after: median of −f after the chain with −z.
        norm_with: median ‖z‖ / √d after that chain; 1 is N(0, I).
        norm_without: the same when −z is left out.
        slope: of f against −½‖z‖² over N(0, I): 1 if the network holds the Gaussian itself.
    """

    energy_before: float
    energy_after: float
    norm_with: float
    norm_without: float
    slope: float

    @property
    def counted_twice(self) -> bool:
        """Whether f seems to hold the Gaussian term that the prior adds to it."""
        return self.slope > _IS_GAUSSIAN and self.norm_without < 2 * self.norm_with


def pull_test(model: LatentEBM, sampler: LangevinConfig, *, generator: torch.Generator) -> PullTest:
    """Run the prior chain with and without −z, and regress f on −½‖z‖².

    Neither proves anything about the sign of f: see `sign_test`.

    Args:
        model: the model.
        sampler: the prior chain it was trained with.
        generator: source of all draws.
    """
    prior = model.prior
    start = prior.sample_base(_N_CHAINS, generator=generator)
    with_pull = langevin.sample(prior.unnorm_log_prob, start, sampler, generator=generator)
    without = langevin.sample(prior.neg_energy, start, sampler, generator=generator)
    draws = prior.sample_base(_N_DRAWS, generator=generator)
    f, base = prior.neg_energy(draws).detach(), -0.5 * draws.square().sum(-1)
    covariance = ((f - f.mean()) * (base - base.mean())).mean()
    return PullTest(
        energy_before=-_median(prior.neg_energy, start),
        energy_after=-_median(prior.neg_energy, with_pull),
        norm_with=_median(lambda z: z.norm(dim=-1), with_pull) / math.sqrt(prior.latent_dim),
        norm_without=_median(lambda z: z.norm(dim=-1), without) / math.sqrt(prior.latent_dim),
        slope=float(covariance / base.var(correction=0)),
    )


@dataclass(frozen=True, slots=True)
class SignTest:
    """f at the latents of examples against f under N(0, I).

    Attributes:
        f_examples: mean of f at latents inferred from examples.
        f_base: mean of f over N(0, I).
        z_score: their difference in standard errors.
    """

    f_examples: float
    f_base: float
    z_score: float

    @property
    def word(self) -> Literal["confirmed", "contradicted", "undecided"]:
        """What this says of the sign of f."""
        gap = self.f_examples - self.f_base
        if not (abs(gap) > _MATTERS and abs(self.z_score) > _CERTAIN):
            return "undecided"  # also where one is NaN
        return "confirmed" if gap > 0 else "contradicted"


def sign_test(
    model: LatentEBM, examples: Tensor, sampler: LangevinConfig, *, generator: torch.Generator
) -> SignTest:
    """Whether f is larger where examples lie than under N(0, I), as learning makes it (eq. 7).

    The latents are inferred from the generator and the Gaussian alone, so that f has no say in
    them. Without examples the sign cannot be tested: any f with any generator is a model, and a
    chain on −f is as well behaved as one on f.

    Args:
        model: the model.
        examples: of the data it was learned from, `(n, *data_shape)`; at least 8.
        sampler: a posterior chain long enough to explain them.
        generator: source of all draws.

    Raises:
        ValueError: with fewer than 8 examples.
    """
    if len(examples) < 8:
        raise ValueError(f"examples must be at least 8, not {len(examples)}")
    prior = model.prior

    def density(z: Tensor) -> Tensor:
        return model.log_likelihood(examples, z) + prior.base_log_prob(z)

    start = prior.sample_base(len(examples), generator=generator)
    inferred = langevin.sample(density, start, sampler, generator=generator)
    f = prior.neg_energy(inferred).detach().double()
    base = prior.neg_energy(prior.sample_base(_N_DRAWS, generator=generator)).detach().double()
    error = math.sqrt(float(f.var()) / len(f) + float(base.var()) / len(base))
    gap = float(f.mean() - base.mean())
    return SignTest(float(f.mean()), float(base.mean()), gap / max(error, 1e-12))


def _median(quantity: LogDensityFn, z: Tensor) -> float:
    return float(quantity(z).detach().median())
