"""Whether chains have converged, and what long chains do that short ones do not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from arviz_stats.base import array_stats
from torch import Tensor

from lebm.word_edits import share_differing, share_differing_in_pairs

#: Draws a chain needs before the numbers of `mixing` say anything.
MIN_DRAWS = 400

COLLAPSED_SPREAD = 0.25
DRIFT_SDS = 1.0
MERGED_DISTANCE = 0.05


@dataclass(frozen=True, slots=True)
class Mixing:
    """Convergence of one scalar along several chains, as ArviZ computes it.

    Attributes:
        rhat: rank-normalised split R-hat; above 1.01 the chains do not agree yet.
        ess_bulk: effective draws for the centre of the distribution, all chains together.
        ess_tail: effective draws for its 5 % and 95 % quantiles.
        mean: mean over all draws.
        mcse: Monte Carlo standard error of that mean.
    """

    rhat: float
    ess_bulk: float
    ess_tail: float
    mean: float
    mcse: float


def mixing(series: Tensor) -> Mixing:
    """R-hat, effective sample sizes and Monte Carlo error of a scalar along chains.

    Args:
        series: the scalar at every draw, `(draws, chains)`; at least 4 draws. NaN propagates.

    Raises:
        ValueError: with fewer than 4 draws.

    Source: Vehtari et al. 2021, "Rank-normalization, folding, and localization", as in ArviZ.
    """
    if series.shape[0] < 4:
        raise ValueError(f"series needs at least 4 draws, not {series.shape[0]}")
    draws = series.double().T.numpy()  # ArviZ wants (chain, draw)
    with np.errstate(invalid="ignore"):  # R-hat of a constant is NaN
        return Mixing(
            rhat=float(array_stats.rhat(draws)),
            ess_bulk=float(array_stats.ess(draws, method="bulk")),
            ess_tail=float(array_stats.ess(draws, method="tail", prob=(0.05, 0.95))),
            mean=float(draws.mean()),
            mcse=float(array_stats.mcse(draws, method="mean")),
        )


def autocorrelation(series: Tensor, max_lag: int) -> np.ndarray:
    """Autocorrelation at lags 0 to `max_lag`, the mean over chains.

    Args:
        series: `(draws, chains)`.
        max_lag: largest lag; cut to the number of draws less one.
    """
    return array_stats.autocorr(series.double().T.numpy())[:, : max_lag + 1].mean(0)


def leading_directions(z: Tensor, count: int) -> Tensor:
    """z along its leading principal directions: `(draws, chains, d) -> (draws, chains, count)`."""
    flat = z.flatten(0, 1).double()
    centred = flat - flat.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    return (centred @ directions[:count].T).reshape(*z.shape[:2], -1).to(z.dtype)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """n chains at one step.

    Attributes:
        energy: -f(z), `(n,)`.
        norm: ‖z‖, `(n,)`.
        examples: what they decode to, `(n, ...)`; images in [-1, 1], or sentences as word
            numbers, int64 `(n, T)`.
    """

    energy: Tensor
    norm: Tensor
    examples: Tensor


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of chains between a short run's end and a long one's.

    Two examples are as far apart as their mean squared difference, two sentences as the share of
    their words that differ.

    Attributes:
        word: "steady", "drifting" or "collapsed"; "diverged" where fewer than two chains were
            left to compare, and every number is NaN.
        energy_shift: change of the median energy, in standard deviations at the short run.
        norm_shift: change of the median ‖z‖, likewise.
        spread: mean distance between decoded chains at the end, as a share of that at the short
            run.
        moved: mean distance of a chain's example from its own at the short run, as a share of
            the distance between chains there; near 1, it has become another example.
        merged: share of chains whose example another chain (nearly) shares at the end, less
            that share at the short run; sentences must be the same word by word.
        saturation: change in the share of values beyond ±0.95; None for sentences.
        different: different sentences that the chains end with, a chain; None for other examples.
    """

    word: Literal["steady", "drifting", "collapsed", "diverged"]
    energy_shift: float
    norm_shift: float
    spread: float
    moved: float
    merged: float
    saturation: float | None
    different: float | None = None


#: On chains of which fewer than two went on to the end.
DIVERGED = Verdict("diverged", *[math.nan] * 6)


def verdict(short: Snapshot, long: Snapshot) -> Verdict:
    """Compare the same chains at the end of a short run and of a long one.

    "collapsed" if the decoded examples' spread fell below a quarter, or half of the chains
    merged since; else "drifting" if the median energy or norm moved by more than one standard
    deviation of the chains at the short run; else "steady". A quarter of the spread is, for
    images, half the distance; for sentences, a quarter of the words that used to differ.

    Args:
        short: the chains at K_0, the length they were trained with; at least 2 chains, and none
            that was stopped: those stand still, which looks steady. Fewer are `DIVERGED`.
        long: the same chains at the end.
    """
    a, b = short.examples.flatten(1), long.examples.flatten(1)
    speaks = not a.is_floating_point()
    distance, in_pairs = (
        (share_differing, share_differing_in_pairs) if speaks else (_squared, _squared_in_pairs)
    )
    between_a, between_b = distance(a, a), distance(b, b)
    typical = between_a.sum() / (len(a) * (len(a) - 1))
    spread = float(between_b.sum() / between_a.sum())
    near = 0.0 if speaks else MERGED_DISTANCE * float(typical)
    merged = _merged(between_b, near) - _merged(between_a, near)
    energy_shift = _shift(short.energy, long.energy)
    norm_shift = _shift(short.norm, long.norm)
    word: Literal["steady", "drifting", "collapsed"] = "steady"
    if spread < COLLAPSED_SPREAD or merged > 0.5:
        word = "collapsed"
    elif not (abs(energy_shift) <= DRIFT_SDS and abs(norm_shift) <= DRIFT_SDS):
        word = "drifting"  # also where a shift is NaN
    return Verdict(
        word=word,
        energy_shift=energy_shift,
        norm_shift=norm_shift,
        spread=spread,
        moved=float(in_pairs(a, b).mean() / typical),
        merged=merged,
        saturation=None if speaks else _saturated(b) - _saturated(a),
        different=len(b.unique(dim=0)) / len(b) if speaks else None,
    )


def _squared(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(a.double(), b.double()).square()


def _squared_in_pairs(a: Tensor, b: Tensor) -> Tensor:
    return (a.double() - b.double()).square().sum(1)


def _saturated(examples: Tensor) -> float:
    return float((examples.abs() > 0.95).double().mean())


def _shift(before: Tensor, after: Tensor) -> float:
    """Change of the median in standard deviations; 0 where none moved (f = 0)."""
    if torch.equal(before, after):
        return 0.0
    return float((after.median() - before.median()) / before.std())


def _merged(distances: Tensor, near: float) -> float:
    """Share of examples with another one no farther away than this."""
    nearest = distances.clone().fill_diagonal_(torch.inf).min(1).values
    return float((nearest <= near).double().mean())
