"""A log density given as a sum of named terms, so that a chain can report each one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import TypeVar

import torch
from torch import Tensor

LogDensityFn = Callable[[Tensor], Tensor]

T = TypeVar("T")

#: The names under which a latent EBM's terms appear, in chains, exports and on screen.
BASE, TILT, LIKELIHOOD = "base", "tilt", "likelihood"


class Analytic(ABC):
    """Base of a term that computes its own force; any other function is differentiated.

    The methods run without gradients and outside autocast.
    """

    @abstractmethod
    def __call__(self, z: Tensor) -> Tensor:
        """t(z): `(n, latent_dim) -> (n,)`, differentiable."""

    @abstractmethod
    def force(self, z: Tensor) -> Tensor:
        """∇_z t(z): `(n, latent_dim) -> (n, latent_dim)`."""

    @abstractmethod
    def value_and_force(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """t(z) and ∇_z t(z) at little more than the price of the force."""


class Scaled(Analytic):
    """λ t(z) for a term t."""

    def __init__(self, factor: float, term: LogDensityFn) -> None:
        self._factor, self._term = factor, term

    def __call__(self, z: Tensor) -> Tensor:
        return self._factor * self._term(z)

    def force(self, z: Tensor) -> Tensor:
        return self._factor * force(self._term, z)

    def value_and_force(self, z: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = value_and_force(self._term, z)
        return self._factor * value, self._factor * gradient


class LogDensity:
    """log π(z) = Σ_j t_j(z), up to a constant; callable as `(n, latent_dim) -> (n,)`.

    Any function of that shape is a density too: `as_terms` makes it one of a single term.

    Args:
        terms: name -> function `(n, latent_dim) -> (n,)`, an `Analytic` one if it knows its
            force; at least one.

    Raises:
        ValueError: without terms.
    """

    def __init__(self, terms: Mapping[str, LogDensityFn]) -> None:
        if not terms:
            raise ValueError("a LogDensity needs at least one term")
        self.terms = dict(terms)

    def __call__(self, z: Tensor) -> Tensor:
        return total(term(z) for term in self.terms.values())

    def force(self, z: Tensor) -> Tensor:
        """∇_z log π(z), `(n, latent_dim)`, detached."""
        return total(force(term, z) for term in self.terms.values())


def as_terms(log_density_fn: LogDensityFn) -> LogDensity:
    """The density as named terms; a plain function becomes the one term "target"."""
    if isinstance(log_density_fn, LogDensity):
        return log_density_fn
    return LogDensity({"target": log_density_fn})


def total(parts: Iterable[Tensor]) -> Tensor:
    """The sum of values or forces of the terms of a density, at least one."""
    return reduce(torch.add, parts)


def force(term: LogDensityFn, z: Tensor) -> Tensor:
    """One term's force: ∇_z t(z), `(n, latent_dim)`, detached."""
    if isinstance(term, Analytic):
        return _by_hand(term.force, z)
    return value_and_force(term, z)[1]


def value_and_force(term: LogDensityFn, z: Tensor) -> tuple[Tensor, Tensor]:
    """One term and its force: t(z) `(n,)` and ∇_z t(z) `(n, latent_dim)`, both detached.

    Chains do not interact, so the gradient of the sum over the batch is each row's own.
    """
    if isinstance(term, Analytic):
        return _by_hand(term.value_and_force, z)
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = term(z)
        (gradient,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), gradient


def _by_hand(method: Callable[[Tensor], T], z: Tensor) -> T:
    """What an analytic method says, without gradients and in z's own precision."""
    if not (torch.is_grad_enabled() or torch.is_autocast_enabled(z.device.type)):
        return method(z)  # as within a chain; entering the two contexts costs a tenth of a step
    with torch.no_grad(), torch.autocast(z.device.type, enabled=False):
        return method(z)
