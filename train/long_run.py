"""Judge long prior chains: `python -m train.long_run MODEL` prints a Markdown row a model.

The chains of Figure 4, far longer than those a model was trained with: are they steady, drifting
or collapsed? Under torchrun the processes share the chains. Each chain has noise of its own, so
that it is the same one whichever process runs it.
"""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro
from torch import Tensor

from lebm import langevin
from lebm.checkpoint import CheckpointError
from lebm.diagnostics import MIN_DRAWS, Mixing, Snapshot, Verdict, mixing, verdict
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from lebm.tilts import ExactTilt
from train import markdown, models, ranks, records
from train.config import Accelerator
from train.ranks import Ranks
from train.run_dir import RunError

_BATCH = 500  # chains at a time
_DRAWS = 500  # of each chain after K_0, at least, that its mixing is judged by
_MAX_CHAINS = 4_000  # the judgement compares all pairs


@dataclass(frozen=True)
class Options:
    """Judge the long prior chains of trained models."""

    models: tyro.conf.Positional[tuple[Path, ...]]
    """Model files, or runs, whose last checkpoint it is."""
    chains: int = 512
    """From 2 to 4,000."""
    steps: int = 2500
    """Of each chain, from p_0 noise on; more than the model's own K_0."""
    seed: int = 0
    """Of the chains."""
    accelerator: Accelerator = "auto"
    """Where to compute."""
    json: Path | None = None
    """A file for every number."""

    def __post_init__(self) -> None:
        if not self.models:
            raise ValueError("name at least one model: python -m train.long_run runs/mnist")
        if not 2 <= self.chains <= _MAX_CHAINS:
            raise ValueError(f"chains must be from 2 to {_MAX_CHAINS:,}, not {self.chains}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be from 0 to 2^63 - 1, not {self.seed}")


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a model's chains after K_0.

    Attributes:
        model: as it was named.
        seed: of the chains.
        chains: how many; everything below is of those that did not diverge.
        diverged: chains that became infinite or left the radius.
        steps: of each.
        short_step: K_0.
        verdict: the end against K_0.
        mixing: of energy and norm after K_0; empty with too few steps (`MIN_DRAWS`).
        rate: steps a second, all chains and processes together.
    """

    model: str
    seed: int
    chains: int
    diverged: int
    steps: int
    short_step: int
    verdict: Verdict
    mixing: dict[str, Mixing]
    rate: float


def main() -> int:
    """Run the command line; returns the exit status."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        with ranks.only_first_prints():
            options = tyro.cli(Options, prog="python -m train.long_run", description=__doc__)
            print(run(options))
    except (ValueError, OSError, CheckpointError, RunError) as error:
        if ranks.first():
            print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: Options) -> str:
    """Judge every model; returns the Markdown table, and writes the JSON that was asked for.

    Raises:
        RunError, CheckpointError: if a model cannot be had or judged.
        ValueError: if the JSON cannot be written where it was asked for.
    """
    records.check_place(options.json)
    fabric = ranks.connect(options.accelerator)
    team = Ranks(fabric)
    judged = [_judge(path, options, fabric.device, team) for path in options.models]
    if options.json is not None and team.first:
        records.save(options.json, "long_run", judged, fabric.device, team.n_processes)
    return table(judged)


def _judge(path: Path, options: Options, device: torch.device, team: Ranks) -> Judged:
    """One model's chains, shared by the processes."""
    model, sampler = _load(path, options.steps)
    model.to(device)
    mine = range(options.chains)[team.share(options.chains)]
    started = time.perf_counter()
    parts = [
        _walk(model, mine[i : i + _BATCH], sampler, options, device)
        for i in range(0, len(mine), _BATCH)
    ]
    energy, norm, short, end, failed = (
        team.gather(torch.cat(pieces)).cpu() for pieces in zip(*parts, strict=True)
    )
    seconds, good = time.perf_counter() - started, failed == 0
    if good.sum() < 2:
        raise RunError(f"{path}: {int(failed.sum())} of {options.chains} chains diverged")
    series = {"energy": energy[good].T, "norm": norm[good].T}
    snapshots = (
        Snapshot(energy[good, i], norm[good, i], model.cpu().generate(z[good]))
        for i, z in ((0, short), (-1, end))
    )
    return Judged(
        model=str(path),
        seed=options.seed,
        chains=options.chains,
        diverged=int(failed.sum()),
        steps=options.steps,
        short_step=sampler.n_steps,
        verdict=verdict(*snapshots),
        mixing={name: mixing(s) for name, s in series.items() if len(s) >= MIN_DRAWS},
        rate=options.chains * options.steps / seconds,
    )


def _load(path: Path, n_steps: int) -> tuple[LatentEBM, LangevinConfig]:
    """A model, from its file or the last checkpoint of a run, and the chain it learned with."""
    model, card = models.load(path)
    if isinstance(model.prior.f, ExactTilt):
        raise RunError(f"{path} draws from its prior exactly: it has no chains to judge")
    if n_steps <= card.prior_sampler.n_steps:
        raise RunError(
            f"{path} learned with chains of {card.prior_sampler.n_steps} steps: --steps must be "
            f"more, not {n_steps}"
        )
    return model.requires_grad_(False), card.prior_sampler


def _walk(
    model: LatentEBM, chains: range, sampler: LangevinConfig, options: Options, device: torch.device
) -> tuple[Tensor, ...]:
    """Run some chains; a row a chain of what they are judged by.

    Returns:
        From K_0 on energy and norm, each `(n, draws)`; z at K_0 and at the end, each `(n, d)`;
        whether it diverged, 0 or 1, `(n,)`.
    """
    density = model.prior_density()
    noise = ChainNoise(options.seed, chains, model.config.latent_dim)
    start = langevin.init(density, noise.at(0).to(device))
    short = langevin.run(density, start, sampler, noise=noise, thin=options.steps)
    rest = replace(sampler, n_steps=options.steps - sampler.n_steps)
    thin = max(1, rest.n_steps // _DRAWS)
    long = langevin.run(density, short.state, rest, noise=noise, thin=thin)
    failed = (long.state.failed_at >= 0).float()
    norm = long.z.norm(dim=-1)
    return long.energy.T.contiguous(), norm.T.contiguous(), short.state.z, long.state.z, failed


def table(judged: list[Judged]) -> str:
    """A row a model; shifts in standard deviations of the chains at K_0."""
    names = [
        "model",
        "chains",
        "diverged",
        "steps",
        "K₀",
        "verdict",
        "energy shift",
        "norm shift",
        "spread",
        "moved",
        "merged",
        "R-hat of energy",
        "ESS of energy",
        "steps/s",
    ]
    return markdown.table(names, map(_row, judged))


def _row(judged: Judged) -> list[str]:
    v, energy = judged.verdict, judged.mixing.get("energy")
    counts = (judged.chains, judged.diverged, judged.steps, judged.short_step)
    numbers = (v.energy_shift, v.norm_shift, v.spread, v.moved, v.merged)
    mixed = ["", ""] if energy is None else [f"{energy.rhat:.3f}", f"{energy.ess_bulk:,.0f}"]
    return [
        judged.model,
        *(f"{count:,}" for count in counts),
        v.word,
        *(f"{number:.3g}" for number in numbers),
        *mixed,
        f"{judged.rate:,.3g}",
    ]


if __name__ == "__main__":
    sys.exit(main())
