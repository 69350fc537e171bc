"""The generation model of text, Pang et al. 2020, eq. 4: a recurrent decoder of sentences.

    p_β(x|z) = Π_t p_β(x_t | x_1, ..., x_{t-1}, z)

A sentence is a row of token numbers that ends with END, whose probability is part of the
product; what follows END is padding and has no effect. A row without END is a sentence that goes
on: its probability is that of all sentences which begin so. Over all rows of one length the
probabilities sum to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear, log_softmax

from lebm import decoding
from lebm.density import LogDensityFn
from lebm.vocabulary import END, MAX_WORDS, Vocabulary, real_tokens

_ROWS_AT_ONCE = 256  # of scores over the vocabulary: they should stay in the cache


@dataclass(frozen=True, slots=True)
class TextConfig:
    """What a model of sentences needs beside its sizes."""

    embedding_dim: int = 128
    """Length of a word's vector; the decoder's first and last layer share these vectors."""
    max_words: int = 10_000
    """Words that are kept of the data, the most frequent; every other one becomes <unk>."""
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    """The words themselves; a run takes them from its data."""

    def __post_init__(self) -> None:
        for name, most in (("embedding_dim", 65_536), ("max_words", MAX_WORDS)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"text.{name} must be from 1 to {most}, not {getattr(self, name)}")


class RecurrentDecoder(nn.Module):
    r"""p_β(x|z) for sentences: a gated recurrent unit that z starts and that sees z at every word.

    $$ h_0 = \tanh(A z), \quad h_t = GRU(h_{t-1}; E_{x_{t-1}}, z), \quad
       p(x_t = w | x_{<t}, z) \propto \exp(E_w \cdot B h_t + b_w), \qquad x_0 = END $$

    Args:
        latent_dim: length of z.
        length: T, tokens in a row, the END included.
        hidden: units of the recurrent state h.
        config: vocabulary and the length of a word's vector.

    Source: Pang et al. 2020, eq. 4. The unit is that of Cho et al. 2014 and costs three quarters
    of the LSTM that text models often have; shared vectors E: Press and Wolf 2017.
    """

    def __init__(self, latent_dim: int, length: int, hidden: int, config: TextConfig) -> None:
        super().__init__()
        self.length = length
        width = config.embedding_dim
        self.words = nn.Parameter(torch.empty(len(config.vocabulary), width))
        self.start = nn.Linear(latent_dim, hidden)
        self.from_word = nn.Linear(width, 3 * hidden)
        self.from_latent = nn.Linear(latent_dim, 3 * hidden, bias=False)
        self.from_state = nn.Linear(hidden, 3 * hidden)
        self.to_word = nn.Linear(hidden, width)
        self.bias = nn.Parameter(torch.zeros(len(config.vocabulary)))
        nn.init.uniform_(self.words, -math.sqrt(3 / width), math.sqrt(3 / width))

    def forward(self, z: Tensor) -> Tensor:
        """The likeliest words one after the other, `(n, latent_dim) -> (n, T)`."""
        return decoding.greedy(self, z)

    def log_prob(self, x: Tensor, z: Tensor, heard: Tensor | None = None) -> Tensor:
        """log p_β(x|z) of eq. 4 in nats: `(n, T), (n, latent_dim) -> (n,)`.

        Args:
            x: sentences, `(n, T)`.
            z: latents, `(n, latent_dim)`.
            heard: what the decoder hears of the words before, `(n, T)`; x itself by default.
        """
        read = _read(x, x if heard is None else heard)
        states = self._states(self._drive(read), z)[read.real]
        log_probs = log_softmax(self.scores(states).to(z.dtype), -1)
        return read.sum(log_probs.gather(1, read.tokens[:, None])[:, 0])

    def given(self, x: Tensor) -> LogDensityFn:
        """z -> log p_β(x|z), `(n, latent_dim) -> (n,)`, for sentences x `(n, T)` that stay.

        The same values as `log_prob` and the same gradient in z, in half the time: what z does
        not change is computed once, and the weights take no gradient. When the weights change,
        another function is due.
        """
        read = _read(x, x)
        with torch.no_grad():
            drive = self._drive(read)
        words, bias = self.words.detach(), self.bias.detach()

        def log_prob(z: Tensor) -> Tensor:
            vectors = self.to_word(self._states(drive, z)[read.real])
            return read.sum(_TokenLogProb.apply(vectors, words, bias, read.tokens).to(z.dtype))

        return log_prob

    def begin(self, z: Tensor) -> Tensor:
        """h_0, `(n, latent_dim) -> (n, hidden)`."""
        return torch.tanh(self.start(z))

    def step(self, previous: Tensor, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """One word further.

        Args:
            previous: x_{t-1}, `(n,)`; END where t is 1.
            z: latents, `(n, latent_dim)`.
            h: h_{t-1}, `(n, hidden)`.

        Returns:
            log p(x_t | x_{<t}, z) of every word, `(n, vocabulary)`, and h_t.
        """
        drive = self.from_word(self.words[previous]) + self.from_latent(z)
        h = _gru(drive, self.from_state(h), h)
        return log_softmax(self.scores(h), -1), h

    def scores(self, h: Tensor) -> Tensor:
        """E B h + b, `(n, hidden) -> (n, vocabulary)`; its softmax are the probabilities."""
        return linear(self.to_word(h), self.words, self.bias)

    def _drive(self, read: _Read) -> Tensor:
        """What the words before say to the gates, `(longest, n, 3 hidden)`."""
        return self.from_word(self.words[read.previous])

    def _states(self, drive: Tensor, z: Tensor) -> Tensor:
        """h_1, ..., h_longest, `(longest, n, hidden)`."""
        h, from_latent = self.begin(z), self.from_latent(z)
        states = []
        for from_word in drive:
            h = _gru(from_word + from_latent, self.from_state(h), h)
            states.append(h)
        return torch.stack(states)


def _gru(drive: Tensor, recurrent: Tensor, h: Tensor) -> Tensor:
    """h_t from what word and latent (drive) and h_{t-1} (recurrent) say to gates and candidate.

    With reset gate r, update gate u and candidate c: h_t = (1 - u) c + u h_{t-1}.
    """
    hidden = h.shape[-1]
    gates = torch.sigmoid(drive[:, : 2 * hidden] + recurrent[:, : 2 * hidden])
    reset, update = gates.chunk(2, -1)
    candidate = torch.tanh(drive[:, 2 * hidden :] + reset * recurrent[:, 2 * hidden :])
    return torch.lerp(candidate, h, update)


@dataclass(frozen=True, slots=True)
class _Read:
    """Sentences time by time, up to the end of the longest."""

    real: Tensor
    """Which tokens count, bool `(longest, n)`."""
    tokens: Tensor
    """Those tokens, `(n_real,)`."""
    previous: Tensor
    """The token before each, `(longest, n)`; END before the first."""

    def sum(self, values: Tensor) -> Tensor:
        """Values of the real tokens, `(n_real,)`, summed over each sentence: `(n,)`."""
        return values.new_zeros(self.real.shape).masked_scatter(self.real, values).sum(0)


def _read(x: Tensor, heard: Tensor) -> _Read:
    real = real_tokens(x).T
    real = real[: int(real.any(1).sum())]
    previous = torch.cat([torch.full_like(x[:, :1], END), heard], 1).T[: len(real)]
    return _Read(real, x.T[: len(real)][real], previous)


class _TokenLogProb(torch.autograd.Function):
    """log softmax(W v + b) at one word a row, with the gradient in v alone.

    The gradient, W_word - Σ_w p_w W_w, is made where the scores are at hand, some rows at a time,
    so that nothing of size `(n, vocabulary)` is kept.
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, weight: Tensor, bias: Tensor, words: Tensor) -> Tensor:
        values, gradients = [], []
        for rows, chosen in zip(v.split(_ROWS_AT_ONCE), words.split(_ROWS_AT_ONCE), strict=True):
            scores = linear(rows, weight, bias)
            scores -= scores.amax(1, keepdim=True)
            score = scores.gather(1, chosen[:, None])
            p = scores.exp_()
            norm = p.sum(1, keepdim=True)
            values.append((score - norm.log())[:, 0])
            if ctx.needs_input_grad[0]:
                gradients.append(weight[chosen] - (p @ weight) / norm)
        if gradients:
            ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return grad[:, None] * gradient, None, None, None
