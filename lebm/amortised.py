"""Learned samplers in place of Langevin chains: q_φ(z|x) and q_ψ(z), Pang et al. 2020, 2.6.

Both are functions of N(0, I) noise, so that a draw belongs to its noise: row 17 of a batch is
the same draw in any batch. They are a model's samplers by themselves, or where its chains start.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions.transforms import AffineTransform
from zuko.nn import MLP
from zuko.transforms import (
    ComposedTransform,
    CouplingTransform,
    DependentTransform,
    MonotonicRQSTransform,
)

from lebm.decoder import TextConfig
from lebm.encoders import build_encoder, encode_gaussian

_COUPLINGS = 6
_BINS = 8
_BOUND = 6.0  # splines bend coordinates within ±6 and leave those beyond as they are


class InferenceNetwork(nn.Module):
    """q_φ(z|x) = N(μ(x), diag σ(x)²), both from an encoder that mirrors the generator.

    Args:
        latent_dim: d, the length of z.
        data_shape: of one example.
        width: of the generator.
        text: of a model of sentences.
    """

    def __init__(
        self,
        latent_dim: int,
        data_shape: tuple[int, ...],
        width: int,
        text: TextConfig | None = None,
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(data_shape, width, 2 * latent_dim, text)

    def mean(self, x: Tensor) -> Tensor:
        """μ(x): `(n, *data_shape) -> (n, d)`."""
        return encode_gaussian(self.encoder, x)[0]

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """z = μ(x) + σ(x) ε, `(n, d)`, and log q_φ(z|x) in nats, `(n,)`.

        Args:
            x: examples, `(n, *data_shape)`.
            noise: ε, `(n, d)`.
        """
        mean, log_std = encode_gaussian(self.encoder, x)
        log_q = _log_normal(noise) - log_std.sum(-1)
        return mean + log_std.exp() * noise, log_q


class SynthesisFlow(nn.Module):
    r"""q_ψ(z), the law of z = T(ε) with ε ~ N(0, I) and an invertible T.

    $$ \log q_\psi(z) = \log N(\epsilon; 0, I) - \log |\det \partial T / \partial \epsilon| $$

    T is a chain of couplings: in turn, every second coordinate passes through a monotonic
    spline whose knots an MLP reads off the others. Last come a scale and a shift for each
    coordinate, with which q_ψ follows p_α beyond the ±6 where splines end; without them f grew
    out there unopposed. T begins as the identity, so q_ψ as p_0.

    Args:
        latent_dim: d, the length of z; at least 2.
        hidden: units in each of the two hidden layers of an MLP.

    Raises:
        ValueError: if there is no coordinate to couple with.

    Source: Durkan et al. 2019, "Neural spline flows"; the transforms are zuko's.
    """

    def __init__(self, latent_dim: int, hidden: int) -> None:
        super().__init__()
        if latent_dim < 2:
            raise ValueError(f"a synthesis flow needs latent_dim at least 2, not {latent_dim}")
        self.latent_dim = latent_dim
        self.shift = nn.Parameter(torch.zeros(latent_dim))
        self.log_scale = nn.Parameter(torch.zeros(latent_dim))
        kept = [(latent_dim + i % 2) // 2 for i in range(_COUPLINGS)]
        self.conditioners = nn.ModuleList(
            MLP(k, (latent_dim - k) * (3 * _BINS - 1), (hidden, hidden), nn.SiLU) for k in kept
        )
        for conditioner in self.conditioners:
            *_, last = conditioner.children()
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def forward(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """z = T(ε), `(n, d)`, and log q_ψ(z) in nats, `(n,)`, from ε `(n, d)`."""
        z, log_det = self._transform(noise.device).call_and_ladj(noise)
        return z, _log_normal(noise) - log_det

    def log_prob(self, z: Tensor) -> Tensor:
        """log q_ψ(z) in nats: `(n, d) -> (n,)`."""
        noise, log_det = self._transform(z.device).inv.call_and_ladj(z)
        return _log_normal(noise) + log_det

    def _transform(self, device: torch.device) -> ComposedTransform:
        odd = torch.arange(self.latent_dim, device=device) % 2 == 1
        return ComposedTransform(
            *(
                CouplingTransform(partial(_splines, conditioner), ~odd if i % 2 else odd)
                for i, conditioner in enumerate(self.conditioners)
            ),
            DependentTransform(AffineTransform(self.shift, self.log_scale.exp()), 1),
        )


class AmortisedSamplers(nn.Module):
    """The two together.

    Args:
        latent_dim, data_shape, width, text: as for `InferenceNetwork`.
        hidden: as for `SynthesisFlow`.

    Attributes:
        inference: q_φ(z|x).
        synthesis: q_ψ(z).
    """

    def __init__(
        self,
        latent_dim: int,
        data_shape: tuple[int, ...],
        width: int,
        text: TextConfig | None,
        hidden: int,
    ) -> None:
        super().__init__()
        self.inference = InferenceNetwork(latent_dim, data_shape, width, text)
        self.synthesis = SynthesisFlow(latent_dim, hidden)


def _splines(conditioner: nn.Module, kept: Tensor) -> DependentTransform:
    """The splines of the coordinates that move, given those that are kept `(n, k)`."""
    knots = conditioner(kept).unflatten(-1, (-1, 3 * _BINS - 1))
    widths, heights, slopes = knots.split((_BINS, _BINS, _BINS - 1), -1)
    return DependentTransform(MonotonicRQSTransform(widths, heights, slopes, bound=_BOUND), 1)


def _log_normal(noise: Tensor) -> Tensor:
    """log N(ε; 0, I): `(n, d) -> (n,)`."""
    return -0.5 * noise.square().sum(-1) - 0.5 * noise.shape[-1] * math.log(math.tau)
