"""What methods without an encoder share: z⁺ of an example by a chain on its posterior."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor

from lebm import langevin
from train.config import TrainConfig
from train.methods.base import Method
from train.scores import joint_terms

_LEAST_WEIGHT = 0.3  # steps that suit a posterior are too long for one much narrower


class LangevinInference(Method):
    """A method whose posterior samples come from Langevin chains.

    The chains start at p_0 noise, or where the same example's chain ended an epoch ago.
    """

    def __init__(
        self, config: TrainConfig, train: Tensor, fabric: Fabric, *, generator: torch.Generator
    ) -> None:
        super().__init__(config, train, fabric, generator=generator)
        if config.posterior_chains == "persistent":
            start = self.model.prior.sample_base(len(train), generator=generator)
            self.memory["memory"] = start.cpu()

    def posterior_start(self, rows: Tensor, *, generator: torch.Generator) -> Tensor:
        """Where the chains of these examples start, `(n, latent_dim)`."""
        if "memory" in self.memory:
            return self.fabric.to_device(self.memory["memory"][rows])
        return self.model.prior.sample_base(len(rows), generator=generator)

    @property
    def likelihood_weight(self) -> float:
        """How often log p_β(x|z) counts in chains that learn: 1 / w."""
        return 1 / max(self.weight, _LEAST_WEIGHT)

    def remember(self, rows: Tensor, z_plus: Tensor) -> None:
        """Keep where the chains of these examples ended, if the run wants that."""
        if "memory" in self.memory:
            rows, z_plus = self.ranks.gather(rows), self.ranks.gather(z_plus)
            self.memory["memory"][rows] = z_plus.cpu()

    def reconstruct(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """g(z) with z as `infer` finds it."""
        return self.model.generate(self.infer(x, generator=generator))

    def infer(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """z from the run's reconstruction chain, which starts at p_0 noise."""
        return self.model.infer(x, self.config.reconstruction, generator=generator)

    def expect_scoring(self, n: int) -> None:
        """Make room for the persistent chains of scored examples."""
        if "memory" in self.memory:
            self.memory["scored"] = torch.full((n, self.memory["memory"].shape[1]), torch.nan)

    @torch.no_grad()
    def anomaly_terms(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """-log p(x, z) up to a constant, with z from the example's posterior chain."""
        return joint_terms(self.model, x, self._scored(x, rows, generator=generator))

    def _scored(self, x: Tensor, rows: Tensor, *, generator: torch.Generator) -> Tensor:
        """Where the posterior chains of scored examples end, `(n, latent_dim)`.

        They are the run's reconstruction chain, from p_0 noise. Persistent ones go on from there
        at later scorings, by as many steps as a training example's chain takes at a visit.
        """
        start, chain = self.model.prior.sample_base(len(x), generator=generator), None
        kept = self.memory.get("scored")
        if kept is not None and not kept[rows].isnan().any():
            start, chain = self.fabric.to_device(kept[rows]), self.config.posterior_sampler
        density = self.model.posterior_density(x)
        with self.fabric.autocast():
            z = langevin.sample(
                density, start, chain or self.config.reconstruction, generator=generator
            )
        if kept is not None:
            kept[rows] = z.cpu()
        return z

    def facts(self) -> dict[str, str | int | float]:
        """As every method's, with the posterior chain."""
        k1 = self.config.posterior_sampler
        chain = f"K₁ = {k1.n_steps}, s = {k1.step_size:g}, {self.config.posterior_chains}"
        return {"posterior chain": chain} | super().facts()
