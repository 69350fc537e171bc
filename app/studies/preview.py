"""What a model of the zoo has learned, at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from app.studies.chain_run import decode
from lebm import langevin, zoo
from lebm.checkpoint import ModelCard
from lebm.noise import ChainNoise
from train.evaluation import EVALUATED

TEST_MSE = f"test MSE (first {EVALUATED})"  # the fact's name on a card
_PICTURES, _POINTS = 64, 1000


@dataclass(frozen=True, slots=True)
class Preview:
    """A model's card and decoded samples of its prior.

    Attributes:
        card: where the model comes from.
        examples: uint8 `(n, h, w, c)`, or points `(n, 2)`.
    """

    card: ModelCard
    examples: np.ndarray


@lru_cache(maxsize=8)
def of_zoo(name: str) -> Preview:
    """Of a model of the zoo, by chains as long as those it was trained with."""
    model, card = zoo.load_model(name)
    density = model.prior_density()
    n = _POINTS if len(model.config.data_shape) == 1 else _PICTURES
    noise = ChainNoise(0, range(n), model.config.latent_dim)
    chain = langevin.run(
        density, langevin.init(density, noise.at(0)), card.prior_sampler, noise=noise
    )
    return Preview(card, decode(model, chain.z[-1:])[0])
