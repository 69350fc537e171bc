"""Gaussian noise that belongs to a chain, whatever batch or process the chain runs in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_BLOCK = 64  # steps drawn at once; part of what a seed means, so never change it


class ChainNoise:
    """Standard normal noise as a function of (seed, chain, step) alone.

    Chain 17 gets the same numbers in a run of 64 and by itself, one step at a time or 2,500 at
    once, on any device. Step 0 is the start, z_0 ~ N(0, I); step k is the ε that leads to z_k.
    The counter-based Philox generator makes this cheap: its key is (seed, chain), its counter
    the block of 64 steps.

    Args:
        seed: the run's seed, from 0 to 2^63 - 1.
        chains: the numbers of the chains, each at least 0.
        latent_dim: length of z.

    Raises:
        ValueError: for a seed or chain number outside its range.
    """

    def __init__(self, seed: int, chains: Sequence[int], latent_dim: int) -> None:
        if not 0 <= seed < 2**63:
            raise ValueError(f"seed must be from 0 to 2^63 - 1, not {seed}")
        if len(chains) == 0 or min(chains) < 0:
            raise ValueError(f"chains must be numbers from 0 on, at least one, not {chains}")
        self.seed = seed
        self.chains = tuple(chains)
        self.latent_dim = latent_dim
        self._number, self._block = -1, np.empty(0)

    def at(self, step: int) -> Tensor:
        """ε of this step for every chain, float32 `(n, latent_dim)`, on the CPU.

        Raises:
            ValueError: for a step below 0.
        """
        if step < 0:
            raise ValueError(f"step must be at least 0, not {step}")
        number, row = divmod(step, _BLOCK)
        if number != self._number:
            self._number, self._block = number, self._draw(number)
        return torch.from_numpy(self._block[row].copy())

    def uniform_at(self, step: int) -> Tensor:
        """Numbers from [0, 1) that decide on this step of MALA, float64 `(n,)`, on the CPU.

        A stream of their own: a chain has the same ε with and without decisions.
        """
        draws = [
            np.random.Generator(np.random.Philox(counter=[0, 0, 1, step], key=[self.seed, chain]))
            for chain in self.chains
        ]
        return torch.tensor([draw.random() for draw in draws], dtype=torch.float64)

    def _draw(self, number: int) -> np.ndarray:
        block = np.empty((_BLOCK, len(self.chains), self.latent_dim), dtype=np.float32)
        for i, chain in enumerate(self.chains):
            philox = np.random.Philox(counter=[0, 0, 0, number], key=[self.seed, chain])
            draws = np.random.Generator(philox).standard_normal(
                (_BLOCK, self.latent_dim), dtype=np.float32
            )
            block[:, i] = draws
        return block


class SharedGenerator(torch.Generator):
    """A random stream for a batch that several processes hold together, each some rows of it.

    All of them are in the same state and draw for the whole batch, and each takes its rows (see
    `drawn`). So an example's noise depends neither on how many processes there are nor on the
    process it is in, and no two examples have the same. Until `share` is called it is any other
    generator.
    """

    shared: tuple[int, slice] | None = None

    def share(self, n: int, rows: slice) -> None:
        """From here on draw for a batch of n, of which `rows` are this process's."""
        self.shared = (n, rows)


def drawn(n: int, generator: torch.Generator) -> tuple[int, slice]:
    """How many chains to draw for where n of them are here, and which of those are the n.

    Raises:
        ValueError: if the generator is shared and n is not this process's part of the batch.
    """
    if not isinstance(generator, SharedGenerator) or generator.shared is None:
        return n, slice(None)
    whole, rows = generator.shared
    if n != rows.stop - rows.start:
        raise ValueError(f"{n} draws for a part of {rows.stop - rows.start} rows of a shared batch")
    return whole, rows
