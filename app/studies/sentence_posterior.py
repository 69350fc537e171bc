"""Posterior chains of one sentence from many starts: what they say, and how far apart they end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from app.jobs import Job
from app.studies import posterior, sentence_chains
from app.studies.chain_run import ChainSettings
from lebm.checkpoint import ModelCard
from lebm.density import total
from lebm.model import LatentEBM
from lebm.trajectory import Trajectory
from lebm.vocabulary import lengths
from lebm.word_edits import edits, share_differing


def joint_terms(chains: Trajectory) -> dict[str, np.ndarray]:
    """The terms of -log p(x, z) up to log Z and a constant, `(T, n)` each."""
    return {
        "−log p(x|z)": -chains.log_likelihood.numpy(),
        "energy −f(z)": chains.energy.numpy(),
        "½‖z‖²": chains.half_sq_norm.numpy(),
    }


def neg_log_joint(chains: Trajectory) -> np.ndarray:
    """-log p(x, z) up to log Z, `(T, n)`."""
    return -total(chains.terms.values()).numpy()


@dataclass(frozen=True, slots=True)
class SentenceRestarts:
    """Where n restarts stand after the same number of steps; rows are chains.

    Attributes:
        step: that number.
        sentences: the likeliest sentence of each, word by word.
        n_tokens: words of the example, its END counted.
        nll: -log p(x|z) in nats, `(n,)`.
        neg_log_joint: -log p(x, z) up to log Z, `(n,)`.
        edits: words to insert, drop or replace to make x of each sentence, `(n,)`.
        agreement: 1 - edits as a share of the longer of both, `(n,)`.
        norm: ‖z‖, `(n,)`.
        latent_distance: ‖z_i - z_j‖, `(n, n)`.
        edit_distance: edits between the sentences of i and j, `(n, n)`.
        latent_share: mean distance of two restarts as a share of that of two prior samples.
        edit_share: the same of what they say; NaN where prior samples all say the same.
    """

    step: int
    sentences: list[str]
    n_tokens: int
    nll: np.ndarray
    neg_log_joint: np.ndarray
    edits: np.ndarray
    agreement: np.ndarray
    norm: np.ndarray
    latent_distance: np.ndarray
    edit_distance: np.ndarray
    latent_share: float
    edit_share: float

    @property
    def order(self) -> np.ndarray:
        """The chains, likeliest first."""
        return np.argsort(self.neg_log_joint)

    @property
    def nll_a_word(self) -> np.ndarray:
        """-log p(x|z) over the example's words, its END counted as one, `(n,)`."""
        return self.nll / self.n_tokens


def infer(
    job: Job[tuple[Trajectory, SentenceRestarts]],
    model: LatentEBM,
    settings: ChainSettings,
    x: Tensor,
    card: ModelCard,
) -> None:
    """Publish the chains and where they end; if the job is to stop, after the steps taken so far.

    Args:
        job: where to publish.
        model: the model.
        settings: the chains.
        x: the sentence, `(1, T)`.
        card: as for `restarts`.
    """
    chains = sentence_chains.walk(model, settings, x, job.report, job.should_stop)
    job.publish((chains, restarts(model, chains, settings, x, card)), 1.0)


def restarts(
    model: LatentEBM, chains: Trajectory, settings: ChainSettings, x: Tensor, card: ModelCard
) -> SentenceRestarts:
    """The last step of the chains against the sentence and against samples of the prior.

    Args:
        model: the model.
        chains: of this sentence, with every step.
        settings: theirs.
        x: the sentence, `(1, T)`.
        card: its prior chain makes the samples to compare with.
    """
    assert model.config.text is not None
    z, prior = chains.z[-1], posterior.prior_samples(model, settings, card)
    said, by_prior = model.generate(z), model.generate(prior)
    apart, said_apart = posterior.distances(z), edits(said, said).float()
    return SentenceRestarts(
        step=int(chains.steps[-1]),
        sentences=model.config.text.vocabulary.decode(said),
        n_tokens=int(lengths(x)),
        nll=-chains.log_likelihood[-1].numpy(),
        neg_log_joint=neg_log_joint(chains)[-1],
        edits=edits(said, x)[:, 0].numpy(),
        agreement=1 - share_differing(said, x)[:, 0].numpy(),
        norm=z.norm(dim=-1).numpy(),
        latent_distance=apart.numpy(),
        edit_distance=said_apart.numpy(),
        latent_share=posterior.mean_pair(apart) / posterior.mean_pair(posterior.distances(prior)),
        edit_share=_edit_share(said_apart, edits(by_prior, by_prior).float()),
    )


def _edit_share(said: Tensor, by_prior: Tensor) -> float:
    """NaN where prior samples all say the same."""
    among_prior = posterior.mean_pair(by_prior)
    return posterior.mean_pair(said) / among_prior if among_prior else float("nan")
