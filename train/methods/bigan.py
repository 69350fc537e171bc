"""Bidirectional GAN that detects anomalies (Donahue et al. 2017; Zenati et al. 2018)."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn.functional import softplus

from train.config import TrainConfig
from train.methods.base import count_parameters, grad_norm, latent_metrics
from train.methods.encoders import Autoencoder
from train.methods.pairs import PairNetwork

#: Weight of the distance in the anomaly score; the discriminator has the rest.
ALPHA = 0.9


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Cross-entropy of telling (x, e(x)) from (g(z), z), from their logits, `(n,)` each."""
    return (softplus(-real) + softplus(fake)).mean()


class BiGAN(Autoencoder):
    r"""Generator and encoder against a discriminator of pairs; the prior stays N(0, I).

    $$ \min_{g, e} \max_D \; E_x[\log D(x, e(x))] + E_z[\log(1 - D(g(z), z))] $$

    where generator and encoder each raise the cross-entropy of their own pairs with the labels
    exchanged. The anomaly score is the "σ" variant,

    $$ 0.9 \, \|x - g(e(x))\|_1 - 0.1 \log D(x, e(x)), $$

    with the paper's weights and images in [-1, 1]. The authors' public code takes its second term
    at (g(e(x)), e(x)); here it is the paper's.

    Simplified: no batch normalisation, since generator and encoder are every method's, and no
    dropout; scores come from the weights themselves and not from their moving average; all
    networks learn at the run's generator rate (the authors': 1e-5) and on the same draws. The
    model's σ is the run's and plays no part.

    Source: Zenati et al. 2018, "Efficient GAN-based anomaly detection"; their code is
    https://github.com/houssamzenati/Efficient-GAN-Anomaly-Detection.
    """

    headline = ("discriminator_loss", "z_plus_norm")
    outputs = 1

    def __init__(
        self, config: TrainConfig, train: Tensor, fabric: Fabric, *, generator: torch.Generator
    ) -> None:
        super().__init__(config, train, fabric, generator=generator)
        self.discriminator = PairNetwork(config.model).to(fabric.device)
        self.networks["discriminator"] = self.discriminator
        rate = config.optimizer.lr_generator
        self.optimizers["discriminator"] = self.adam(self.discriminator, lr=rate)

    def iteration(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """One step of Adam on the discriminator, then one on generator and encoder."""
        z = self.model.prior.sample_base(len(x), generator=generator)
        with self.fabric.autocast():
            z_plus, x_fake = self.encoder(x), self.model.generator(z)
        loss = self._learn_to_tell(x, z_plus.detach(), x_fake.detach(), z)
        self._learn_to_deceive(x, z_plus, x_fake, z)
        with torch.no_grad(), self.fabric.autocast():
            again = self.model.generator(z_plus)
        return {
            "discriminator_loss": loss,
            "grad_norm_discriminator": grad_norm(self.discriminator),
            "grad_norm_encoder": grad_norm(self.encoder),
            "grad_norm_generator": grad_norm(self.model.generator),
            **latent_metrics(z_plus.float()),
            "mse": (x - again.float()).square().mean(),
        }

    def _learn_to_tell(self, x: Tensor, z_plus: Tensor, x_fake: Tensor, z: Tensor) -> Tensor:
        optimizer = self.optimizers["discriminator"]
        optimizer.zero_grad()
        with self.fabric.autocast():
            real, fake = self.discriminator(x, z_plus), self.discriminator(x_fake, z)
        loss = discriminator_loss(real, fake)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def _learn_to_deceive(self, x: Tensor, z_plus: Tensor, x_fake: Tensor, z: Tensor) -> None:
        optimizer = self.optimizers["autoencoder"]
        optimizer.zero_grad()
        with self.fabric.autocast():
            real, fake = self.discriminator(x, z_plus), self.discriminator(x_fake, z)
        loss = discriminator_loss(fake, real)  # the labels exchanged
        learning = [*self.encoder.parameters(), *self.model.generator.parameters()]
        loss.backward(inputs=learning)
        optimizer.step()

    @torch.no_grad()
    def anomaly_terms(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The score's terms: "distance", of x from g(e(x)), and "discriminator"."""
        z = self.encode(x)
        distance = (x - self.model.generator(z)).abs().flatten(1).sum(1)
        surprise = softplus(-self.discriminator(x, z))
        return {"distance": ALPHA * distance, "discriminator": (1 - ALPHA) * surprise}

    def facts(self) -> dict[str, str | int | float]:
        """As every method's, with the discriminator's size."""
        return super().facts() | {
            "parameters of the discriminator": count_parameters(self.discriminator)
        }
