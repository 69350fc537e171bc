"""From latents to sentences: the likeliest word at each place, a draw, or a search by beams.

All return token numbers `(n, T)`, END after the end; a sentence that has not ended by then is cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lebm.vocabulary import END

if TYPE_CHECKING:
    from lebm.decoder import RecurrentDecoder


def greedy(decoder: RecurrentDecoder, z: Tensor) -> Tensor:
    """The likeliest word at each place, given those before: `(n, latent_dim) -> (n, T)`."""
    return _decode(decoder, z, lambda log_probs: log_probs.argmax(-1))


def sample(
    decoder: RecurrentDecoder, z: Tensor, *, generator: torch.Generator, temperature: float = 1.0
) -> Tensor:
    """Draws of p_β(x|z), one a latent: `(n, latent_dim) -> (n, T)`.

    Args:
        decoder: p_β.
        z: latents.
        generator: source of the draws, on z's device.
        temperature: log probabilities of words are divided by it; above 0, 1 is the model's own.

    Raises:
        ValueError: if `temperature` is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")

    def draw(log_probs: Tensor) -> Tensor:
        p = torch.softmax(log_probs / temperature, -1)
        return torch.multinomial(p, 1, generator=generator)[:, 0]

    return _decode(decoder, z, draw)


@torch.no_grad()
def _decode(decoder: RecurrentDecoder, z: Tensor, choose: Callable[[Tensor], Tensor]) -> Tensor:
    """Word by word, until every sentence has ended or is T long."""
    tokens = torch.full((len(z), decoder.length), END, dtype=torch.int64, device=z.device)
    h, word = decoder.begin(z), tokens[:, 0]
    ended = torch.zeros(len(z), dtype=torch.bool, device=z.device)
    for t in range(decoder.length):
        log_probs, h = decoder.step(word, z, h)
        word = choose(log_probs).masked_fill(ended, END)
        tokens[:, t] = word
        ended |= word == END
        if ended.all():
            break
    return tokens


@dataclass(frozen=True, slots=True)
class Beams:
    """The sentences that a search found for each latent, the likeliest first."""

    tokens: Tensor
    """`(n, width, T)`."""
    log_prob: Tensor
    """log p_β(x|z) in nats, `(n, width)`; -inf where there are fewer sentences than beams."""


@torch.no_grad()
def beam_search(decoder: RecurrentDecoder, z: Tensor, width: int) -> Beams:
    """Likely sentences: at each place the `width` likeliest beginnings are kept.

    With a width of 1 it is `greedy`; the wider, the likelier what it finds.

    Args:
        decoder: p_β.
        z: latents, `(n, latent_dim)`.
        width: beginnings that are kept for each latent; at least 1.

    Raises:
        ValueError: if `width` is below 1.
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, not {width}")
    n, device = len(z), z.device
    rows = torch.arange(n, device=device)[:, None] * width
    z = z.repeat_interleave(width, 0)  # beam j of latent i is row i · width + j
    h = decoder.begin(z)
    tokens = torch.full((n * width, decoder.length), END, dtype=torch.int64, device=device)
    log_prob = torch.full((n, width), -torch.inf, dtype=z.dtype, device=device)
    log_prob[:, 0] = 0  # all beams begin alike: one is enough
    ended = torch.zeros(n * width, dtype=torch.bool, device=device)
    word = tokens[:, 0]
    for t in range(decoder.length):
        log_probs, h = decoder.step(word, z, h)
        n_words = log_probs.shape[-1]
        log_probs[ended] = -torch.inf
        log_probs[ended, END] = 0  # an ended sentence has one way to go on
        log_prob, best = (log_prob[..., None] + log_probs.view(n, width, -1)).flatten(1).topk(width)
        from_beam = (rows + best // n_words).flatten()
        word = (best % n_words).flatten()
        tokens, h = tokens[from_beam], h[from_beam]
        tokens[:, t] = word
        ended = ended[from_beam] | (word == END)
        if ended.all():
            break
    return Beams(tokens.view(n, width, -1), log_prob)
