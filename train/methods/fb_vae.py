"""The VAE with free bits (Kingma et al. 2016), after a start as an autoencoder (Li et al. 2019)."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor

from lebm.encoders import gaussian_kl_each
from lebm.model import LatentEBM
from train.config import TrainConfig
from train.methods.base import annealed
from train.methods.vae import VAE


class FreeBitsVAE(VAE):
    r"""A VAE whose latents are told some nats each for nothing, so that none is given up.

    $$ -E_q[\log p_\beta(x|z)] + w \sum_i \max(\lambda, \overline{KL_i}) $$

    with the mean of KL_i over the batch and the weight w of annealing. Before that, for
    `vae.pretraining` iterations, w is 0; then the generator begins anew, while the encoder stays.

    Source: Kingma et al. 2016, "Improved variational inference with inverse autoregressive flow",
    eq. 15; Li et al. 2019, "A surprisingly effective fix for deep latent variable modeling of
    text", which adds the start as an autoencoder.
    """

    def __init__(
        self, config: TrainConfig, train: Tensor, fabric: Fabric, *, generator: torch.Generator
    ) -> None:
        super().__init__(config, train, fabric, generator=generator)
        self.memory["iterations"] = torch.zeros((), dtype=torch.long)

    @property
    def weight(self) -> float:
        """0 while it is an autoencoder, then as annealing has it."""
        since = int(self.memory["iterations"]) - self.config.vae.pretraining
        if since < 0:
            return 0.0
        return annealed(since, self.config.annealing)

    def divergence_cost(self, mean: Tensor, log_std: Tensor, z: Tensor) -> Tensor:
        """The divergence beyond the free nats of each latent, which the whole batch decides."""
        free, each = self.config.vae.free_bits, gaussian_kl_each(mean, log_std).mean(0)
        beyond = self.ranks.mean(each.detach()) > free
        return self.weight * each.where(beyond, free).sum()

    def iteration(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """One step of Adam; the first after the start as an autoencoder renews the generator."""
        pretraining = self.config.vae.pretraining
        if pretraining and int(self.memory["iterations"]) == pretraining:
            self._begin_anew()
        return super().iteration(x, rows, generator=generator)

    def _begin_anew(self) -> None:
        """Give the generator the weights that another seed would have begun with."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed + 1)
            fresh = LatentEBM(self.model.config).generator
        self.model.generator.load_state_dict(fresh.state_dict())
        for p in self.model.generator.parameters():
            self.optimizers["autoencoder"].state.pop(p, None)
