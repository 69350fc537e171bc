"""Encoders that mirror the generators, and what methods with an encoder share."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from lebm.generators import IMAGE_LAYOUTS
from lebm.model import ModelConfig
from train.config import TrainConfig
from train.methods.base import Method, count_parameters


class ConvEncoder(nn.Module):
    """The convolutional generator upside down: `(n, channels, size, size) -> (n, d_out)`.

    Convolutions of the same kernels, strides and channels in reverse order, LeakyReLU 0.2 between
    them, a linear output, no normalisation layers.

    Args:
        config: the model whose generator is mirrored.
        d_out: length of the output.
    """

    def __init__(self, config: ModelConfig, d_out: int) -> None:
        super().__init__()
        channels, image_size, _ = config.data_shape
        size, multiple = IMAGE_LAYOUTS[image_size]
        layers: list[nn.Module] = [nn.Conv2d(config.width * multiple, d_out, size)]
        while size < image_size:
            size, narrower = size * 2, max(multiple // 2, 1)
            seen = channels if size == image_size else config.width * narrower
            layers += [
                nn.LeakyReLU(0.2),
                nn.Conv2d(seen, config.width * multiple, 4, stride=2, padding=1),
            ]
            multiple = narrower
        self.net = nn.Sequential(*reversed(layers)).to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).flatten(1)


def build_encoder(config: ModelConfig, d_out: int) -> nn.Module:
    """An encoder of the model's examples, `(n, *data_shape) -> (n, d_out)`."""
    if len(config.data_shape) == 3:
        return ConvEncoder(config, d_out)
    return nn.Sequential(
        nn.Linear(config.data_shape[0], config.width),
        nn.LeakyReLU(0.2),
        nn.Linear(config.width, config.width),
        nn.LeakyReLU(0.2),
        nn.Linear(config.width, d_out),
    )


def encode_gaussian(encoder: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation of q(z|x) = N(mean, diag), each `(n, d)`, in float32."""
    mean, log_std = encoder(x).float().chunk(2, -1)
    return mean, log_std


def gaussian_kl(mean: Tensor, log_std: Tensor) -> Tensor:
    r"""KL(N(mean, diag std²) ‖ N(0, I)) in nats: `(n, d), (n, d) -> (n,)`.

    $$ \tfrac12 \sum_i (\mu_i^2 + \sigma_i^2 - 1) - \log \sigma_i $$
    """
    return (0.5 * (mean.square() + (2 * log_std).exp() - 1) - log_std).sum(-1)


class Autoencoder(Method):
    """A method whose posterior samples come from an encoder.

    Generator and encoder share one Adam, at the generator's rate.
    """

    #: Outputs of the encoder for each latent: mean, or mean and log standard deviation.
    outputs = 2

    def __init__(
        self, config: TrainConfig, train: Tensor, fabric: Fabric, *, generator: torch.Generator
    ) -> None:
        super().__init__(config, train, fabric, generator=generator)
        d_out = self.outputs * config.model.latent_dim
        self.encoder = build_encoder(config.model, d_out).to(fabric.device)
        self.networks["encoder"] = self.encoder
        self.optimizers["autoencoder"] = self.adam(
            self.encoder, self.decoder, lr=config.optimizer.lr_generator
        )

    @property
    def decoder(self) -> nn.Module:
        """What maps the encoder's latents to examples: the model's generator."""
        return self.model.generator

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """The code of each example, the mean of q(z|x): `(n, *data_shape) -> (n, d)`."""
        return self.encoder(x).float()[:, : self.config.model.latent_dim]

    @torch.no_grad()
    def reconstruct(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """g(z) with z the mean of q(z|x); nothing is drawn."""
        return self.decoder(self.encode(x))

    def facts(self) -> dict[str, str | int | float]:
        """As every method's, with the encoder's size."""
        return super().facts() | {"parameters of the encoder": count_parameters(self.encoder)}
