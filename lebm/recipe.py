"""All that a chain depends on, small enough to write down: run it again and it is the same.

Exports carry a recipe beside their pictures and numbers, so that none is an orphan.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import msgspec
import torch
from torch import Tensor

from lebm import langevin, mala
from lebm.density import LogDensity
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from lebm.trajectory import State, Trajectory

MAX_CHAINS = 65_536


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps of a chain that were taken with one setting."""

    seed: int
    """Of the noise; the first segment's seed draws the start, too."""
    sampler: LangevinConfig
    """How many steps, and with what settings."""
    adjusted: bool = False
    """Whether each step is accepted or rejected (MALA)."""


@dataclass(frozen=True, slots=True)
class ChainRecipe:
    """A chain: the model it belongs to, and every setting of every step.

    A posterior chain depends on its example x, too: the recipe names it, and who runs the recipe
    brings it.
    """

    model: str
    """The model's name, for people."""
    fingerprint: str
    """Of the model's weights, from `fingerprint`; the chain is another with other weights."""
    n_chains: int
    """Chains 0 to n - 1 of the seed."""
    segments: tuple[Segment, ...]
    """One after the other; a fork or a changed setting begins a new one."""
    tilt: float = 1.0
    """λ in p_λ ∝ exp(λ f) p_0: 1 is the model's prior, 0 the plain Gaussian."""
    example: str | None = None
    """Whose posterior is climbed, for people; None for a prior chain."""
    learned_start: bool = False
    """Whether the chains start at draws of the model's learned sampler, not at p_0 noise."""

    def __post_init__(self) -> None:
        if not 1 <= self.n_chains <= MAX_CHAINS:
            raise ValueError(f"n_chains must be from 1 to {MAX_CHAINS}, not {self.n_chains}")
        if not self.segments:
            raise ValueError("segments must hold at least one segment")

    @property
    def n_steps(self) -> int:
        """Steps in all segments together."""
        return sum(segment.sampler.n_steps for segment in self.segments)

    def density(self, model: LatentEBM, x: Tensor | None = None) -> LogDensity:
        """What the chains climb: the tilted prior, or the posterior of the example.

        Args:
            model: the model.
            x: the example, `(1, *data_shape)`, of a posterior chain; None for a prior chain.

        Raises:
            ValueError: if the chain is of the other kind, or x of another shape.
        """
        if (x is None) != (self.example is None):
            raise ValueError(
                f"x must be {self.example}: the chain climbs its posterior"
                if x is None
                else "x must be None: the chain climbs the prior"
            )
        if x is None:
            return model.prior_density(self.tilt)
        if x.shape != (1, *model.config.data_shape):
            raise ValueError(f"x must be {(1, *model.config.data_shape)}, not {tuple(x.shape)}")
        if (x.dtype == torch.int64) != (model.config.text is not None):
            raise ValueError("x must hold word numbers for a model of sentences, and only there")
        if model.config.text is not None:
            n_words = len(model.config.text.vocabulary)
            if x.min() < 0 or x.max() >= n_words:
                raise ValueError(f"x must hold word numbers from 0 to {n_words - 1}")
        return model.posterior_density(x.expand(self.n_chains, *x.shape[1:]))

    def start(self, model: LatentEBM, x: Tensor | None = None) -> State:
        """The chains at step 0: noise from p_0 = N(0, I), or what a learned sampler makes of it.

        Args:
            model: the model.
            x: as for `density`.

        Raises:
            ValueError: if the model lacks the learned sampler, and as `density`.
        """
        density, z = self.density(model, x), self._noise(0, model).at(0)
        return langevin.init(density, model.learned_start(z, x) if self.learned_start else z)

    def run(self, model: LatentEBM, x: Tensor | None = None) -> Trajectory:
        """Every step, recorded; the same numbers each time on the same machine.

        Args:
            model: the model.
            x: as for `density`.

        Raises:
            ValueError: if the weights are not those the recipe names, and as `density`.
        """
        if fingerprint(model) != self.fingerprint:
            raise ValueError(f"this is not the model {self.model!r}: its weights are others")
        trajectory = self.take(0, self.start(model, x), model, x)
        for i in range(1, len(self.segments)):
            trajectory = trajectory.extend(self.take(i, trajectory.state, model, x))
        return trajectory

    def take(self, i: int, state: State, model: LatentEBM, x: Tensor | None = None) -> Trajectory:
        """The steps of segment i, from a state; once more from its end, a longer chain."""
        noise = self._noise(i, model)
        kernel = mala.adjusted(noise) if self.segments[i].adjusted else None
        density = self.density(model, x)
        return langevin.run(density, state, self.segments[i].sampler, noise=noise, kernel=kernel)

    def cut(self, n_steps: int) -> ChainRecipe:
        """The recipe of the first `n_steps` steps."""
        kept, left = [], n_steps
        for segment in self.segments:
            taken = min(left, segment.sampler.n_steps)
            kept.append(replace(segment, sampler=replace(segment.sampler, n_steps=taken)))
            left -= taken
            if left == 0:
                break
        return replace(self, segments=tuple(kept))

    def to_json(self) -> str:
        """As text, for a file's metadata."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> ChainRecipe:
        """From `to_json`; every field of its type and in its range.

        Raises:
            ValueError: if the text is no recipe.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ValueError(f"these are not the settings of a chain: {error}") from error

    def _noise(self, i: int, model: LatentEBM) -> ChainNoise:
        return ChainNoise(self.segments[i].seed, range(self.n_chains), model.config.latent_dim)


def fingerprint(model: LatentEBM) -> str:
    """Sixteen hexadecimal digits that change with any weight or setting of the model."""
    digest = hashlib.sha256(msgspec.json.encode(model.config))
    for name, value in sorted(model.state_dict().items()):
        contiguous = value.detach().cpu().contiguous(memory_format=torch.contiguous_format)
        digest.update(name.encode())
        digest.update(contiguous.numpy().tobytes())
    return digest.hexdigest()[:16]
