"""What methods share whose prior, as it is saved, is a mixture of Gaussians fitted to codes."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from dataclasses import replace

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from lebm.langevin import LangevinConfig
from lebm.model import ModelConfig
from lebm.tilts import MixtureTilt
from train.methods.encoders import Autoencoder

#: Codes that the mixture is fitted to, at most.
FITTED = 10_000


class MixtureAutoencoder(Autoencoder):
    """An autoencoder that says where its codes lie when it is saved, and not before."""

    outputs = 1

    @classmethod
    def model_config(cls, config: ModelConfig) -> ModelConfig:
        """With a mixture for its prior."""
        return replace(config, prior="mixture")

    @abstractmethod
    def codes_to_fit(self) -> Tensor:
        """What the prior is fitted to, up to `FITTED` codes `(n, d)` on the CPU."""

    def prepare_model(self) -> None:
        """Fit the prior."""
        fit_mixture(self.mixture, self.codes_to_fit(), seed=self.config.seed)

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
        return self._stable(self.config.prior_sampler, 1.0)  # s = σ² is half the limit

    def reconstruction_sampler(self) -> LangevinConfig:
        """The run's, with a step that leaves the likelihood room beside the narrowest Gaussian."""
        return self._stable(self.config.reconstruction, 0.5)

    def _stable(self, given: LangevinConfig, share: float) -> LangevinConfig:
        """A chain whose step is at most this share of the smallest variance."""
        stable = max(share * self.mixture.least_variance, math.ulp(1.0))
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
