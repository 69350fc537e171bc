"""The latent-space energy-based prior, learned by Algorithm 1 (Pang et al. 2020)."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor

from train.algorithm1 import learning_iteration
from train.config import TrainConfig
from train.methods.inference import LangevinInference
from train.methods.replay import CHAINS, PriorReplay


class LEBM(LangevinInference):
    """Prior and generator by maximum likelihood, z⁻ and z⁺ by Langevin chains.

    Source: Pang et al. 2020, "Learning Latent Space Energy-Based Prior Model", Algorithm 1.
    """

    headline = ("f_gap", "grad_norm_prior", "grad_norm_generator")

    def __init__(
        self, config: TrainConfig, train: Tensor, fabric: Fabric, *, generator: torch.Generator
    ) -> None:
        super().__init__(config, train, fabric, generator=generator)
        rates = config.optimizer
        self.optimizers["prior"] = self.adam(self.model.prior, lr=rates.lr_prior)
        self.optimizers["generator"] = self.adam(self.model.generator, lr=rates.lr_generator)
        self.replay: PriorReplay | None = None
        if config.prior_chains == "persistent":
            latent_dim, size = self.model.prior.latent_dim, max(CHAINS, config.batch_size)
            self.replay = PriorReplay(
                latent_dim, config.prior_restart, config.seed, size, fabric.device
            )
            self.memory |= self.replay.memory

    def iteration(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Steps 2 to 5 of Algorithm 1."""
        z_plus_start = self.posterior_start(rows, generator=generator)
        z_minus_start = self.model.prior.sample_base(len(x), generator=generator)
        if self.replay is not None:
            whole = self.replay.start(self.ranks.gather(z_minus_start))
            z_minus_start = whole[self.ranks.rows]
        iteration = learning_iteration(
            self.model,
            x,
            z_minus_start,
            z_plus_start,
            self.optimizers["prior"],
            self.optimizers["generator"],
            self.config.prior_sampler,
            self.config.posterior_sampler,
            generator=generator,
            likelihood_weight=self.likelihood_weight,
            heard=self.heard(x, generator=generator),
            autocast=self.fabric.autocast,
        )
        self.remember(rows, iteration.z_plus)
        self.count_iteration()
        if self.replay is not None:
            self.replay.keep(self.ranks.gather(iteration.z_minus))
        error = self.error_given_z(x, iteration.metrics["nll_given_z"])
        return iteration.metrics | error

    def facts(self) -> dict[str, str | int | float]:
        """As every method's, with both chains."""
        config, k0 = self.config, self.config.prior_sampler
        chain = f"K₀ = {k0.n_steps}, s = {k0.step_size:g}, {config.prior_chains}"
        if self.replay is not None:
            chain += f", {config.prior_restart:.0%} restarted"
        return {"prior chain": chain} | super().facts()
