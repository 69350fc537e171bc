"""Amortised inference and synthesis (Pang et al. 2020, section 2.6)."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import torch
from lightning_fabric import Fabric
from torch import Tensor

from lebm import langevin
from lebm.amortised import AmortisedSamplers
from lebm.model import ModelConfig
from train.config import TrainConfig
from train.methods.base import (
    Method,
    count_parameters,
    grad_norm,
    latent_metrics,
)
from train.objectives import divergence_less_log_z, generator_loss, prior_loss
from train.scores import joint_terms


class Amortised(Method):
    r"""Prior and generator as in Algorithm 1, z⁺ and z⁻ from learned samplers.

    $$ \max_{\theta, \phi} \min_\psi \; \Delta(\theta, \phi, \psi)
       = -KL(q_{data}(x) \, q_\phi(z|x) \,\|\, p_\theta(x, z)) + KL(q_\psi(z) \,\|\, p_\alpha(z)) $$

    All networks step at once, from gradients at the same parameters; ψ goes the other way. In α
    and β, Δ has the gradients of eq. 7 and 8 at the draws. With `posterior_steps` and
    `prior_steps` the samplers are warm starts: φ and ψ still follow Δ, while α and β learn from
    what Langevin steps make of the draws.

    Source: Pang et al. 2020, eq. 17; q_ψ is a spline flow here, and φ may begin with less than
    the whole of its divergence (`annealing`), as in Bowman et al. 2016.
    """

    headline = ("objective", "f_gap", "grad_norm_prior")

    def __init__(
        self, config: TrainConfig, train: Tensor, fabric: Fabric, *, generator: torch.Generator
    ) -> None:
        super().__init__(config, train, fabric, generator=generator)
        rates = config.optimizer
        self.optimizers["prior"] = self.adam(self.model.prior, lr=rates.lr_prior)
        self.optimizers["generator"] = self.adam(
            self.model.generator, self.samplers.inference, lr=rates.lr_generator
        )
        self.optimizers["synthesis"] = self.adam(
            self.samplers.synthesis, lr=rates.lr_generator, maximize=True
        )

    @classmethod
    def model_config(cls, config: ModelConfig) -> ModelConfig:
        """With learned samplers."""
        return replace(config, amortised=True)

    @property
    def samplers(self) -> AmortisedSamplers:
        """q_φ and q_ψ, which the model holds."""
        assert self.model.amortised is not None
        return self.model.amortised

    def iteration(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """One step of Adam on Δ for each network."""
        model = self.model
        noises = [model.prior.sample_base(len(x), generator=generator) for _ in range(2)]
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        with self.fabric.autocast():
            z_plus, log_q_plus = self.samplers.inference(x, noises[0])
            heard = self.heard(x, generator=generator)
            nll = -model.log_likelihood(x, z_plus, heard).mean()
        z_minus, log_q_minus = self.samplers.synthesis(noises[1])
        inference = divergence_less_log_z(model.prior, z_plus, log_q_plus).mean()
        synthesis = divergence_less_log_z(model.prior, z_minus, log_q_minus).mean()
        loss = nll + self.weight * inference - synthesis  # -Δ, in the end
        refines = self.config.amortised.posterior_steps > 0
        followers = self.samplers.parameters(), () if refines else model.generator.parameters()
        loss.backward(inputs=[*chain.from_iterable(followers)])
        z_plus, z_minus = z_plus.detach(), self._refine_prior(z_minus.detach(), generator)
        if refines:
            z_plus = self._refine_posterior(x, z_plus, generator)
            with self.fabric.autocast():
                nll = generator_loss(model, x, z_plus, heard)
            nll.backward()
        prior_loss(model.prior, z_plus, z_minus).backward()
        self.count_iteration()
        metrics = {
            "objective": (synthesis - inference - nll).detach(),
            "inference_divergence": inference.detach(),
            "synthesis_divergence": synthesis.detach(),
            "nll_given_z": nll.detach(),
            **self._describe(z_plus, z_minus),
        }
        for optimizer in self.optimizers.values():
            optimizer.step()
        return metrics | self._grad_norms() | self.error_given_z(x, nll.detach())

    def _refine_posterior(self, x: Tensor, z: Tensor, generator: torch.Generator) -> Tensor:
        steps = self.config.amortised.posterior_steps
        sampler = replace(self.config.posterior_sampler, n_steps=steps)
        with self.fabric.autocast():
            return langevin.sample(self.model.posterior_density(x), z, sampler, generator=generator)

    def _refine_prior(self, z: Tensor, generator: torch.Generator) -> Tensor:
        steps = self.config.amortised.prior_steps
        sampler = replace(self.config.prior_sampler, n_steps=steps)
        return langevin.sample(self.model.prior_density(), z, sampler, generator=generator)

    @torch.no_grad()
    def _describe(self, z_plus: Tensor, z_minus: Tensor) -> dict[str, Tensor]:
        f = self.model.prior.neg_energy
        return {
            "f_gap": f(z_plus).mean() - f(z_minus).mean(),
            **latent_metrics(z_plus),
            **latent_metrics(z_minus, "z_minus"),
        }

    def _grad_norms(self) -> dict[str, Tensor]:
        """Of the gradients that the optimisers have stepped on: of the whole batch."""
        networks = {
            "prior": self.model.prior,
            "generator": self.model.generator,
            "inference": self.samplers.inference,
            "synthesis": self.samplers.synthesis,
        }
        return {f"grad_norm_{name}": grad_norm(network) for name, network in networks.items()}

    @torch.no_grad()
    def reconstruct(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """g(z) with z as inferred."""
        return self.model.generate(self.infer(x, generator=generator))

    @torch.no_grad()
    def anomaly_terms(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """-log p(x, z) up to a constant, with z as for reconstructions."""
        return joint_terms(self.model, x, self.infer(x, generator=generator))

    @torch.no_grad()
    def infer(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """The mean of q_φ(z|x), refined where the run does so."""
        return self._refine_posterior(x, self.samplers.inference.mean(x), generator)

    @torch.no_grad()
    def sample_prior(self, start: Tensor, *, generator: torch.Generator) -> Tensor:
        """Draws of q_ψ, refined where the run does so."""
        return self._refine_prior(self.samplers.synthesis(start)[0], generator)

    @property
    def prior_gradients(self) -> int:
        """One for each step of the refinement."""
        return self.config.amortised.prior_steps

    def chain_limits(self) -> dict[str, float]:
        """Of z⁻ alone: an encoder that aims too far at first comes back."""
        return {"z_minus_max": self.config.prior_sampler.max_radius}

    def facts(self) -> dict[str, str | int | float]:
        """As every method's, with the samplers' sizes."""
        return super().facts() | {
            "Langevin steps after q_φ": self.config.amortised.posterior_steps,
            "Langevin steps after q_ψ": self.config.amortised.prior_steps,
            "parameters of q_φ": count_parameters(self.samplers.inference),
            "parameters of q_ψ": count_parameters(self.samplers.synthesis),
        }
