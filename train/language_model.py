"""The language model that judges samples: a small LSTM of its own, trained where it is used.

Forward perplexity: trained on real sentences, it reads samples. Reverse perplexity: trained on
samples, it reads real held-out sentences. Every such number hangs on this model, so its perplexity
on real held-out sentences is stated beside them.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout, linear
from torch.optim import Adam

from lebm.vocabulary import END, lengths, real_tokens

_HELD_OUT = 10  # one sentence in so many says when to stop
_PATIENCE = 3  # passes without a better one: of few sentences a single pass can be worse by chance


@dataclass(frozen=True, slots=True)
class LanguageModelConfig:
    """Sizes and learning of the judge."""

    embedding_dim: int = 128
    """Length of a word's vector, which the first and the last layer share."""
    hidden: int = 256
    """Units of the LSTM."""
    dropout: float = 0.3
    """Share of the units between layers that are left out while it learns."""
    learning_rate: float = 2e-3
    """Of Adam."""
    batch_size: int = 64
    """Sentences an iteration."""
    max_epochs: int = 30
    """Passes at most; it stops after three in which a held-out tenth of its sentences did not get
    better, and is what it was at its best."""


class LanguageModel(nn.Module):
    r"""log p(x) = Σ_t log p(x_t | x_{<t}) of sentences, `(n, T)` as a text model has them.

    Args:
        n_words: numbers in use.
        config: sizes and dropout.
    """

    def __init__(self, n_words: int, config: LanguageModelConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.words = nn.Embedding(n_words, config.embedding_dim)
        self.unit = nn.LSTM(config.embedding_dim, config.hidden, batch_first=True)
        self.to_word = nn.Linear(config.hidden, config.embedding_dim)
        self.bias = nn.Parameter(torch.zeros(n_words))
        nn.init.normal_(self.words.weight, std=config.embedding_dim**-0.5)

    def token_nll(self, x: Tensor) -> Tensor:
        """-log p(x_t | x_{<t}) of every real token, one after the other, in nats."""
        x = x[:, : int(lengths(x).max())]
        previous = torch.cat([torch.full_like(x[:, :1], END), x[:, :-1]], 1)
        states, _ = self.unit(self._thinned(self.words(previous)))
        real = real_tokens(x)
        vectors = self.to_word(self._thinned(states[real]))
        return cross_entropy(
            linear(vectors, self.words.weight, self.bias), x[real], reduction="none"
        )

    def _thinned(self, h: Tensor) -> Tensor:
        return dropout(h, self.dropout, self.training)


def fit(
    sentences: Tensor,
    n_words: int,
    config: LanguageModelConfig,
    *,
    seed: int,
    device: torch.device,
) -> LanguageModel:
    """A language model of these sentences, as good as it was on a held-out tenth of them.

    Args:
        sentences: `(n, T)`, n at least 20.
        n_words: numbers in use.
        config: sizes and learning.
        seed: of weights, order and dropout.
        device: where to learn.

    Raises:
        ValueError: for fewer than 20 sentences.
    """
    if len(sentences) < 2 * _HELD_OUT:
        raise ValueError(f"a language model needs 20 sentences, not {len(sentences)}")
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        order = torch.randperm(len(sentences))
        held_out = sentences[order[: len(order) // _HELD_OUT]]
        rest = sentences[order[len(held_out) :]]
        model = LanguageModel(n_words, config).to(device)
        optimizer = Adam(model.parameters(), config.learning_rate)
        best, best_epoch, best_state = math.inf, 0, copy.deepcopy(model.state_dict())
        for epoch in range(config.max_epochs):
            _learn(model, optimizer, rest, config.batch_size, device)
            score = perplexity(model, held_out)
            if score < best:
                best, best_epoch, best_state = score, epoch, copy.deepcopy(model.state_dict())
            elif epoch - best_epoch >= _PATIENCE:
                break
    model.load_state_dict(best_state)
    return model.eval().requires_grad_(False)


def _learn(
    model: LanguageModel, optimizer: Adam, sentences: Tensor, batch_size: int, device: torch.device
) -> None:
    """One pass, in batches of about equally long sentences in random order."""
    model.train()
    shuffled = sentences[torch.randperm(len(sentences))]
    batches = shuffled[lengths(shuffled).argsort(stable=True)].split(batch_size)
    for i in torch.randperm(len(batches)).tolist():
        optimizer.zero_grad()
        model.token_nll(batches[i].to(device)).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()


@torch.no_grad()
def word_nll(model: LanguageModel, sentences: Tensor, batch_size: int = 256) -> Tensor:
    """-log p of a word, the mean over each sentence, its end counted: `(n, T) -> (n,)`, nats."""
    model.eval()
    device, found = model.bias.device, []
    for x in sentences.split(batch_size):
        counts = lengths(x)
        nll = model.token_nll(x.to(device)).cpu()
        rows = torch.arange(len(x)).repeat_interleave(counts)
        found.append(torch.zeros(len(x), dtype=nll.dtype).index_add(0, rows, nll) / counts)
    return torch.cat(found)


@torch.no_grad()
def perplexity(model: LanguageModel, sentences: Tensor, batch_size: int = 256) -> float:
    """exp of the mean -log p of a word, ends counted, over all sentences `(n, T)`."""
    model.eval()
    device = model.bias.device
    total, n = 0.0, 0
    for x in sentences.split(batch_size):
        nll = model.token_nll(x.to(device)).double()
        total, n = total + float(nll.sum()), n + len(nll)
    return math.exp(total / n)
