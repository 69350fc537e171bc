"""Short-run inference with the Gaussian prior (Nijkamp et al. 2020), one latent layer or five."""

from __future__ import annotations

from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor

from lebm import langevin
from lebm.model import ModelConfig
from train.config import TrainConfig
from train.methods.base import grad_norm, latent_metrics
from train.methods.inference import LangevinInference
from train.objectives import generator_loss


class SRI(LangevinInference):
    """The generator by maximum likelihood under N(0, I), z⁺ by short-run Langevin chains.

    It is Algorithm 1 of Pang et al. 2020 with f = 0: steps 3 and 5 without 2 and 4. Simplified:
    the step size is the run's, the same for every step, where the paper tunes it by a variational
    bound; with `posterior_chains` "persistent" the chains are not short-run any more.

    Source: Nijkamp et al. 2020, "Learning multi-layer latent variable model via variational
    optimization of short run MCMC for approximate inference".
    """

    headline = ("grad_norm_generator", "z_plus_norm")
    layers = 1

    def __init__(
        self, config: TrainConfig, train: Tensor, fabric: Fabric, *, generator: torch.Generator
    ) -> None:
        super().__init__(config, train, fabric, generator=generator)
        rate = config.optimizer.lr_generator
        self.optimizers["generator"] = self.adam(self.model.generator, lr=rate)

    @classmethod
    def model_config(cls, config: ModelConfig) -> ModelConfig:
        """The prior N(0, I), over each layer's latents."""
        latent_dim = cls.layers * config.latent_dim
        return replace(config, prior="gaussian", latent_dim=latent_dim, latent_layers=cls.layers)

    def iteration(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Posterior sampling, then one step of Adam on the generator."""
        model, optimizer = self.model, self.optimizers["generator"]
        start = self.posterior_start(rows, generator=generator)
        with self.fabric.autocast():
            z_plus = langevin.sample(
                model.posterior_density(x, self.likelihood_weight),
                start,
                self.config.posterior_sampler,
                generator=generator,
            )
        self.remember(rows, z_plus)
        self.count_iteration()
        optimizer.zero_grad()
        with self.fabric.autocast():
            loss = generator_loss(model, x, z_plus, self.heard(x, generator=generator))
        loss.backward()
        optimizer.step()
        nll_given_z = loss.detach()
        return {
            "nll_given_z": nll_given_z,
            "grad_norm_generator": grad_norm(model.generator),
            **latent_metrics(z_plus),
            **self.error_given_z(x, nll_given_z),
        }


class SRI5(SRI):
    """The same with five layers of latents over the generator, each as long as the run's z.

    z_5 ~ N(0, I), z_l ~ N(μ_l(z_{l+1}), diag), x from z_1 by the generator of every method; chains
    run over the layers' independent noises. Simplified: all layers are vectors of one length,
    the deviations do not depend on the layer above, and μ is a small network.
    """

    layers = 5
