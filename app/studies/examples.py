"""Examples to infer latents of: held-out ones, or where there are none, the model's own samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from lebm import langevin
from lebm.checkpoint import ModelCard
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from train import data
from train.pictures import quantise

N_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class Example:
    """One example, and where it is from.

    Attributes:
        x: as the model takes it, `(1, *data_shape)`.
        origin: a test example, a sample of the model, a picture of one's own, a place in the
            plane, a sentence that was typed.
        data: the data set's name, of a test example.
        number: of a test example or a sample.
        typed: the words of a sentence that was typed, with spaces between.
    """

    x: Tensor
    origin: Literal["test", "sample", "picture", "place", "typed"]
    data: str = ""
    number: int = 0
    typed: str = ""

    @property
    def name(self) -> str:
        """In words."""
        place = ", ".join(f"{v:g}" for v in self.x.flatten()[:2].tolist())
        return {
            "test": f"test example {self.number} of {self.data}",
            "sample": f"sample {self.number} of the model",
            "picture": "a picture of one's own",
            "place": f"the point ({place})",
            "typed": f"the sentence “{self.typed}”",
        }[self.origin]


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples of a model's data.

    Attributes:
        rows: as a data set holds them: uint8 images `(n, c, h, w)`, points `(n, dim)`, or sentences
            int64 `(n, T)`.
        data: the data set whose test examples they are; None for the model's own samples.
        source: what they are, a sentence.
    """

    rows: Tensor
    data: str | None
    source: str

    def example(self, number: int) -> Example:
        """One of them; a number beyond the last means the last."""
        number = min(number, len(self.rows) - 1)
        x = data.to_model_range(self.rows[number : number + 1])
        return Example(x, "sample" if self.data is None else "test", self.data or "", number)


def held_out(model: LatentEBM, card: ModelCard) -> Tensor:
    """The test examples of the model's data set; nothing is downloaded for them.

    Raises:
        DatasetUnavailable: if it is not on this machine.
    """
    return data.unseen(card.facts, model.config, download=False)


def find(model: LatentEBM, card: ModelCard) -> Examples:
    """Held-out examples, or else decoded samples of the model's prior chain."""
    name = str(card.facts.get("data", "unknown"))
    try:
        rows = held_out(model, card)
        return Examples(rows, name, f"{len(rows):,} held-out examples of {name}.")
    except data.DatasetUnavailable:
        noise = ChainNoise(0, range(N_SAMPLES), model.config.latent_dim)
        density = model.prior_density()
        start = langevin.init(density, noise.at(0))
        end = langevin.run(density, start, card.prior_sampler, noise=noise, thin=10**6)
        decoded = model.generate(end.z[-1])
        return Examples(
            quantise(decoded) if decoded.ndim == 4 else decoded,
            None,
            f"{N_SAMPLES} decoded samples of the model itself: its data set ({name}) is not on "
            "this machine. Train on it once, or set LEBM_DATA to the folder that holds it.",
        )


def aggregate_posterior(
    model: LatentEBM,
    card: ModelCard,
    x: Tensor,
    *,
    report: Callable[[float], None],
    should_stop: Callable[[], bool],
) -> Tensor | None:
    """One posterior sample an example, `(n, latent_dim)`; None if it was stopped before the end.

    Args:
        model: the model.
        card: its `reconstruction_sampler` is the chain.
        x: examples as the model takes them, `(n, *data_shape)`.
        report: called with the share done.
        should_stop: asked ten times on the way.
    """
    z = model.prior.sample_base(len(x), generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    sampler = card.reconstruction_sampler
    for done in range(10):
        if should_stop():
            return None
        n_steps = sampler.n_steps * (done + 1) // 10 - sampler.n_steps * done // 10
        piece = replace(sampler, n_steps=n_steps)
        z = langevin.sample(model.posterior_density(x), z, piece, generator=generator)
        report((done + 1) / 10)
    return z
