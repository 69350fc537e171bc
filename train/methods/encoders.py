"""What methods with an encoder share."""

from __future__ import annotations

from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from lebm.encoders import build_encoder
from lebm.model import ModelConfig
from train.config import TrainConfig
from train.methods.base import Method, count_parameters


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
        model = config.model
        encoder = build_encoder(model.data_shape, model.width, d_out, text=model.text)
        self.encoder = encoder.to(fabric.device)
        self.networks["encoder"] = self.encoder
        self.optimizers["autoencoder"] = self.adam(
            self.encoder, self.decoder, lr=config.optimizer.lr_generator
        )

    @classmethod
    def model_config(cls, config: ModelConfig) -> ModelConfig:
        """With the prior N(0, I)."""
        return replace(config, prior="gaussian")

    @property
    def decoder(self) -> nn.Module:
        """What maps the encoder's latents to examples: the model's generator."""
        return self.model.generator

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """The code of each example, the mean of q(z|x): `(n, *data_shape) -> (n, d)`."""
        return self.encoder(x).float()[:, : self.config.model.latent_dim]

    def infer(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """The code; nothing is drawn."""
        return self.encode(x)

    @torch.no_grad()
    def reconstruct(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """g(z) with z the mean of q(z|x); nothing is drawn."""
        return self.decoder(self.encode(x))

    def chain_limits(self) -> dict[str, float]:
        """None: no chain makes z, and an encoder that aims too far at first comes back."""
        return {}

    def facts(self) -> dict[str, str | int | float]:
        """As every method's, with the encoder's size."""
        return super().facts() | {"parameters of the encoder": count_parameters(self.encoder)}
