"""A network over pairs of an example and its latent, for methods that compare such pairs."""

from __future__ import annotations

from torch import Tensor, nn

from lebm.encoders import build_encoder
from lebm.model import ModelConfig


class PairNetwork(nn.Module):
    """D(x, z): a convolutional net of x and a linear map of z, added up, and an MLP over them.

    The net of x mirrors the generator, as encoders do; the hidden layers are as wide as those of
    the run's f. No normalisation layers, no dropout.

    Args:
        config: sizes of examples, latents and layers.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden = config.prior_hidden
        self.of_x = build_encoder(config.data_shape, config.width, hidden)
        self.of_z = nn.Linear(config.latent_dim, hidden)
        self.head = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, 1),
        )

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """A number for each pair, in float32: `(n, *data_shape), (..., n, d) -> (..., n)`."""
        return self.head(self.of_x(x) + self.of_z(z)).squeeze(-1).float()
