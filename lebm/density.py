"""A log density given as a sum of named terms, so that a chain can report each one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

LogDensityFn = Callable[[Tensor], Tensor]

#: The names under which a latent EBM's terms appear, in chains, exports and on screen.
BASE, TILT, LIKELIHOOD = "base", "tilt", "likelihood"


class LogDensity:
    """log π(z) = Σ_j t_j(z), up to a constant; callable as `(n, latent_dim) -> (n,)`.

    Any function of that shape is a density too: `as_terms` makes it one of a single term.

    Args:
        terms: name -> function `(n, latent_dim) -> (n,)`; at least one.

    Raises:
        ValueError: without terms.
    """

    def __init__(self, terms: Mapping[str, LogDensityFn]) -> None:
        if not terms:
            raise ValueError("a LogDensity needs at least one term")
        self.terms = dict(terms)

    def __call__(self, z: Tensor) -> Tensor:
        values = [term(z) for term in self.terms.values()]
        return torch.stack(values).sum(0)


def as_terms(log_density_fn: LogDensityFn) -> LogDensity:
    """The density as named terms; a plain function becomes the one term "target"."""
    if isinstance(log_density_fn, LogDensity):
        return log_density_fn
    return LogDensity({"target": log_density_fn})


def value_and_force(term: LogDensityFn, z: Tensor) -> tuple[Tensor, Tensor]:
    """One term and its force: t(z) `(n,)` and ∇_z t(z) `(n, latent_dim)`, both detached.

    Chains do not interact, so the gradient of the sum over the batch is each row's own.
    """
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = term(z)
        (force,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), force
