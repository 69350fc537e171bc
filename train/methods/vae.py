"""The variational autoencoder (Kingma and Welling 2014; Rezende et al. 2014)."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm.encoders import encode_gaussian, gaussian_kl
from lebm.model import LatentEBM
from train.methods.base import grad_norm, latent_metrics
from train.methods.encoders import Autoencoder


def negative_elbo(
    model: LatentEBM,
    x: Tensor,
    mean: Tensor,
    log_std: Tensor,
    noise: Tensor,
    heard: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""The two parts of -ELBO for each example, in nats: -log p_β(x|z) and the divergence.

    $$ -E_{q(z|x)}[\log p_\beta(x|z)] + KL(q(z|x) \,\|\, N(0, I)) $$

    with one draw z = μ + σ ε for the expectation and the divergence in closed form.

    Args:
        model: its generator and σ.
        x: examples, `(n, *data_shape)`.
        mean: μ of q(z|x), `(n, d)`.
        log_std: log σ of q(z|x), `(n, d)`.
        noise: ε, `(n, d)`.
        heard: of sentences, what the decoder hears of the words before; x by default.
    """
    z = mean + log_std.exp() * noise
    return -model.log_likelihood(x, z, heard), gaussian_kl(mean, log_std)


class VAE(Autoencoder):
    """Generator and encoder by the evidence lower bound; the prior stays N(0, I).

    The generator's σ is the run's, as for every method here. Reconstructions decode the mean of
    q(z|x).

    Source: Kingma and Welling 2014, "Auto-encoding variational Bayes", estimator B.
    """

    headline = ("kl", "grad_norm_generator")

    def iteration(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """One step of Adam on -ELBO."""
        return self.learn(x, generator=generator)[1]

    def learn(self, x: Tensor, *, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Learn from one mini-batch; returns its draws of q(z|x), detached, and metrics.

        Args:
            x: examples, `(n, *data_shape)`.
            generator: source of all noise.
        """
        model, optimizer = self.model, self.optimizers["autoencoder"]
        noise = model.prior.sample_base(len(x), generator=generator)
        optimizer.zero_grad()
        with self.fabric.autocast():
            mean, log_std = self.posterior(x, learning=True, generator=generator)
            heard = self.heard(x, generator=generator)
            nll, kl = negative_elbo(model, x, mean, log_std, noise, heard)
        z_plus = mean + log_std.exp() * noise
        loss = nll.mean() + self.divergence_cost(mean, log_std, z_plus)
        loss.backward()
        optimizer.step()
        self.count_iteration()
        nll_given_z = nll.detach().mean()
        return z_plus.detach(), {
            "elbo": -(nll + kl).detach().mean(),
            "kl": kl.detach().mean(),
            "nll_given_z": nll_given_z,
            "grad_norm_encoder": grad_norm(self.encoder),
            "grad_norm_generator": grad_norm(model.generator),
            **latent_metrics(z_plus),
            **self.error_given_z(x, nll_given_z),
        }

    def posterior(
        self, x: Tensor, *, learning: bool, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of q(z|x), each `(n, d)`.

        Args:
            x: examples, `(n, *data_shape)`.
            learning: whether weights are going to learn from it.
            generator: source of whatever is drawn.
        """
        return encode_gaussian(self.encoder, x)

    def divergence_cost(self, mean: Tensor, log_std: Tensor, z: Tensor) -> Tensor:
        """What the divergence of q(z|x) from the prior adds to the loss: a scalar.

        Args:
            mean: of q(z|x), `(n, d)`.
            log_std: of q(z|x), `(n, d)`.
            z: a draw of each, `(n, d)`.
        """
        return self.weight * gaussian_kl(mean, log_std).mean()

    @torch.no_grad()
    def infer(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """The mean of q(z|x)."""
        return self.posterior(x, learning=False, generator=generator)[0]

    @torch.no_grad()
    def reconstruct(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """g(z) with z the mean of q(z|x)."""
        return self.model.generate(self.infer(x, generator=generator))

    @torch.no_grad()
    def anomaly_terms(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """-ELBO: "reconstruction" with one draw of q(z|x), and "kl"."""
        return self.bound(x, generator=generator)[1]

    @torch.no_grad()
    def bound(self, x: Tensor, *, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """A draw of q(z|x), `(n, d)`, and the terms of -ELBO at it, `(n,)` each, in nats."""
        noise = self.model.prior.sample_base(len(x), generator=generator)
        mean, log_std = self.posterior(x, learning=False, generator=generator)
        nll, kl = negative_elbo(self.model, x, mean, log_std, noise)
        return mean + log_std.exp() * noise, {"reconstruction": nll, "kl": kl}
