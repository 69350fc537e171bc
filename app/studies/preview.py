"""What a model of the zoo has learned, at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from app.studies.chain_run import decode
from app.studies.sentence_chains import read
from lebm import langevin, zoo
from lebm.checkpoint import ModelCard
from lebm.noise import ChainNoise
from train.evaluation import EVALUATED

TEST_MSE = f"test MSE (first {EVALUATED})"  # the fact's name on a card
TEST_NLL = "−log p(x|z) of test sentences, nats"  # likewise
_SAMPLES = {"images": 64, "points": 1000, "text": 12}


@dataclass(frozen=True, slots=True)
class Preview:
    """A model's card and decoded samples of its prior.

    Attributes:
        card: where the model comes from.
        examples: uint8 `(n, h, w, c)`, points `(n, 2)`, or n sentences.
    """

    card: ModelCard
    examples: np.ndarray | list[str]


@lru_cache(maxsize=8)
def of_zoo(name: str) -> Preview:
    """Of a model of the zoo, by chains as long as those it was trained with."""
    model, card = zoo.load_model(name)
    density = model.prior_density()
    kind = model.config.kind
    noise = ChainNoise(0, range(_SAMPLES[kind]), model.config.latent_dim)
    chain = langevin.run(
        density, langevin.init(density, noise.at(0)), card.prior_sampler, noise=noise
    )
    end = chain.z[-1:]
    return Preview(card, read(model, end[0]) if kind == "text" else decode(model, end)[0])
