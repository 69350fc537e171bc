"""Tilts f of N(0, I) whose prior exp(f) p_0 / Z can be drawn from exactly.

They let a model hold a prior that is no network: N(0, I) itself, or a mixture of Gaussians
fitted to codes. All that takes a `TiltedPrior` works on them as it does on a learned f.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class ExactTilt(nn.Module, ABC):
    """f(z), `(..., latent_dim) -> (..., 1)`, with Z = 1 and draws that need no chain."""

    @abstractmethod
    def sample(self, start: Tensor, *, generator: torch.Generator) -> Tensor:
        """Draws from exp(f) p_0, `(n, latent_dim)`, made from draws of p_0.

        Args:
            start: draws of p_0, `(n, latent_dim)`, each made into one of the result.
            generator: source of whatever else is drawn.
        """


class NoTilt(ExactTilt):
    """f = 0: the prior is N(0, I)."""

    def __init__(self) -> None:
        super().__init__()
        # Says on what device and in what precision the prior is; the value plays no part.
        self.register_buffer("anchor", torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        return 0 * z.sum(-1, keepdim=True)  # so that there is a gradient, and it is zero

    def sample(self, start: Tensor, *, generator: torch.Generator) -> Tensor:
        """`start` itself."""
        return start


class MixtureTilt(ExactTilt):
    r"""The tilt that makes the prior a mixture of m Gaussians.

    $$ f(z) = \log \sum_j w_j \, N(z; \mu_j, (L_j L_j^T)^{-1}) - \log p_0(z) $$

    Args:
        latent_dim: d, the length of z.
        n_components: m.

    Attributes:
        log_weights: log w up to a constant, `(m,)`.
        means: μ, `(m, latent_dim)`.
        precision_factors: L, lower triangular, `(m, latent_dim, latent_dim)`.
    """

    log_weights: Tensor
    means: Tensor
    precision_factors: Tensor

    def __init__(self, latent_dim: int, n_components: int) -> None:
        super().__init__()
        self.register_buffer("log_weights", torch.zeros(n_components))
        self.register_buffer("means", torch.zeros(n_components, latent_dim))
        identity = torch.eye(latent_dim).expand(n_components, -1, -1)
        self.register_buffer("precision_factors", identity.clone())

    def forward(self, z: Tensor) -> Tensor:
        factors = self.precision_factors.tril()
        white = torch.einsum("...mi,mij->...mj", z[..., None, :] - self.means, factors)
        log_det = factors.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1)
        log_terms = self.log_weights.log_softmax(0) + log_det - 0.5 * white.square().sum(-1)
        # Both densities share the constant d/2 log 2π.
        return log_terms.logsumexp(-1, keepdim=True) + 0.5 * z.square().sum(-1, keepdim=True)

    def sample(self, start: Tensor, *, generator: torch.Generator) -> Tensor:
        """μ_j + L_j^-T ε with j drawn by weight and ε = `start`."""
        picked = torch.multinomial(
            self.log_weights.softmax(0), len(start), replacement=True, generator=generator
        )
        factors = self.precision_factors.tril()[picked].mT
        scaled = torch.linalg.solve_triangular(factors, start[..., None], upper=True)
        return self.means[picked] + scaled[..., 0]

    @property
    def least_variance(self) -> float:
        """The smallest variance of a component along any direction."""
        largest = torch.linalg.matrix_norm(self.precision_factors.tril(), ord=2).max()
        return 1 / max(float(largest), math.ulp(0.0)) ** 2
