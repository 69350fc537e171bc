"""Maximum entropy generators for an energy over data (Kumar et al. 2019)."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import softplus

from lebm.encoders import build_encoder
from train.config import TrainConfig
from train.methods.base import count_parameters, grad_norm
from train.methods.encoders import Autoencoder
from train.methods.pairs import PairNetwork

#: λ, of the mean square of the energy's slope in each value of x.
PENALTY = 100.0
#: Steps of the energy for each of the generator.
ENERGY_STEPS = 5


def slope_penalty(energy: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """E(x), `(n,)`, and the mean over examples and values of (dE/dx)², to be learned from.

    Zero-centred: an energy that has its low points at data is flat there.
    """
    x = x.detach().requires_grad_()
    energies = energy(x).squeeze(-1)
    (slope,) = torch.autograd.grad(energies.sum(), x, create_graph=True)
    return energies, slope.square().mean()


def information_loss(joint: Tensor, apart: Tensor) -> Tensor:
    r"""Cross-entropy of telling pairs (g(z), z) from pairs (g(z), z̄), by their logits.

    $$ \tfrac12 E[-\log \sigma(T(g(z), z))] + \tfrac12 E[-\log(1 - \sigma(T(g(z), \bar z)))] $$

    The lower it can be made, the more g(z) says of z, which for a deterministic g is its entropy:
    I(g(z), z) = H(g(z)) - H(g(z)|z).

    Args:
        joint: T at pairs that belong together, `(n,)`.
        apart: T at pairs of independent draws, `(n,)`.
    """
    return 0.5 * (softplus(-joint) + softplus(apart)).mean()


class MEG(Autoencoder):
    r"""An energy over data against a generator that lowers it at high entropy.

    $$ \min_E \; E_x[E(x)] - E_z[E(g(z))] + \lambda \, E_x\|\nabla_x E(x)\|^2, \qquad
       \min_{g, T} \; E_z[E(g(z))] + L_T(g(z), z) $$

    L_T is `information_loss` (Deep InfoMax), learned by estimator and generator together. The
    anomaly score is E(x), whose zero is arbitrary. Weights are those of the authors' public code
    for anomalies among digits: λ = 100 on the mean over values (as it averages), five steps of E
    for each of g; theirs also are Adam's 1e-4 and (0.5, 0.9), where the run's are used here.

    Simplified: no batch normalisation, since the generator is every method's, and E mirrors it; z̄
    is drawn anew, not shuffled, which is the same in law; E and g learn from the same draws. The
    paper has no inference: an encoder that learns z from g(z) by squared error, which nothing else
    learns from, is there for reconstructions alone. The model's σ is the run's and plays no part.

    Source: Kumar, Ozair, Goyal, Courville and Bengio 2019, "Maximum entropy generators for
    energy-based models"; https://github.com/ritheshkumar95/energy_based_generative_models.
    """

    headline = ("energy_gap", "information_loss")
    outputs = 1

    def __init__(
        self, config: TrainConfig, train: Tensor, fabric: Fabric, *, generator: torch.Generator
    ) -> None:
        super().__init__(config, train, fabric, generator=generator)
        sizes, rate = config.model, config.optimizer.lr_generator
        self.energy = build_encoder(sizes.data_shape, sizes.width, 1).to(fabric.device)
        self.estimator = PairNetwork(sizes).to(fabric.device)
        self.networks |= {"energy": self.energy, "estimator": self.estimator}
        self.optimizers["energy"] = self.adam(self.energy, lr=rate)
        self.optimizers["estimator"] = self.adam(self.estimator, lr=rate)
        self.memory["energy_steps"] = torch.zeros((), dtype=torch.long)

    def iteration(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """One step of Adam on the energy, and every fifth time one on all else."""
        z, z_apart = (self.model.prior.sample_base(len(x), generator=generator) for _ in range(2))
        generator_learns = int(self.memory["energy_steps"]) % ENERGY_STEPS == 0
        with torch.set_grad_enabled(generator_learns):
            with self.fabric.autocast():
                x_fake = self.model.generator(z)
            x_fake = x_fake.float()
            metrics = self._learn_energy(x, x_fake.detach())
            information = self._information_loss(x_fake, z, z_apart)
            if generator_learns:
                self._learn_generator(x_fake, z, information)
        return {
            **metrics,
            "information_loss": information.detach(),
            "mse": (x - self.reconstruct(x, generator=generator)).square().mean(),
        }

    @torch.enable_grad()
    def _learn_energy(self, x: Tensor, x_fake: Tensor) -> dict[str, Tensor]:
        """In float32 throughout: the penalty is a derivative that is differentiated again."""
        optimizer = self.optimizers["energy"]
        optimizer.zero_grad()
        real, penalty = slope_penalty(self.energy, x)
        gap = self.energy(x_fake).mean() - real.mean()
        (PENALTY * penalty - gap).backward()
        optimizer.step()
        self.memory["energy_steps"] += 1
        return {
            "energy": real.detach().mean(),
            "energy_gap": gap.detach(),
            "slope_penalty": penalty.detach(),
            "grad_norm_energy": grad_norm(self.energy),
        }

    def _information_loss(self, x_fake: Tensor, z: Tensor, z_apart: Tensor) -> Tensor:
        with self.fabric.autocast():
            joint, apart = self.estimator(x_fake, torch.stack([z, z_apart]))
        return information_loss(joint, apart)

    def _learn_generator(self, x_fake: Tensor, z: Tensor, information: Tensor) -> None:
        """A step of generator, estimator and encoder; the energy's gradients are left alone."""
        optimizers = [self.optimizers[name] for name in ("autoencoder", "estimator")]
        for optimizer in optimizers:
            optimizer.zero_grad()
        with self.fabric.autocast():
            encoded = self.encoder(x_fake.detach())
        inversion = (encoded.float() - z).square().mean()
        loss = self.energy(x_fake).mean() + information + inversion
        learning = (self.model.generator, self.estimator, self.encoder)
        loss.backward(inputs=[p for network in learning for p in network.parameters()])
        for optimizer in optimizers:
            optimizer.step()

    @torch.no_grad()
    def anomaly_terms(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """E(x), by the name of "energy"."""
        return {"energy": self.energy(x).squeeze(-1)}

    def facts(self) -> dict[str, str | int | float]:
        """As every method's, with the sizes of energy and estimator."""
        return super().facts() | {
            "parameters of the energy over x": count_parameters(self.energy),
            "parameters of the information estimator": count_parameters(self.estimator),
        }
