"""The regularised autoencoder with an ex-post density of its codes (Ghosh et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from train.data import to_model_range
from train.evaluation import mse_scale
from train.methods.base import grad_norm, latent_metrics
from train.methods.mixture import FITTED, MixtureAutoencoder


class RAE(MixtureAutoencoder):
    r"""Generator and encoder by squared error, codes and generator held small; no noise anywhere.

    $$ \frac{\|x - g(z)\|^2}{\text{pixels}} + \beta \frac{\|z\|^2}{d} + \lambda \|\theta_g\|^2,
       \qquad z = e(x) $$

    with images on the 0-to-1 scale: "RAE-L2", the variant with weight decay on the generator. The
    prior is fitted afterwards: a mixture of Gaussians with full covariances over the codes of
    training examples. A checkpoint's mixture is fitted when it is saved.

    Weights, mixture and the scale of each term are those of the authors' public code for MNIST
    (embedding_weight 1e-4, l2 1e-7, GMM_10); for CIFAR-10 they give 1e-3 and 1e-6. Simplified:
    no batch normalisation, since the generator is every method's; the weights that are decayed
    are the kernels, as there; the mixture sees 10,000 codes at most and 200 rounds of EM.

    Source: Ghosh et al. 2020, "From variational to deterministic autoencoders"; their code is
    https://github.com/ParthaEth/Regularized_autoencoders-RAE-.
    """

    headline = ("grad_norm_generator", "z_plus_norm")

    def iteration(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """One step of Adam on the regularised squared error."""
        weights, optimizer = self.config.rae, self.optimizers["autoencoder"]
        optimizer.zero_grad()
        with self.fabric.autocast():
            z = self.encoder(x)
            mse = (x - self.model.generator(z)).square().mean()
        reconstruction = mse * mse_scale(self.train) * self._values_per_pixel
        loss = (
            reconstruction
            + weights.latent_weight * z.float().square().mean()
            + weights.generator_weight * self._kernels_squared()
        )
        loss.backward()
        optimizer.step()
        z_plus = z.detach().float()
        return {
            "loss": loss.detach(),
            "grad_norm_encoder": grad_norm(self.encoder),
            "grad_norm_generator": grad_norm(self.model.generator),
            **latent_metrics(z_plus),
            "mse": mse.detach().float(),
        }

    @property
    def _values_per_pixel(self) -> int:
        """Channels of an image, coordinates of a point: what the squared error sums over."""
        return self.config.model.data_shape[0]

    def _kernels_squared(self) -> Tensor:
        kernels = [p for p in self.model.generator.parameters() if p.ndim > 1]
        return torch.stack([kernel.square().sum() for kernel in kernels]).sum()

    def codes_to_fit(self) -> Tensor:
        """Codes of training examples."""
        rows = torch.linspace(0, len(self.train) - 1, min(FITTED, len(self.train))).long()
        batches = self.train[rows].split(500)
        codes = [self.encode(self.fabric.to_device(to_model_range(x))).cpu() for x in batches]
        return torch.cat(codes)
