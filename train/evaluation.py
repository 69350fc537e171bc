"""What a checkpoint is judged by: test reconstruction, samples from fixed seeds, exact log p."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from lebm.exact import PlaneGrid, log_marginal
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from train.data import to_model_range
from train.pictures import save_grid, save_points

EVALUATED = 512  # held-out examples reconstructed at a checkpoint, the first of them
_AT_THE_EDGE = 1e-6  # share of the prior in the grid's outermost cells from which it is too small


class Reconstruct(Protocol):
    """`(n, *data_shape) -> (n, *data_shape)`: g(z) with z inferred from x in some way."""

    def __call__(self, x: Tensor, *, generator: torch.Generator) -> Tensor: ...


class SamplePrior(Protocol):
    """`(n, latent_dim) -> (n, latent_dim)`: draws of p_0 made into draws of the prior."""

    def __call__(self, start: Tensor, *, generator: torch.Generator) -> Tensor: ...


class Judged(Protocol):
    """A model, how it reconstructs and how its prior is drawn from."""

    model: LatentEBM

    def reconstruct(self, x: Tensor, *, generator: torch.Generator) -> Tensor: ...

    def sample_prior(self, start: Tensor, *, generator: torch.Generator) -> Tensor: ...


def judge(method: Judged, test: Tensor, folder: Path, step: int) -> dict[str, float]:
    """Leave pictures of a checkpoint; returns its row of evaluation.csv.

    Args:
        method: the model as it stands, and what is done with it.
        test: held-out examples.
        folder: of the pictures.
        step: iterations so far.
    """
    model, reconstruct = method.model, method.reconstruct
    save_samples(model, reconstruct, method.sample_prior, test, folder, step)
    return evaluate(model, reconstruct, test)


def mse_scale(examples: Tensor) -> float:
    """Factor from squared error in model units to the scale on which MSE is reported."""
    return 0.25 if examples.dtype == torch.uint8 else 1.0  # [-1, 1] is twice as wide as [0, 1]


def reconstruction_mse(
    reconstruct: Reconstruct, test: Tensor, *, seed: int, device: torch.device, batch: int = 256
) -> float:
    """Mean squared error of reconstructions of held-out examples.

    Images count on the 0-to-1 scale, the mean over pixels and channels, as in Table 1; points
    in their own units.

    Args:
        reconstruct: how to infer z and decode it; see `by_langevin`.
        test: held-out examples as the data set holds them.
        seed: of what the inference draws.
        device: where to compute.
        batch: examples at a time.
    """
    generator = torch.Generator(device).manual_seed(seed)
    total = 0.0
    for rows in test.split(batch):
        x = to_model_range(rows).to(device)
        error = (reconstruct(x, generator=generator) - x).square()
        total += float(error.flatten(1).mean(1).sum())
    return mse_scale(test) * total / len(test)


def by_langevin(model: LatentEBM, config: LangevinConfig) -> Reconstruct:
    """Reconstruction with z from a posterior chain that starts at p_0 noise."""
    return lambda x, *, generator: model.reconstruct(x, config, generator=generator)


def evaluate(model: LatentEBM, reconstruct: Reconstruct, test: Tensor) -> dict[str, float]:
    """A row of evaluation.csv: the test MSE and, for points from a latent plane, exact log p(x).

    Args:
        model: the model.
        reconstruct: how its z is inferred.
        test: held-out examples; the first `EVALUATED` are reconstructed.
    """
    device = next(model.parameters()).device
    mse = reconstruction_mse(reconstruct, test[:EVALUATED], seed=0, device=device)
    row = {"test_mse": mse}
    if model.config.latent_dim == 2 and len(model.config.data_shape) == 1:
        row["log_prob"] = exact_log_prob(model, test)
        row["log_prob_gaussian"] = exact_log_prob(model, test, tilted=False)
    return row


@torch.no_grad()
def exact_log_prob(model: LatentEBM, test: Tensor, *, tilted: bool = True) -> float:
    """Mean log p(x) in nats of held-out points under a model with a 2-D latent, by quadrature.

    Args:
        model: the model, `latent_dim` 2.
        test: points, `(n, dim)`.
        tilted: False for the same generator under the Gaussian prior (f_α = 0).

    Returns:
        The mean; NaN where the prior reaches beyond the grid, so that no sum over it is exact.
    """
    exact, grid = copy.deepcopy(model).cpu().double(), PlaneGrid()
    if tilted and not grid.edge_share(exact.prior.unnorm_log_prob(grid.points)) < _AT_THE_EDGE:
        return math.nan
    return float(log_marginal(exact, test.double(), grid, tilted=tilted).mean())


def save_samples(
    model: LatentEBM,
    reconstruct: Reconstruct,
    sample_prior: SamplePrior,
    test: Tensor,
    folder: Path,
    step: int,
) -> None:
    """Pictures of a checkpoint, the same seeds at every step of a run.

    `gaussian-*`: g_β of p_0 noise. `prior-*`: samples of the prior from the same noise, as the
    method draws them.
    `reconstruction-*`: held-out examples (odd columns) and their reconstructions (even ones).
    """
    device = next(model.parameters()).device
    n_samples = 64 if test.dtype == torch.uint8 else 2000
    noise = ChainNoise(0, range(n_samples), model.config.latent_dim)
    start = noise.at(0).to(device)
    generator = torch.Generator(device).manual_seed(0)
    end = sample_prior(start, generator=generator)
    x = to_model_range(test[: n_samples // 2]).to(device)
    again = reconstruct(x, generator=generator)
    pairs = torch.stack([x, again], 1).flatten(0, 1)
    save = save_grid if test.dtype == torch.uint8 else save_points
    save(model.generate(start), folder / f"gaussian-{step:06d}.png")
    save(model.generate(end), folder / f"prior-{step:06d}.png")
    save(pairs, folder / f"reconstruction-{step:06d}.png")
