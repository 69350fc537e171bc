"""What a checkpoint of a model of sentences is judged by: -log p(x|z), and samples to read."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from lebm.checkpoint import atomic_write
from lebm.model import LatentEBM
from lebm.noise import ChainNoise

EVALUATED = 256  # held-out sentences whose latents are inferred at a checkpoint, the first of them
_SHOWN = 32  # of each kind in the files of samples


class Infer(Protocol):
    """`(n, T) -> (n, latent_dim)`: z inferred from sentences in some way."""

    def __call__(self, x: Tensor, *, generator: torch.Generator) -> Tensor: ...


@torch.no_grad()
def reconstruction_nll(
    model: LatentEBM, infer: Infer, test: Tensor, *, seed: int, batch: int = 128
) -> tuple[Tensor, Tensor]:
    """-log p(x|z) of each held-out sentence, in nats, with its own z and with another's.

    The first is the NLL of Table 2. Where the two agree, z says nothing: the posterior has
    collapsed.

    Args:
        model: the model.
        infer: how z is inferred.
        test: held-out sentences, `(n, T)`, at least 2 to have others among them.
        seed: of what the inference draws.
        batch: sentences at a time.

    Returns:
        Both, `(n,)` each; the other z is that of the sentence before, for the first the last's.
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    batches = [rows.to(device) for rows in test.split(batch)]
    z = torch.cat([infer(x, generator=generator) for x in batches])

    def nll(latents: Tensor) -> Tensor:
        pairs = zip(batches, latents.split(batch), strict=True)
        return torch.cat([-model.log_likelihood(*pair) for pair in pairs])

    return nll(z), nll(z.roll(1, 0))


class Judged(Protocol):
    """A model, how its latents are inferred and how its prior is drawn from."""

    model: LatentEBM

    def infer(self, x: Tensor, *, generator: torch.Generator) -> Tensor: ...

    def sample_prior(self, start: Tensor, *, generator: torch.Generator) -> Tensor: ...


def judge(method: Judged, test: Tensor, folder: Path, step: int) -> dict[str, float]:
    """Leave sentences of a checkpoint; returns its row of evaluation.csv.

    Args:
        method: the model as it stands, and what is done with it.
        test: held-out sentences.
        folder: of the samples.
        step: iterations so far.
    """
    save_samples(method, test, folder, step)
    return evaluate(method.model, method.infer, test)


def evaluate(model: LatentEBM, infer: Infer, test: Tensor) -> dict[str, float]:
    """A row of evaluation.csv: -log p(x|z) a sentence, in nats, with its own z and another's.

    Args:
        model: the model.
        infer: how its z is inferred.
        test: held-out sentences; the first `EVALUATED` are taken.
    """
    own, others = reconstruction_nll(model, infer, test[:EVALUATED], seed=0)
    return {"test_nll": float(own.mean()), "test_nll_shuffled": float(others.mean())}


def save_samples(method: Judged, test: Tensor, folder: Path, step: int) -> None:
    """Sentences of a checkpoint, the same seeds at every step of a run, greedy decodings all.

    `gaussian-*`: of p_0 noise. `prior-*`: of samples of the prior from the same noise.
    `reconstruction-*`: held-out sentences, each with its reconstruction below it.
    """
    model = method.model
    device = next(model.parameters()).device
    start = ChainNoise(0, range(_SHOWN), model.config.latent_dim).at(0).to(device)
    generator = torch.Generator(device).manual_seed(0)
    end = method.sample_prior(start, generator=generator)
    x = test[:_SHOWN].to(device)
    again = sentences(model, model.generate(method.infer(x, generator=generator)))
    pairs = [f"{a}\n  {b}" for a, b in zip(sentences(model, x), again, strict=True)]
    _save(sentences(model, model.generate(start)), folder / f"gaussian-{step:06d}.txt")
    _save(sentences(model, model.generate(end)), folder / f"prior-{step:06d}.txt")
    _save(pairs, folder / f"reconstruction-{step:06d}.txt")


def sentences(model: LatentEBM, tokens: Tensor) -> list[str]:
    """Rows of numbers `(n, T)` in the model's words."""
    assert model.config.text is not None
    return model.config.text.vocabulary.decode(tokens)


def _save(lines: list[str], path: Path) -> None:
    atomic_write(path, ("\n".join(lines) + "\n").encode())
