"""The adversarially regularised autoencoder (Zhao et al. 2018): its prior is learned as a GAN."""

from __future__ import annotations

import math

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import normalize

from lebm.encoders import build_encoder
from lebm.noise import drawn
from train.config import TrainConfig
from train.methods.base import count_parameters, grad_norm, latent_metrics
from train.methods.mixture import FITTED, MixtureAutoencoder

#: Steps of the critic for each of all else.
CRITIC_STEPS = 5
#: λ, of how far the critic's slope is from 1.
PENALTY = 1.0
#: What the noise on codes is multiplied by every 100 iterations.
NOISE_DECAY = 0.9995


def critic_loss(critic: nn.Module, real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
    r"""What a Wasserstein critic descends on, with its slope held near 1: a scalar.

    $$ E[D(\tilde c)] - E[D(c)] + \lambda \, E[(\|\nabla D(\hat c)\| - 1)^2] $$

    Args:
        critic: D, `(n, d) -> (n, 1)`.
        real: codes c, `(n, d)`, detached.
        fake: made-up codes c̃, `(n, d)`, detached.
        weights: of c in the codes between the two, ĉ, `(n, 1)`.

    Source: Gulrajani et al. 2017, "Improved training of Wasserstein GANs", eq. 3.
    """
    between = torch.lerp(fake, real, weights).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = (slope.norm(dim=-1) - 1).square().mean()
    return critic(fake).mean() - critic(real).mean() + PENALTY * penalty


class ARAE(MixtureAutoencoder):
    r"""An autoencoder, a generator of codes, and a critic that tells its codes from the encoder's.

    $$ \min_{e, \beta} \; E[-\log p_\beta(x \mid e(x) + \sigma_t \epsilon)] + w \, E[D(e(x))],
       \qquad \min_G \; -E[D(G(\epsilon))] $$

    while D follows `critic_loss`. Codes lie on a sphere, of radius √d here, so that their numbers
    are as large as those of p_0; the noise σ_t on them dwindles. Reconstructions decode e(x),
    samples G(ε), which has no density: a checkpoint's prior is a mixture of Gaussians fitted to
    draws G(ε) + σ_t ε', which the decoder has learned from as well, and stands in for G wherever a
    density is asked for.

    Weights and schedule are those of the authors' public code for SNLI: σ = 0.05 and w = 0.1, in
    units of a sphere of radius 1 and of nats a word; five steps of D; a penalty on its slope of
    weight 1 in place of the paper's clipped weights. Simplified: no batch normalisation in G, whose
    layers and those of D are as wide as f_α; the noise that G takes is as long as the code; D's
    five steps see one batch's codes and fresh draws of G; all learn by Adam, e and β at the
    generator's rate, G and D, which make the prior, at the prior's; e learns from both its terms
    at once.

    Source: Zhao, Kim, Zhang, Rush and LeCun 2018, "Adversarially regularized autoencoders"; their
    code is https://github.com/jakezhaojb/ARAE.
    """

    headline = ("critic_gap", "z_minus_norm")

    def __init__(
        self, config: TrainConfig, train: Tensor, fabric: Fabric, *, generator: torch.Generator
    ) -> None:
        super().__init__(config, train, fabric, generator=generator)
        d, hidden = config.model.latent_dim, config.model.prior_hidden
        self.synthesis = build_encoder((d,), hidden, d).to(fabric.device)
        self.critic = build_encoder((d,), hidden, 1).to(fabric.device)
        self.networks |= {"synthesis": self.synthesis, "critic": self.critic}
        for name in ("synthesis", "critic"):
            network, rate = self.networks[name], config.optimizer.lr_prior
            self.optimizers[name] = self.adam(network, lr=rate)
        self.memory["iterations"] = torch.zeros((), dtype=torch.long)

    def codes(self, x: Tensor) -> Tensor:
        """e(x), `(n, d)`, of length √d."""
        return normalize(self.encoder(x).float(), dim=-1) * self._radius

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """e(x), no gradient."""
        return self.codes(x)

    @property
    def _radius(self) -> float:
        return math.sqrt(self.config.model.latent_dim)

    @property
    def noise_std(self) -> float:
        """σ_t, of each number of a code."""
        decay = NOISE_DECAY ** (int(self.memory["iterations"]) / 100)
        return self.config.arae.noise * self._radius * decay

    def iteration(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Steps of Adam on the critic, then one on the autoencoder and one on G."""
        with self.fabric.autocast():
            z_plus = self.codes(x)
        for _ in range(CRITIC_STEPS):
            gap = self._learn_to_tell(z_plus.detach(), generator)
        metrics = self._learn_autoencoder(x, z_plus, generator)
        z_minus = self._learn_to_deceive(len(x), generator)
        self.memory["iterations"] += 1
        return {
            "critic_gap": gap,
            "z_minus_norm": z_minus.norm(dim=-1).mean(),
            **{
                f"grad_norm_{name}": grad_norm(network)
                for name, network in self.networks.items()
                if name != "model"
            },
            "grad_norm_generator": grad_norm(self.model.generator),
            **latent_metrics(z_plus),
            **metrics,
        }

    def _told(self, codes: Tensor) -> Tensor:
        """E[D(c)]; D sees codes on the sphere of radius 1, where its slope is held near 1."""
        return self.critic(codes / self._radius).mean()

    def _learn_to_tell(self, z_plus: Tensor, generator: torch.Generator) -> Tensor:
        """One step of the critic; returns E[D(c)] - E[D(c̃)] before it, slope unpunished."""
        optimizer, (n, mine) = self.optimizers["critic"], drawn(len(z_plus), generator)
        noise = self.model.prior.sample_base(len(z_plus), generator=generator)
        weights = torch.rand(n, 1, generator=generator, device=generator.device)[mine]
        with torch.no_grad():
            z_minus = self.synthesis(noise)
            gap = self._told(z_plus) - self._told(z_minus)
        optimizer.zero_grad()
        real, fake = z_plus / self._radius, z_minus / self._radius
        critic_loss(self.critic, real, fake, weights.to(z_plus)).backward()
        optimizer.step()
        return gap

    def _learn_autoencoder(
        self, x: Tensor, z_plus: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """One step of encoder and decoder; the critic's gradients are left alone."""
        model, optimizer = self.model, self.optimizers["autoencoder"]
        noise = model.prior.sample_base(len(x), generator=generator)
        optimizer.zero_grad()
        with self.fabric.autocast():
            z = z_plus + self.noise_std * noise
            nll = -model.log_likelihood(x, z, self.heard(x, generator=generator)).mean()
        error = self.error_given_z(x, nll)
        loss = sum(error.values()) + self.config.arae.encoder_weight * self._told(z_plus)
        learning = [*self.encoder.parameters(), *model.generator.parameters()]
        loss.backward(inputs=learning)
        optimizer.step()
        return {name: value.detach().float() for name, value in error.items()}

    def _learn_to_deceive(self, n: int, generator: torch.Generator) -> Tensor:
        """One step of G; returns its codes before it, `(n, d)`."""
        optimizer = self.optimizers["synthesis"]
        z_minus = self.synthesis(self.model.prior.sample_base(n, generator=generator))
        optimizer.zero_grad()
        loss = -self._told(z_minus)
        loss.backward(inputs=list(self.synthesis.parameters()))
        optimizer.step()
        return z_minus.detach()

    @torch.no_grad()
    def sample_prior(self, start: Tensor, *, generator: torch.Generator) -> Tensor:
        """G(ε) with ε = `start`."""
        return self.synthesis(start)

    @property
    def prior_gradients(self) -> int:
        """None: G draws at once."""
        return 0

    @torch.no_grad()
    def codes_to_fit(self) -> Tensor:
        """Draws of G with the noise that the decoder has met, the same at every save."""
        generator = torch.Generator(self.fabric.device).manual_seed(self.config.seed)
        noise, more = (self.model.prior.sample_base(FITTED, generator=generator) for _ in range(2))
        return (self.synthesis(noise) + self.noise_std * more).cpu()

    def facts(self) -> dict[str, str | int | float]:
        """As every method's, with the sizes of G and D."""
        return super().facts() | {
            "parameters of the generator of codes": count_parameters(self.synthesis),
            "parameters of the critic": count_parameters(self.critic),
        }
