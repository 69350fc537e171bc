"""Chains of a model of sentences, read word by word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from app.studies import steps
from app.studies.chain_run import ChainSettings
from lebm import langevin
from lebm.model import LatentEBM
from lebm.trajectory import Trajectory
from lebm.vocabulary import END
from lebm.word_edits import share_differing, share_differing_in_pairs

_BATCH = 512  # latents decoded at a time


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a sentence, and whether it was in the sentence before."""

    text: str
    new: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """Steps of a chain over which it says the same.

    Attributes:
        first: the step at which it begins to.
        last: the last step at which it still does.
        words: what it says, the words new since the stretch before marked.
        energy: -f(z) at the first and at the last of these steps.
    """

    first: int
    last: int
    words: tuple[Word, ...]
    energy: tuple[float, float]

    @property
    def moved(self) -> float:
        """How far the energy went while no word changed."""
        return self.energy[1] - self.energy[0]


def walk(
    model: LatentEBM,
    settings: ChainSettings,
    x: Tensor | None = None,
    report: Callable[[float], None] = lambda share: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Trajectory:
    """The chains with every step.

    Args:
        model: the model.
        settings: the chains.
        x: the sentence whose posterior they climb, `(1, T)`; None climbs the prior.
        report: called with the share done.
        should_stop: asked now and then once there are steps; True ends the chains there.
    """
    noise, density = settings.noise(model), settings.density(model, x)
    state, n_steps = langevin.init(density, settings.start(model, x)), settings.n_steps
    chains = langevin.run(density, state, settings.sampler(min(steps.PIECE, n_steps)), noise=noise)
    while (taken := chains.state.step) < n_steps and not should_stop():
        piece = settings.sampler(min(steps.PIECE, n_steps - taken))
        chains = chains.extend(langevin.run(density, chains.state, piece, noise=noise))
        report(chains.state.step / n_steps)
    return chains


def read(model: LatentEBM, z: Tensor) -> list[str]:
    """The likeliest sentence of each latent, word by word: `(n, latent_dim)` -> n sentences."""
    assert model.config.text is not None
    vocabulary = model.config.text.vocabulary
    return [s for rows in z.split(_BATCH) for s in vocabulary.decode(model.generate(rows))]


def recall(model: LatentEBM, z: Tensor) -> tuple[str, ...]:
    """As `read`, remembered: a page is drawn many times of the same latents."""
    return _recall(model, z.shape, z.numpy().tobytes())


@lru_cache(maxsize=64)
def _recall(model: LatentEBM, shape: torch.Size, latents: bytes) -> tuple[str, ...]:
    z = np.ndarray(shape, np.float32, latents)
    return tuple(read(model, torch.from_numpy(z.copy())))


def stretches(sentences: list[str], energy: np.ndarray) -> list[Stretch]:
    """A chain's sentences, `(T,)`, with steps that say the same taken together.

    Args:
        sentences: at each step.
        energy: -f(z) at each step, `(T,)`.
    """
    changed = [i for i, s in enumerate(sentences) if i == 0 or s != sentences[i - 1]]
    ends = [*(i - 1 for i in changed[1:]), len(sentences) - 1]
    found = []
    for first, last in zip(changed, ends, strict=True):
        before = sentences[first - 1] if first else sentences[first]
        around = float(energy[first]), float(energy[last])
        found.append(Stretch(first, last, compared(before, sentences[first]), around))
    return found


def compared(before: str, after: str) -> tuple[Word, ...]:
    """The words of a sentence, those marked that its predecessor does not have in this order."""
    old, new = before.split(), after.split()
    kept = [False] * len(new)
    for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        kept[block.b : block.b + block.size] = [True] * block.size
    return tuple(Word(word, not same) for word, same in zip(new, kept, strict=True))


def words_apart(a: Sequence[str], b: Sequence[str]) -> np.ndarray:
    """The share of words in which each sentence of a differs from the same one of b, `(n,)`."""
    sides = [[sentence.split() for sentence in side] for side in (a, b)]
    words = [word for side in sides for sentence in side for word in sentence]
    numbers = {word: i for i, word in enumerate(dict.fromkeys(words), start=END + 1)}
    length = max(len(sentence) for side in sides for sentence in side)
    rows = [
        [[*map(numbers.__getitem__, s), *[END] * (length - len(s))] for s in side] for side in sides
    ]
    return share_differing_in_pairs(*map(torch.tensor, rows)).numpy()


def words_shared(model: LatentEBM, said: str, others: Sequence[str]) -> np.ndarray:
    """1 minus the share of words in which each of the model's sentences differs from one."""
    assert model.config.text is not None
    rows = [sentence.split() for sentence in (said, *others)]
    tokens = model.config.text.vocabulary.encode(rows, model.config.data_shape[0] + 1)
    return 1 - share_differing(tokens[:1], tokens[1:])[0].numpy()
