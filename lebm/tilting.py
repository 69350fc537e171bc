"""The path from p_0 to the tilted prior, p_λ ∝ exp(λ f_α) p_0, and its partition function.

Annealed importance sampling with resampling walks particles from λ = 0, where p_0 is sampled
exactly, upwards. Its estimate of Z(λ) would be unbiased, were the step size not tuned on the
particles that it moves; groups of particles that are weighed apart give its error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm import langevin, mala
from lebm.langevin import LangevinConfig
from lebm.prior import TiltedPrior

_TARGET_ACCEPTANCE = 0.6
_GROUPS = 8  # estimates of their own, from which the error is taken


@dataclass(frozen=True, slots=True)
class TiltPath:
    """What annealing found at each λ; L values of λ.

    Attributes:
        tilts: λ, `(L,)`, rising from 0.
        log_z: estimate of log Z(λ) = log E_p0[exp λ f], `(L,)`.
        error: its standard error, `(L,)`.
        kl: estimate of KL(p_λ ‖ p_0) in nats, `(L,)`.
        ess: effective share of the particles between resamplings, the least so far, `(L,)`.
        direct_ess: effective share of plain importance sampling from p_0, `(L,)`: how far p_λ
            is from p_0; 1 / particles when one draw has all the weight.
        particles: samples of p_λ, `(L, n, latent_dim)`.
        acceptance: share of MALA proposals that were accepted, `(L,)`.
    """

    tilts: Tensor
    log_z: Tensor
    error: Tensor
    kl: Tensor
    ess: Tensor
    direct_ess: Tensor
    particles: Tensor
    acceptance: Tensor


@torch.no_grad()
def tilt_path(
    prior: TiltedPrior,
    tilts: Tensor,
    *,
    n_particles: int = 1024,
    steps_between: int = 20,
    mala_steps: int = 1,
    generator: torch.Generator,
    report: Callable[[TiltPath], None] | None = None,
) -> TiltPath:
    """Anneal particles from p_0 along λ.

    Args:
        prior: f_α and p_0.
        tilts: the λ to stop at, `(L,)`, from 0 on and rising.
        n_particles: in all; split into 8 groups that never meet.
        steps_between: temperatures between two of `tilts`; more lower the error.
        mala_steps: MALA steps at each temperature.
        generator: source of all noise, on the prior's device.
        report: called at every λ with the path as far as it has come.

    Raises:
        ValueError: if `tilts` does not rise from 0, or `n_particles` is below 16 or no multiple
            of 8.

    Source: Neal 2001, "Annealed importance sampling"; Del Moral et al. 2006 for resampling.
    """
    if tilts[0] != 0 or not (tilts.diff() > 0).all():
        raise ValueError(f"tilts must rise from 0, not {tilts.tolist()}")
    if n_particles % _GROUPS or n_particles < 2 * _GROUPS:
        raise ValueError(
            f"n_particles must be a multiple of {_GROUPS} and at least {2 * _GROUPS}, "
            f"not {n_particles}"
        )
    walk = _Walk(prior, prior.sample_base(n_particles, generator=generator), generator)
    rows: list[dict[str, Tensor]] = []
    for low, high in zip([0.0, *tilts[:-1].tolist()], tilts.tolist(), strict=True):
        for i in range(1, steps_between + 1 if rows else 1):
            before = low + (high - low) * (i - 1) / steps_between
            walk.advance(before, low + (high - low) * i / steps_between, mala_steps)
        rows.append(walk.record(high))
        if report is not None:
            report(_path(tilts, rows))
    return _path(tilts, rows)


def _path(tilts: Tensor, rows: list[dict[str, Tensor]]) -> TiltPath:
    """Of one row of numbers for each λ that was reached."""
    columns = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
    return TiltPath(tilts=tilts[: len(rows)], **columns)


class _Walk:
    """Particles on their way from p_0, with their weights since the last resampling."""

    def __init__(self, prior: TiltedPrior, z: Tensor, generator: torch.Generator) -> None:
        self.prior, self.z, self.generator = prior, z, generator
        self.start_f = prior.neg_energy(z)
        self.log_w = torch.zeros(_GROUPS, len(z) // _GROUPS, dtype=z.dtype, device=z.device)
        self.log_z = torch.zeros(_GROUPS, dtype=z.dtype, device=z.device)  # of past resamplings
        self.step_size = 0.1
        self.least_ess = 1.0
        self.accepted = torch.ones(())

    def advance(self, before: float, after: float, mala_steps: int) -> None:
        """Weigh the particles from one temperature to the next, then move them there."""
        self.log_w = self.log_w + (after - before) * self.prior.neg_energy(self.z).view_as(
            self.log_w
        )
        ess = _effective_share(self.log_w)
        self.least_ess = min(self.least_ess, float(ess.min()))
        if float(ess.min()) < 0.5:
            self._resample()

        def density(z: Tensor) -> Tensor:
            return after * self.prior.neg_energy(z) + self.prior.base_log_prob(z)

        state = langevin.init(density, self.z)
        for _ in range(mala_steps):
            config = LangevinConfig(1, self.step_size)
            noise = self._draw(torch.randn, *self.z.shape)
            uniform = self._draw(torch.rand, len(self.z))
            last, (state, _) = state.z, mala.step(density, state, noise, uniform, config)
            self.accepted = (state.z != last).any(-1).float().mean()
            # Tuned on all particles together; the bias of that vanishes with their number.
            factor = 1.1 if self.accepted > _TARGET_ACCEPTANCE else 1 / 1.1
            self.step_size = min(max(self.step_size * factor, 1e-5), 1.0)
        self.z = state.z

    def _draw(self, distribution: Callable[..., Tensor], *shape: int) -> Tensor:
        z = self.z
        return distribution(shape, generator=self.generator, device=z.device, dtype=z.dtype)

    def _resample(self) -> None:
        """Systematic resampling within each group; the weights' mean goes into log Z."""
        n = self.log_w.shape[1]
        self.log_z = self.log_z + _log_mean_exp(self.log_w)
        shift = torch.rand(_GROUPS, 1, generator=self.generator, device=self.z.device)
        positions = (torch.arange(n, device=self.z.device) + shift) / n
        cumulative = self.log_w.softmax(1).cumsum(1)
        picked = torch.searchsorted(cumulative, positions.to(cumulative)).clamp_max(n - 1)
        grouped = self.z.view(_GROUPS, n, -1)
        self.z = grouped.gather(1, picked[..., None].expand_as(grouped)).flatten(0, 1)
        self.log_w = torch.zeros_like(self.log_w)

    def record(self, tilt: float) -> dict[str, Tensor]:
        """The fields of `TiltPath` at this λ; the particles are resampled to equal weights."""
        group_log_z = self.log_z + _log_mean_exp(self.log_w)
        log_z = _log_mean_exp(group_log_z)
        relative = (group_log_z - log_z).exp()
        self._resample()
        mean_tilt = tilt * self.prior.neg_energy(self.z).mean()
        return {
            "log_z": log_z,
            "error": relative.std() / math.sqrt(_GROUPS),
            "kl": mean_tilt - log_z,
            "ess": torch.tensor(self.least_ess),
            "direct_ess": _effective_share((tilt * self.start_f)[None])[0],
            "particles": self.z,
            "acceptance": self.accepted,
        }


def _log_mean_exp(log_values: Tensor) -> Tensor:
    return log_values.logsumexp(-1) - math.log(log_values.shape[-1])


def _effective_share(log_w: Tensor) -> Tensor:
    """(Σw)² / (n Σw²) of each row, `(groups, n) -> (groups,)`."""
    log_ess = 2 * log_w.logsumexp(1) - (2 * log_w).logsumexp(1)
    return log_ess.exp() / log_w.shape[1]
