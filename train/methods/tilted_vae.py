"""The VAE under a tilted prior: z⁺ from an encoder, z⁻ by chains (Pang and Wu 2021)."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor

from lebm.model import ModelConfig
from train.config import TrainConfig
from train.methods.base import grad_norm, latent_metrics
from train.methods.vae import VAE
from train.objectives import prior_loss


class TiltedVAE(VAE):
    r"""Prior as in Algorithm 1; generator and encoder by the evidence lower bound.

    $$ -E_q[\log p_\beta(x|z)] + KL(q(z|x) \,\|\, N(0, I)) - E_q[f_\alpha(z)] $$

    is -ELBO under p_α but for log Z(α), which is no matter to generator and encoder. α follows
    eq. 7, with the encoder's draws for z⁺ and short-run chains from noise for z⁻. Half of section
    2.6, then: inference is learned, synthesis is not.

    Source: Pang and Wu 2021, "Latent space energy-based model of symbol-vector coupling for text
    generation and classification"; their code is https://github.com/bpucla/ibebm. Their prior has
    classes besides, and each latent some nats for nothing; neither is here.
    """

    headline = ("f_gap", "kl")

    def __init__(
        self, config: TrainConfig, train: Tensor, fabric: Fabric, *, generator: torch.Generator
    ) -> None:
        super().__init__(config, train, fabric, generator=generator)
        self.optimizers["prior"] = self.adam(self.model.prior, lr=config.optimizer.lr_prior)

    @classmethod
    def model_config(cls, config: ModelConfig) -> ModelConfig:
        """With the tilted prior that the run asks for."""
        return config

    def learn(self, x: Tensor, *, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """One step of Adam on the bound, and one on eq. 7 at its draws."""
        z_plus, metrics = super().learn(x, generator=generator)
        prior, optimizer = self.model.prior, self.optimizers["prior"]
        with torch.no_grad():  # the bound under N(0, I) is not this method's
            metrics["objective"] = metrics.pop("elbo") + prior.neg_energy(z_plus).mean()
        start = prior.sample_base(len(x), generator=generator)
        z_minus = self.sample_prior(start, generator=generator)
        optimizer.zero_grad()  # of what the bound left
        loss = prior_loss(prior, z_plus, z_minus)
        loss.backward()
        optimizer.step()
        return z_plus, metrics | {
            "f_gap": -loss.detach(),
            **latent_metrics(z_minus, "z_minus"),
            "grad_norm_prior": grad_norm(prior),
        }

    def divergence_cost(self, mean: Tensor, log_std: Tensor, z: Tensor) -> Tensor:
        """That from p_0, less what f says of the draws."""
        from_base = super().divergence_cost(mean, log_std, z)
        return from_base - self.weight * self.model.prior.neg_energy(z).mean()

    @torch.no_grad()
    def anomaly_terms(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """-ELBO less log Z(α), a constant: the VAE's two terms and "tilt", -f at the same draw."""
        z, terms = self.bound(x, generator=generator)
        return terms | {"tilt": -self.model.prior.neg_energy(z)}

    def chain_limits(self) -> dict[str, float]:
        """Of z⁻ alone: an encoder that aims too far at first comes back."""
        return {"z_minus_max": self.config.prior_sampler.max_radius}
