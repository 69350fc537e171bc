"""Several latent layers over one generator, written over the layers' noises."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SkipMLP(nn.Module):
    """Two hidden layers, `(n, d_in) -> (n, d_out)`; the last layer sees the input as well.

    Args:
        d_in: length of the input.
        hidden: units in each hidden layer.
        d_out: length of the output.
    """

    def __init__(self, d_in: int, hidden: int, d_out: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(d_in, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
        )
        self.out = nn.Linear(d_in + hidden, d_out)

    def forward(self, z: Tensor) -> Tensor:
        return self.out(torch.cat([z, self.hidden(z)], -1))


class HierarchicalGenerator(nn.Module):
    r"""g_β under L layers of latents, from the top down, as a function of independent noises.

    $$ z_L = \epsilon_L, \qquad z_l = \mu_l(z_{l+1}) + \exp(c_l) \, \epsilon_l, \qquad x = g(z_1) $$

    The latent that samplers see is (ε_L, ..., ε_1) side by side, whose prior is N(0, I).

    Args:
        bottom: g, `(n, d) -> (n, *data_shape)`.
        layer_dim: d, the length of each z_l.
        n_layers: L, at least 2.
        hidden: units in each hidden layer of μ.
    """

    def __init__(self, bottom: nn.Module, layer_dim: int, n_layers: int, hidden: int) -> None:
        super().__init__()
        self.bottom = bottom
        self.means = nn.ModuleList(
            SkipMLP(layer_dim, hidden, layer_dim) for _ in range(n_layers - 1)
        )
        self.log_scales = nn.Parameter(torch.zeros(n_layers - 1, layer_dim))

    def bottom_latent(self, noises: Tensor) -> Tensor:
        """z_1, which g decodes: `(n, L d) -> (n, d)`."""
        z, *below = noises.chunk(len(self.means) + 1, -1)
        for mean, log_scale, noise in zip(self.means, self.log_scales, below, strict=True):
            z = mean(z) + log_scale.exp() * noise
        return z

    def forward(self, noises: Tensor) -> Tensor:
        return self.bottom(self.bottom_latent(noises))
