"""Whether bfloat16 moves what is found and learned: `python -m train.precision`.

Test error of a trained model's posterior chains; test error and sample distance of models that
learn in either precision from the same seeds. Each is held against the spread between seeds.
"""

from __future__ import annotations

import logging
import math
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev

import torch
import tyro
from torch import Tensor, nn

from lebm import langevin, zoo
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from train import data, evaluation
from train.config import Precision as PrecisionName
from train.config import TrainConfig
from train.data import Dataset
from train.frechet import Frechet
from train.pictures import quantise
from train.presets import PRESETS
from train.ranks import native
from train.run_dir import RunDir
from train.trainer import Trainer


def main(examples: int = 64, seeds: int = 4, epochs: int = 10) -> int:
    """Reconstruct with the zoo's mnist model, and learn the preset digits, in both precisions.

    Args:
        examples: reconstructed held-out digits of MNIST, or the model's own samples where there
            is no MNIST on this machine.
        seeds: of posterior chains, and of learning; at least 2.
        epochs: of learning.

    Returns:
        The exit status.
    """
    least = {"examples": (examples, 1), "seeds": (seeds, 2), "epochs": (epochs, 1)}
    for name, (value, lowest) in least.items():
        if value < lowest:
            print(f"error: {name} must be at least {lowest}, not {value}", file=sys.stderr)
            return 1
    if native("bf16-mixed", torch.device("cpu")) == "32-true":
        print("error: this processor only imitates bfloat16; no run learns in it", file=sys.stderr)
        return 1
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    print(compare(*zoo_examples(examples), seeds=range(seeds)), flush=True)
    config = replace(PRESETS["digits"][1], epochs=epochs, accelerator="cpu")
    digits = data.load("digits", config.model.data_shape)
    for compared in compare_learning(config, digits, seeds=range(seeds)):
        print(compared)
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
    """A measure in both precisions, one value a seed; an MSE is on the 0-to-1 scale."""

    float32: list[float]
    bfloat16: list[float]
    what: str = "reconstruction MSE of the zoo's mnist model"

    @property
    def shift(self) -> float:
        """How far bfloat16 moves the mean, in standard deviations between seeds."""
        return abs(mean(self.bfloat16) - mean(self.float32)) / stdev(self.float32)

    def __str__(self) -> str:
        full, half = mean(self.float32), mean(self.bfloat16)
        verdict = "less" if self.shift < 1 else "not less"
        return (
            f"{self.what}, {len(self.float32)} seeds: float32 {full:.4g} ± "
            f"{stdev(self.float32):.2g}, bfloat16 {half:.4g} ± {stdev(self.bfloat16):.2g}, means "
            f"{self.shift:.2f} standard deviations apart, {verdict} than the spread between seeds"
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


def compare_learning(config: TrainConfig, dataset: Dataset, *, seeds: range) -> list[Precision]:
    """Learn in float32 and in bf16-mixed; test MSE, and the distance of samples to the data.

    The distance is Fréchet's, of the pixels themselves: no network stands between.

    Args:
        config: the run; its seed, precision and saving are set here.
        dataset: small images, uint8.
        seeds: of the runs; the two precisions share them.
    """
    found: dict[PrecisionName, list[tuple[float, float]]] = {"32-true": [], "bf16-mixed": []}
    for precision, values in found.items():
        for seed in seeds:
            own = replace(config, precision=precision, seed=seed, save_every=10**9)
            with tempfile.TemporaryDirectory() as folder:
                run = RunDir(Path(folder))
                run.create(own)
                trainer = Trainer(own, dataset, run, command="python -m train.precision")
                trainer.fit()
            values.append(_judged(trainer))
    full, half = (zip(*values, strict=True) for values in found.values())
    names = ("test MSE", "Fréchet distance of samples, in pixels,")
    return [
        Precision(list(a), list(b), f"{name} of {dataset.name} after {config.epochs} epochs")
        for name, a, b in zip(names, full, half, strict=True)
    ]


def _judged(trainer: Trainer) -> tuple[float, float]:
    """Test MSE and sample distance of a run at its end."""
    method, device, dataset = trainer.method, trainer.fabric.device, trainer.dataset
    trainer.model.eval()
    mse = evaluation.reconstruction_mse(method.reconstruct, dataset.test, seed=0, device=device)
    rng = torch.Generator(device).manual_seed(0)
    z = trainer.model.prior.sample_base(len(dataset.train), generator=rng)
    fake = quantise(trainer.model.generate(method.sample_prior(z, generator=rng)))
    pixels = _Pixels(math.prod(dataset.data_shape))
    return mse, Frechet([dataset.train], pixels, device).distance([fake])


class _Pixels(nn.Module):
    """Pixels as features, on the 0-to-1 scale."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) / 255


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
