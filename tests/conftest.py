"""Shared by all tests: seeded generators, small models, and a model that is Gaussian throughout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from lebm.model import LatentEBM, ModelConfig

torch.set_num_threads(1)


class Quadratic(nn.Module):
    """f(z) = b'z - z'Az/2, `(n, 1)`: tilts N(0, I) to a Gaussian of precision I + A."""

    def __init__(self, curvature: Tensor, slope: Tensor) -> None:
        super().__init__()
        self.curvature, self.slope = nn.Parameter(curvature), nn.Parameter(slope)

    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.slope - 0.5 * (z @ self.curvature * z).sum(-1))[:, None]


@dataclass(frozen=True)
class GaussianModel:
    """A latent EBM with quadratic f and g(z) = Wz + c, and its densities in closed form."""

    model: LatentEBM
    precision: Tensor
    """Of the prior: I + A."""
    mean: Tensor
    """Of the prior: (I + A)^-1 b."""
    weight: Tensor
    bias: Tensor

    @property
    def log_partition(self) -> float:
        return float(0.5 * self.mean @ self.precision @ self.mean - 0.5 * self.precision.logdet())

    @property
    def marginal(self) -> MultivariateNormal:
        """p(x) = N(Wm + c, W (I + A)^-1 W' + σ² I)."""
        noise = self.model.noise_std**2 * torch.eye(len(self.weight)).double()
        covariance = self.weight @ self.precision.inverse() @ self.weight.T + noise
        return MultivariateNormal(self.weight @ self.mean + self.bias, covariance)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and precision of p(z|x) for one x."""
        variance = self.model.noise_std**2
        precision = self.precision + self.weight.T @ self.weight / variance
        pull = self.precision @ self.mean + self.weight.T @ (x - self.bias) / variance
        return torch.linalg.solve(precision, pull), precision


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small tensors are slower on two threads, far slower beside another process.

    Whatever a test before asked for: some libraries set it for all.
    """
    torch.set_num_threads(1)


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def make_model() -> Callable[..., LatentEBM]:
    """Builds a small model in float64; keyword arguments are those of `ModelConfig`."""

    def make(latent_dim: int = 3, data_shape: tuple[int, ...] = (4,), **others) -> LatentEBM:
        torch.manual_seed(0)
        sizes = {"width": 4, "prior_hidden": 8} | others
        return LatentEBM(ModelConfig(latent_dim, data_shape, **sizes)).double()

    return make


@pytest.fixture
def make_gaussian(make_model) -> Callable[..., GaussianModel]:
    """Builds a `GaussianModel`, 2-D latent and 3-D data; without the tilt f = 0."""

    def make(*, tilted: bool = True) -> GaussianModel:
        model = make_model(latent_dim=2, data_shape=(3,), noise_std=0.8)
        curvature = torch.tensor([[0.9, 0.4], [0.4, 0.5]], dtype=torch.float64) * tilted
        slope = torch.tensor([0.7, -1.1], dtype=torch.float64) * tilted
        model.prior.f = Quadratic(curvature, slope)
        model.generator = nn.Linear(2, 3).double()
        precision = torch.eye(2).double() + curvature
        return GaussianModel(
            model=model,
            precision=precision,
            mean=torch.linalg.solve(precision, slope),
            weight=model.generator.weight.detach(),
            bias=model.generator.bias.detach(),
        )

    return make


@pytest.fixture
def p_value() -> Callable[[Tensor], float]:
    """Smallest p-value, Bonferroni corrected, of the hypothesis that rows are N(0, I).

    Tests the mean of each column, its second moment and the product of each pair of columns. A
    test that asserts `p_value(rows) > r` fails with probability at most about r when all is well.
    """

    def compute(rows: Tensor) -> float:
        y = rows.double().numpy()
        n, d = y.shape
        second = y.T @ y
        means = 2 * stats.norm.sf(np.abs(y.sum(0)) / np.sqrt(n))
        variances = 2 * np.minimum(
            stats.chi2.cdf(np.diag(second), n), stats.chi2.sf(np.diag(second), n)
        )
        products = 2 * stats.norm.sf(np.abs(second[np.triu_indices(d, 1)]) / np.sqrt(n))
        p = np.concatenate([means, variances, products])
        return float(p.min() * p.size)

    return compute
