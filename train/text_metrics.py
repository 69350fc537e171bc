"""What a trained model of sentences is worth: Table 2's numbers, a bound, and the use of z."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from lebm import decoding
from lebm.decoder import RecurrentDecoder
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from lebm.tilting import tilt_path
from lebm.tilts import ExactTilt
from train.data import Dataset
from train.importance import importance_bound
from train.language_model import LanguageModel, LanguageModelConfig, fit, perplexity, word_nll
from train.text_evaluation import Judged, reconstruction_nll

JUDGE = LanguageModelConfig()
_BATCH = 128
_CHAINS = 8  # a sentence, from which the proposal and the use of z are estimated
_ACTIVE = 0.05  # variance of E[z_i|x] over sentences from which a unit counts as active


@dataclass(frozen=True, slots=True)
class LatentUse:
    """How much of a sentence its latent tells."""

    active_units: int
    """Latents whose posterior mean varies over sentences."""
    signal: float
    """Variance over sentences of E[z|x], summed over latents; that of N(0, I) is latent_dim."""


@torch.no_grad()
def posterior_chains(
    model: LatentEBM, x: Tensor, config: LangevinConfig, *, generator: torch.Generator
) -> Tensor:
    """Ends of 8 chains a sentence, from p_0 noise: `(n, T) -> (n, 8, latent_dim)`.

    They climb Bayes' posterior, however sharp the one is that the model learned with.
    """
    ends = []
    for rows in x.split(_BATCH // _CHAINS):
        each = rows.repeat_interleave(_CHAINS, 0)
        ends.append(model.infer(each, config, generator=generator))
    return torch.cat(ends).view(len(x), _CHAINS, -1)


def latent_use(chains: Tensor) -> LatentUse:
    r"""Signs of posterior collapse, from chains `(n, k, latent_dim)` of n sentences.

    $$ Var_x(E[z_i|x]) = \frac{1}{k (k - 1)} \sum_{a \ne b} Cov_x(z_i^a, z_i^b) $$

    Chains of one sentence share its mean and not their noise, so their covariance has no noise
    in it. Active units as in Burda et al. 2016.
    """
    centred = chains - chains.mean(0)
    k = chains.shape[1]
    total = centred.sum(1).square().sum(0) - centred.square().sum((0, 1))
    variance = total / (k * (k - 1) * (len(chains) - 1))
    return LatentUse(int((variance > _ACTIVE).sum()), float(variance.clamp_min(0).sum()))


def log_partition(model: LatentEBM, *, generator: torch.Generator) -> tuple[float, float]:
    """log Z(α) by annealing, and its standard error; 0 where f is 0 or has Z = 1 anyway."""
    if isinstance(model.prior.f, ExactTilt):
        return 0.0, 0.0
    tilts = torch.linspace(0, 1, 6, device=generator.device)
    path = tilt_path(model.prior, tilts, generator=generator)
    return float(path.log_z[-1]), float(path.error[-1])


@torch.no_grad()
def draw_sentences(method: Judged, n: int, *, greedy: bool, generator: torch.Generator) -> Tensor:
    """n sentences of the model, `(n, T)`: z from the prior, then x from p_β(x|z).

    Args:
        method: the model, and how its prior is drawn from.
        n: how many.
        greedy: the likeliest word at each place, rather than a draw.
        generator: source of all draws.
    """
    decoder, parts = method.model.generator, []
    assert isinstance(decoder, RecurrentDecoder)
    for first in range(0, n, _BATCH):
        start = method.model.prior.sample_base(min(_BATCH, n - first), generator=generator)
        z = method.sample_prior(start, generator=generator)
        drawn = decoder(z) if greedy else decoding.sample(decoder, z, generator=generator)
        parts.append(drawn.cpu())
    return torch.cat(parts)


@lru_cache(maxsize=4)
def real_judge(
    dataset: Dataset, device: torch.device, seed: int = 0, n: int | None = None
) -> LanguageModel:
    """The language model of a data set's training sentences, or of the first n; made once."""
    assert dataset.vocabulary is not None
    return fit(dataset.train[:n], len(dataset.vocabulary), JUDGE, seed=seed, device=device)


