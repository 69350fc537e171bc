"""Encoders that mirror the generators, and the Gaussians they parametrise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lebm.decoder import TextConfig
from lebm.generators import IMAGE_LAYOUTS
from lebm.vocabulary import lengths


class ConvEncoder(nn.Module):
    """The convolutional generator upside down: `(n, channels, size, size) -> (n, d_out)`.

    Convolutions of the same kernels, strides and channels in reverse order, LeakyReLU 0.2 between
    them, a linear output, no normalisation layers.

    Args:
        data_shape: (channels, size, size), as the generator's.
        width: the generator's base width.
        d_out: length of the output.
    """

    def __init__(self, data_shape: tuple[int, ...], width: int, d_out: int) -> None:
        super().__init__()
        channels, image_size, _ = data_shape
        size, multiple = IMAGE_LAYOUTS[image_size]
        layers: list[nn.Module] = [nn.Conv2d(width * multiple, d_out, size)]
        while size < image_size:
            size, narrower = size * 2, max(multiple // 2, 1)
            seen = channels if size == image_size else width * narrower
            layers += [
                nn.LeakyReLU(0.2),
                nn.Conv2d(seen, width * multiple, 4, stride=2, padding=1),
            ]
            multiple = narrower
        self.net = nn.Sequential(*reversed(layers)).to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).flatten(1)


class RecurrentEncoder(nn.Module):
    """What a gated recurrent unit knows at a sentence's end: `(n, T) -> (n, d_out)`.

    Of the decoder's sizes, with word vectors of its own.

    Args:
        text: of the model.
        hidden: units of the recurrent state.
        d_out: length of the output.
    """

    def __init__(self, text: TextConfig, hidden: int, d_out: int) -> None:
        super().__init__()
        self.words = nn.Embedding(len(text.vocabulary), text.embedding_dim)
        self.unit = nn.GRU(text.embedding_dim, hidden, batch_first=True)
        self.out = nn.Linear(hidden, d_out)

    def forward(self, x: Tensor) -> Tensor:
        n_words = lengths(x)
        states, _ = self.unit(self.words(x[:, : int(n_words.max())]))
        return self.out(states[torch.arange(len(x), device=x.device), n_words - 1])


def build_encoder(
    data_shape: tuple[int, ...], width: int, d_out: int, text: TextConfig | None = None
) -> nn.Module:
    """An encoder of a model's examples, `(n, *data_shape) -> (n, d_out)`.

    Args:
        data_shape: of one example.
        width: of the model's generator.
        d_out: length of the output.
        text: of a model of sentences.
    """
    if text is not None:
        return RecurrentEncoder(text, width, d_out)
    if len(data_shape) == 3:
        return ConvEncoder(data_shape, width, d_out)
    return nn.Sequential(
        nn.Linear(data_shape[0], width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, d_out),
    )


def encode_gaussian(encoder: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation of q(z|x) = N(mean, diag), each `(n, d)`.

    In float32 at least, whatever autocast makes of the encoder.
    """
    encoded = encoder(x)
    wide = encoded.to(torch.promote_types(encoded.dtype, torch.float32))
    mean, log_std = wide.chunk(2, -1)
    return mean, log_std


def gaussian_kl(mean: Tensor, log_std: Tensor) -> Tensor:
    r"""KL(N(mean, diag std²) ‖ N(0, I)) in nats: `(n, d), (n, d) -> (n,)`.

    $$ \tfrac12 \sum_i (\mu_i^2 + \sigma_i^2 - 1) - \log \sigma_i $$
    """
    return gaussian_kl_each(mean, log_std).sum(-1)


def gaussian_kl_each(mean: Tensor, log_std: Tensor) -> Tensor:
    """The terms of `gaussian_kl`, one a latent: `(n, d), (n, d) -> (n, d)`."""
    return 0.5 * (mean.square() + (2 * log_std).exp() - 1) - log_std
