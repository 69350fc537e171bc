"""Examples to infer latents of: held-out ones, or where there are none, the model's own samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lebm import langevin
from lebm.checkpoint import ModelCard
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from train import data
from train.pictures import to_uint8

N_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples of a model's data.

    Attributes:
        rows: as a data set holds them: uint8 images `(n, c, h, w)`, or points `(n, dim)`.
        held_out: whether they are the data set's test examples, not the model's own samples.
        source: what they are, a sentence.
    """

    rows: Tensor
    held_out: bool
    source: str

    def x(self, index: int) -> Tensor:
        """One example as the model takes it, `(1, *data_shape)`."""
        return data.to_model_range(self.rows[index : index + 1])


def held_out(model: LatentEBM, card: ModelCard) -> Tensor:
    """The test examples of the model's data set; nothing is downloaded for them.

    Raises:
        DatasetUnavailable: if it is not on this machine.
    """
    name = str(card.facts.get("data", ""))
    return data.load(name, model.config.data_shape, download=False).test


def find(model: LatentEBM, card: ModelCard) -> Examples:
    """Held-out examples, or else decoded samples of the model's prior chain."""
    name = card.facts.get("data")
    try:
        rows = held_out(model, card)
        return Examples(rows, True, f"{len(rows):,} held-out examples of {name}.")
    except data.DatasetUnavailable:
        noise = ChainNoise(0, range(N_SAMPLES), model.config.latent_dim)
        density = model.prior_density()
        start = langevin.init(density, noise.at(0))
        end = langevin.run(density, start, card.prior_sampler, noise=noise, thin=10**6)
        decoded = model.generate(end.z[-1])
        if decoded.ndim == 4:
            decoded = torch.from_numpy(to_uint8(decoded)).permute(0, 3, 1, 2)
        return Examples(
            decoded,
            False,
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
    pieces = 10
    sampler = card.reconstruction_sampler
    piece = replace(sampler, n_steps=max(1, sampler.n_steps // pieces))
    for i in range(pieces):
        if should_stop():
            return None
        z = langevin.sample(model.posterior_density(x), z, piece, generator=generator)
        report((i + 1) / pieces)
    return z