def perplexities(samples: Tensor, dataset: Dataset, device: torch.device) -> dict[str, float]:
    """How samples and real sentences read each other.

    Args:
        samples: of a model, `(n, T)`.
        dataset: the real sentences.
        device: where to compute.

    Returns:
        "FPPL": of samples, under a language model of real sentences. "RPPL": of real held-out
        sentences, under a language model of the samples. "PPL of real": of real held-out
        sentences, under the one of real sentences; samples of little variety have less.
        "RPPL of real": what RPPL would be if the samples were as many real sentences. A language
        model of few sentences is a poor one, whoever wrote them.
    """
    judge = real_judge(dataset, device)
    assert dataset.vocabulary is not None
    reverse = fit(samples, len(dataset.vocabulary), JUDGE, seed=0, device=device)
    return {
        "FPPL": perplexity(judge, samples),
        "RPPL": perplexity(reverse, dataset.test),
        "PPL of real": perplexity(judge, dataset.test),
        "RPPL of real": perplexity(real_judge(dataset, device, n=len(samples)), dataset.test),
    }


@torch.no_grad()
def prior_gain(
    method: Judged, judge: LanguageModel, n: int, *, generator: torch.Generator
) -> dict[str, float]:
    """What the prior's draws are worth: greedy sentences of noise, and of what it is made into.

    Args:
        method: the model, and how its prior is drawn from.
        judge: a language model of real sentences.
        n: chains.
        generator: source of all draws.

    Returns:
        The judge's perplexity of both, and Student's t of the paired gain in nats a word: above
        3.3, chance explains it once in 1,000. Where the prior is the noise, the perplexity alone.
    """
    noise = method.model.prior.sample_base(n, generator=generator)
    end = method.sample_prior(noise, generator=generator)
    before, after = (
        torch.cat([method.model.generate(rows).cpu() for rows in z.split(_BATCH)])
        for z in (noise, end)
    )
    found = {"greedy FPPL": perplexity(judge, after)}
    if torch.equal(before, after):
        return found
    gain = (word_nll(judge, before) - word_nll(judge, after)).double()
    return found | {
        "greedy FPPL of N(0, I)": perplexity(judge, before),
        "t of the gain": float(gain.mean() / gain.std() * n**0.5),
    }


def measure(
    method: Judged,
    dataset: Dataset,
    chain: LangevinConfig,
    *,
    n_test: int,
    n_samples: int,
    greedy: bool,
    seed: int,
) -> dict[str, float]:
    """What Table 2 says of a run, and what it does not: name -> value.

    Args:
        method: the model, how it infers and how its prior is drawn from.
        dataset: what it learned from.
        chain: a posterior chain from p_0 noise, for the bound and the use of z.
        n_test: held-out sentences, the first ones; a quarter of them for what takes many chains.
        n_samples: sentences that are drawn for both perplexities.
        greedy: whether they are the likeliest word at each place, rather than draws.
        seed: of all draws.
    """
    model = method.model
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    own, others = reconstruction_nll(model, method.infer, dataset.test[:n_test], seed=seed)
    x = dataset.test[: max(n_test // 4, 2)].to(device)
    chains = posterior_chains(model, x, chain, generator=generator)
    log_z, error = log_partition(model, generator=generator)
    bound = importance_bound(model, x, chains, log_z, generator=generator)
    use = latent_use(chains)
    samples = draw_sentences(method, n_samples, greedy=greedy, generator=generator)
    return {
        "NLL": float(own.mean()),
        "NLL, another's z": float(others.mean()),
        "−log p(x), at most": -float(bound.mean()) + 2 * error,  # of log Z, which is no bound
        "active units": float(use.active_units),
        "Var E[z|x]": use.signal,
        **perplexities(samples, dataset, device),
        **prior_gain(method, real_judge(dataset, device), 1000, generator=generator),
    }
