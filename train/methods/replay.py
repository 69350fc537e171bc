"""Persistent prior chains: z⁻ goes on from where an earlier iteration's chain ended."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

#: Chains that are kept; as many as Du and Mordatch (2019) keep samples.
CHAINS = 10_000


class PriorReplay:
    """Many chains on the prior, of which each iteration takes some, moves them and puts them back.

    Which are taken and which begin again from p_0 is a function of seed and iteration alone, and
    no draw is taken from the run's own generator: with a restart rate of 1 the run is the
    short run's, number for number.

    Args:
        latent_dim: length of z.
        restart: the share of chains that begin again at p_0 noise, from 0 to 1.
        seed: of the start and the choices.
        size: chains that are kept.
        device: where.

    Attributes:
        memory: name -> tensor, all that changes: the chains and the number of iterations.

    Source: Tieleman 2008, "Training restricted Boltzmann machines using approximations to the
    likelihood gradient" (persistent chains); Du and Mordatch 2019, "Implicit generation and
    modeling with energy-based models" (a replay of samples, 5 % of them begun again).
    """

    def __init__(
        self, latent_dim: int, restart: float, seed: int, size: int, device: torch.device
    ) -> None:
        self.restart, self.seed = restart, seed
        self._places = torch.empty(0, dtype=torch.long)
        iterations = torch.zeros((), dtype=torch.long)
        self.memory = {"replay_iterations": iterations}
        start = self._rng().standard_normal((size, latent_dim), dtype=np.float32)
        self.memory["replay"] = torch.from_numpy(start).to(device)

    def start(self, fresh: Tensor) -> Tensor:
        """Where this iteration's chains start, `(n, latent_dim)`.

        Args:
            fresh: p_0 noise for those that begin again, `(n, latent_dim)`; n at most `size`.
        """
        self.memory["replay_iterations"] += 1
        rng, chains = self._rng(), self.memory["replay"]
        self._places = torch.from_numpy(rng.permutation(len(chains))[: len(fresh)])
        again = torch.from_numpy(rng.random(len(fresh)) < self.restart).to(fresh.device)
        return torch.where(again[:, None], fresh, chains[self._places].to(fresh))

    def keep(self, z_minus: Tensor) -> None:
        """Put back where the chains of the last `start` ended, `(n, latent_dim)`."""
        chains = self.memory["replay"]
        chains[self._places] = z_minus.to(chains)

    def _rng(self) -> np.random.Generator:
        """The stream of this iteration; the 1 sets it apart from the order of the data."""
        return np.random.default_rng([self.seed, int(self.memory["replay_iterations"]), 1])
