"""The regularised autoencoder with an ex-post density of its codes (Ghosh et al. 2020)."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from lebm.langevin import LangevinConfig
from lebm.model import ModelConfig
from lebm.tilts import MixtureTilt
from train.data import to_model_range
from train.evaluation import mse_scale
from train.methods.base import grad_norm, latent_metrics
from train.methods.encoders import Autoencoder

#: Training examples whose codes the mixture is fitted to, at most.
FITTED = 10_000


class RAE(Autoencoder):
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
    outputs = 1

    @classmethod
    def model_config(cls, config: ModelConfig) -> ModelConfig:
        """With a mixture for its prior."""
        return replace(config, prior="mixture")

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

    def prepare_model(self) -> None:
        """Fit the prior to the codes of training examples."""
        rows = torch.linspace(0, len(self.train) - 1, min(FITTED, len(self.train))).long()
        batches = self.train[rows].split(500)
        codes = [self.encode(self.fabric.to_device(to_model_range(x))).cpu() for x in batches]
        fit_mixture(self.mixture, torch.cat(codes), seed=self.config.seed)

    @torch.no_grad()
    def anomaly_terms(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """-log p(x, z) at the code z: "reconstruction" is -log p_β(x|z), "prior" the mixture's."""
        z, model = self.encode(x), self.model
        terms = {"reconstruction": -model.log_likelihood(x, z)}
        return terms | {"prior": -model.prior.unnorm_log_prob(z)}

    @property
    def mixture(self) -> MixtureTilt:
        """The model's prior."""
        tilt = self.model.prior.f
        assert isinstance(tilt, MixtureTilt)
        return tilt

    def prior_sampler(self) -> LangevinConfig:
        """The run's, with a step that the narrowest Gaussian of the mixture allows."""
        given = self.config.prior_sampler
        stable = max(self.mixture.least_variance, math.ulp(1.0))  # s = σ² is half the limit
        return replace(given, step_size=min(given.step_size, stable))


def fit_mixture(tilt: MixtureTilt, codes: Tensor, *, seed: int) -> None:
    """Make the prior the mixture of highest likelihood, full covariances, by EM.

    Args:
        tilt: changed in place.
        codes: latents, `(n, latent_dim)`.
        seed: of EM's start.
    """
    mixture = GaussianMixture(len(tilt.means), tol=1e-3, max_iter=200, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a coarse fit is a fit
        mixture.fit(codes.double().numpy())
    fitted = {
        "log_weights": torch.from_numpy(mixture.weights_).log(),
        "means": torch.from_numpy(mixture.means_),
        # scikit-learn keeps U with precision U U^T, upper triangular; L is what we keep.
        "precision_factors": torch.linalg.cholesky(torch.from_numpy(mixture.precisions_)),
    }
    tilt.load_state_dict(fitted)
