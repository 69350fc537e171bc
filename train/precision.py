"""Whether bfloat16 moves what posterior chains find: `python -m train.precision`."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import mean, stdev

import torch
import tyro
from torch import Tensor

from lebm import langevin, zoo
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from train import data


def main(examples: int = 64, seeds: int = 4) -> int:
    """Reconstruct held-out digits with the zoo's mnist model in both precisions.

    Args:
        examples: how many; its own samples where there is no MNIST on this machine.
        seeds: of the posterior chains; at least 2.

    Returns:
        The exit status.
    """
    print(compare(*zoo_examples(examples), seeds=range(seeds)))
    return 0


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """The context of passes through g_β for a run's precision, "32-true" or "bf16-mixed"."""
    if precision == "32-true":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def posterior_chain(
    model: LatentEBM,
    x: Tensor,
    z: Tensor,
    config: LangevinConfig,
    rng: torch.Generator,
    precision: str,
) -> Tensor:
    """z⁺ `(n, latent_dim)` from z by posterior chains in a run's precision."""
    with autocast(precision, x.device):
        return langevin.sample(model.posterior_density(x), z, config, generator=rng)


@dataclass(frozen=True, slots=True)
class Precision:
    """Test-reconstruction MSE on the 0-to-1 scale, one value a seed of the posterior chains."""

    float32: list[float]
    bfloat16: list[float]

    @property
    def shift(self) -> float:
        """How far bfloat16 moves the mean, in standard deviations between seeds."""
        return abs(mean(self.bfloat16) - mean(self.float32)) / stdev(self.float32)

    def __str__(self) -> str:
        full, half = mean(self.float32), mean(self.bfloat16)
        return (
            f"reconstruction MSE of the zoo's mnist model, {len(self.float32)} seeds: float32 "
            f"{full:.6f} ± {stdev(self.float32):.6f}, bfloat16 {half:.6f} ± "
            f"{stdev(self.bfloat16):.6f}, means {self.shift:.2f} standard deviations apart"
        )


def compare(model: LatentEBM, x: Tensor, config: LangevinConfig, *, seeds: range) -> Precision:
    """Reconstruct examples with posterior chains in float32 and under bfloat16 autocast.

    Args:
        model: a trained model of images.
        x: examples, `(n, *data_shape)`.
        config: the posterior chain, from p_0 noise.
        seeds: of the chains; the two precisions share them.
    """
    errors: dict[str, list[float]] = {"32-true": [], "bf16-mixed": []}
    for precision, found in errors.items():
        for seed in seeds:
            rng = torch.Generator().manual_seed(seed)
            start = model.prior.sample_base(len(x), generator=rng)
            z = posterior_chain(model, x, start, config, rng, precision)
            found.append(0.25 * float((model.generate(z) - x).square().mean()))
    return Precision(errors["32-true"], errors["bf16-mixed"])


def zoo_examples(n: int) -> tuple[LatentEBM, Tensor, LangevinConfig]:
    """The zoo's mnist model, held-out digits (its own samples where there is no MNIST), sampler."""
    model, card = zoo.load_model("mnist")
    try:
        held_out = data.load("mnist", model.config.data_shape, download=False).test
        x = data.to_model_range(held_out[:n])
    except data.DatasetUnavailable:
        rng = torch.Generator().manual_seed(0)
        z = model.prior.sample_base(n, generator=rng)
        z = langevin.sample(model.prior_density(), z, card.prior_sampler, generator=rng)
        x = model.generate(z)
    return model, x, card.reconstruction_sampler


if __name__ == "__main__":
    sys.exit(tyro.cli(main, prog="python -m train.precision"))
