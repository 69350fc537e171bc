"""The two-stage VAE (Dai and Wipf 2019): a second VAE learns where the first one's codes lie."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from lebm.encoders import encode_gaussian, gaussian_kl
from lebm.hierarchy import HierarchicalGenerator, SkipMLP
from lebm.langevin import LangevinConfig
from lebm.model import ModelConfig
from train.config import TrainConfig
from train.methods.base import grad_norm, latent_metrics
from train.methods.encoders import Autoencoder

#: What is kept of the mean of the squared error from one iteration to the next.
_KEPT = 0.99


class TwoStageVAE(Autoencoder):
    """A VAE whose σ is learned, and a second VAE on its codes.

    The model that is saved is the second stage's: u ~ N(0, I), z = h(u) + γ ε, x = g(z), written
    over (u, ε), so that its prior is N(0, I) and its draws are the method's own.

    Departures: the second stage learns beside the first, on its detached codes, rather than
    after it, so that every checkpoint is whole; σ of the first stage is the optimum for the
    recent squared error (Rybkin et al. 2021) rather than a parameter; γ is one number for each
    latent rather than one for all; h has two hidden layers as wide as f_α rather than three of
    1024, with their connection from input to output.

    Source: Dai and Wipf 2019, "Diagnosing and enhancing VAE models"; their code is
    https://github.com/daib13/TwoStageVAE.
    """

    headline = ("kl", "kl_second", "noise_std")

    def __init__(
        self, config: TrainConfig, train: Tensor, fabric: Fabric, *, generator: torch.Generator
    ) -> None:
        super().__init__(config, train, fabric, generator=generator)
        d = config.model.latent_dim
        encoder = SkipMLP(d, config.model.prior_hidden, 2 * d).to(fabric.device)
        self.networks["second_encoder"] = self.second_encoder = encoder
        second = [encoder, *self.hierarchy.means]
        self.optimizers["second"] = self.adam(*second, lr=config.optimizer.lr_generator)
        self.optimizers["second"].add_param_group({"params": [self.hierarchy.log_scales]})
        self.memory["noise_variance"] = torch.tensor(config.model.noise_std**2)

    @classmethod
    def model_config(cls, config: ModelConfig) -> ModelConfig:
        """Two layers of latents under the prior N(0, I)."""
        return replace(config, prior="gaussian", latent_dim=2 * config.latent_dim, latent_layers=2)

    @property
    def hierarchy(self) -> HierarchicalGenerator:
        """The model's generator, both stages."""
        both = self.model.generator
        assert isinstance(both, HierarchicalGenerator)
        return both

    @property
    def decoder(self) -> nn.Module:
        """g, of the first stage."""
        return self.hierarchy.bottom

    def iteration(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """One step of Adam for each stage."""
        u_noise, z_noise = self.model.prior.sample_base(len(x), generator=generator).chunk(2, -1)
        z, metrics = self._first_stage(x, z_noise)
        return metrics | self._second_stage(z, u_noise)

    def _first_stage(self, x: Tensor, noise: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Learn g and its encoder; returns codes, detached, and metrics."""
        optimizer, variance = self.optimizers["autoencoder"], self.memory["noise_variance"]
        optimizer.zero_grad()
        with self.fabric.autocast():
            mean, log_std = encode_gaussian(self.encoder, x)
            z = mean + log_std.exp() * noise
            mse = (x - self.decoder(z)).square().mean()
        kl = gaussian_kl(mean, log_std).mean()
        n_values, mse = math.prod(x.shape[1:]), mse.float()
        half_nats = mse / variance.to(mse) + torch.log(math.tau * variance.to(mse))
        elbo = -0.5 * n_values * half_nats - kl
        (-elbo).backward()
        optimizer.step()
        variance.mul_(_KEPT).add_((1 - _KEPT) * self.ranks.mean(mse.detach()).to(variance))
        metrics = {
            "elbo": elbo,
            "kl": kl,
            "noise_std": variance.sqrt().to(mse),
            "grad_norm_encoder": grad_norm(self.encoder),
            "grad_norm_generator": grad_norm(self.decoder),
            **latent_metrics(z),
            "mse": mse,
        }
        return z.detach(), {name: m.detach() for name, m in metrics.items()}

    def _second_stage(self, z: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Learn h, γ and their encoder on codes z, `(n, d)`."""
        optimizer, log_scale = self.optimizers["second"], self.hierarchy.log_scales[0]
        optimizer.zero_grad()
        mean, log_std = encode_gaussian(self.second_encoder, z)
        predicted = self.hierarchy.means[0](mean + log_std.exp() * noise)
        white = (z - predicted) / log_scale.exp()
        nll = (0.5 * white.square() + log_scale + 0.5 * math.log(math.tau)).sum(-1).mean()
        kl = gaussian_kl(mean, log_std).mean()
        (nll + kl).backward()
        optimizer.step()
        metrics = {
            "elbo_second": -(nll + kl),
            "kl_second": kl,
            "scale_second": log_scale.exp().mean(),
        }
        return {name: m.detach() for name, m in metrics.items()}

    @torch.no_grad()
    def anomaly_terms(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """-ELBO of the first stage, with its learned σ: "reconstruction" and "kl"."""
        mean, log_std = encode_gaussian(self.encoder, x)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        again = self.decoder(mean + log_std.exp() * noise)
        sq_error = (x - again).square().flatten(1).sum(1)
        nll = sq_error / (2 * self.model.noise_std**2) + self.model.log_norm
        return {"reconstruction": nll, "kl": gaussian_kl(mean, log_std)}

    def prepare_model(self) -> None:
        """Give the model the σ that has been learned."""
        noise_std = max(float(self.memory["noise_variance"].sqrt()), 1e-6)
        self.model.noise_std = noise_std
        self.model.config = replace(self.model.config, noise_std=noise_std)

    def reconstruction_sampler(self) -> LangevinConfig:
        """The run's chain, with a step that shrinks with the σ² that has been learned.

        So does the posterior; the step that suits the run's σ would leave it.
        """
        chain, given = self.config.reconstruction, self.config.model.noise_std
        shrunk = min(1.0, (self.model.noise_std / given) ** 2)
        return replace(chain, step_size=chain.step_size * shrunk)
