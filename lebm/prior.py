"""The tilted prior, Pang et al. 2020, eq. 2."""

from __future__ import annotations

import math
from itertools import chain

import torch
from torch import Tensor, nn

from lebm.density import BASE, TILT, Analytic, LogDensity, Scaled
from lebm.fused import PriorDensity
from lebm.neg_energy import Activation, NegEnergyNet, NegEnergyTerm
from lebm.noise import drawn


class TiltedPrior(nn.Module):
    r"""Energy-based correction of a Gaussian reference prior.

    $$ p_\alpha(z) = \frac{1}{Z(\alpha)} \exp(f_\alpha(z)) \, p_0(z), \qquad p_0 = N(0, I) $$

    `neg_energy` is f_α, the NEGATIVE energy. Z(α) = E_p0[exp f_α] is never computed here.

    Args:
        latent_dim: d, the length of z; at least 1.
        hidden: units in each of the two hidden layers of f_α; at least 1.
        activation: "leaky_relu" (slope 0.2) or "gelu".

    Raises:
        ValueError: for an argument outside its range.

    Source: Pang et al. 2020, eq. 2. The authors' public network outputs the energy and negates
    it where it is used; here the sign lives in this class alone.
    """

    def __init__(
        self, latent_dim: int, hidden: int = 200, activation: Activation = "leaky_relu"
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.f: nn.Module = NegEnergyNet(latent_dim, hidden, activation)

    def neg_energy(self, z: Tensor) -> Tensor:
        """f_α(z): `(n, latent_dim) -> (n,)`. Larger where the prior puts more mass than p_0."""
        return self.f(z)[..., 0]

    def base_log_prob(self, z: Tensor) -> Tensor:
        """log p_0(z) of N(0, I), normalised: `(n, latent_dim) -> (n,)`, in nats."""
        return -0.5 * z.square().sum(-1) - 0.5 * self.latent_dim * math.log(2 * math.pi)

    def unnorm_log_prob(self, z: Tensor) -> Tensor:
        """f_α(z) + log p_0(z) = log p_α(z) + log Z(α): `(n, latent_dim) -> (n,)` (eq. 2)."""
        return self.neg_energy(z) + self.base_log_prob(z)

    def density(self, tilt: float = 1.0) -> LogDensity:
        """`unnorm_log_prob` as its terms: "base" (log p_0) and "tilt" (f_α).

        While `f` is the network it was built with, forces need no autograd and chains take fused
        steps (`lebm.fused`). The density follows the network's weights as they learn; another
        network needs another density.

        Args:
            tilt: λ in p_λ ∝ exp(λ f_α) p_0; the term "tilt" is then λ f_α.
        """
        base = _Base(self)
        if isinstance(self.f, NegEnergyNet):
            return PriorDensity(base, NegEnergyTerm(self.f), tilt)
        f = self.neg_energy
        return LogDensity({BASE: base, TILT: f if tilt == 1 else Scaled(tilt, f)})

    def sample_base(self, n: int, *, generator: torch.Generator) -> Tensor:
        """n draws from p_0, shape `(n, latent_dim)`, on the device of the parameters."""
        like = next(chain(self.parameters(), self.buffers()))
        whole, mine = drawn(n, generator)
        noise = torch.randn(whole, self.latent_dim, generator=generator, device=generator.device)
        return noise[mine].to(like)


class _Base(Analytic):
    """log p_0 as a term; ∇ log p_0(z) = -z."""

    def __init__(self, prior: TiltedPrior) -> None:
        self._log_prob = prior.base_log_prob

    def __call__(self, z: Tensor) -> Tensor:
        return self._log_prob(z)

    def force(self, z: Tensor) -> Tensor:
        return -z

    def value_and_force(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self._log_prob(z), -z
