"""What prior chains do to sentences, Table 3: `python -m train.transitions MODEL` prints it.

A language model of the model's own real data reads the sentences that chains decode to at step 0,
where z is still p_0 noise, and later. Are the later ones likelier, chain by chain, by more than
chance? The same test on chains that nothing tilts (f = 0) shows what it says where there is
nothing to find.
"""

from __future__ import annotations

import logging
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro
from scipy import stats
from torch import Tensor

from lebm import langevin
from lebm.checkpoint import CheckpointError, ModelCard
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from lebm.tilts import ExactTilt
from train import data, markdown, models, ranks, records
from train.config import Accelerator
from train.data import DatasetUnavailable
from train.language_model import LanguageModel, perplexity, word_nll
from train.run_dir import RunError
from train.text_evaluation import sentences
from train.text_metrics import real_judge

_BATCH = 256  # latents decoded at a time


@dataclass(frozen=True)
class Options:
    """Read what prior chains of a model of sentences say on their way."""

    model: tyro.conf.Positional[Path]
    """A model file, or a run, whose last checkpoint it is."""
    chains: int = 1000
    """From 20 to 100,000."""
    steps: tuple[int, ...] = (0, 40, 100)
    """At which they are read; all later ones are compared with the first."""
    panels: int = 6
    """Chains whose sentences are printed, the first ones."""
    seed: int = 0
    """Of the chains, and of the language model."""
    data_root: Path | None = None
    """Folder with the data, or one's own file of sentences. LEBM_DATA stands in for it, but for
    one's own file, and without either they are looked for in ./data."""
    accelerator: Accelerator = "auto"
    """Where to compute."""
    json: Path | None = None
    """A file for every number."""

    def __post_init__(self) -> None:
        if not 20 <= self.chains <= 100_000:
            raise ValueError(f"chains must be from 20 to 100,000, not {self.chains}")
        rising = all(a < b for a, b in zip(self.steps, self.steps[1:], strict=False))
        if len(self.steps) < 2 or self.steps[0] < 0 or not rising:
            raise ValueError(f"steps must be two or more, from 0 on and rising, not {self.steps}")
        if not 0 <= self.panels <= self.chains:
            raise ValueError(f"panels must be from 0 to {self.chains}, not {self.panels}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be from 0 to 2^63 - 1, not {self.seed}")


@dataclass(frozen=True, slots=True)
class Gain:
    """What a sentence gains from one step to another, in nats a word: the mean over chains.

    Attributes:
        mean: above 0 where the later sentence is likelier.
        half_width: of Student's 95 % interval.
        p_t: two-sided, of Student's paired t test.
        p_wilcoxon: two-sided, of Wilcoxon's signed-rank test, unchanged chains left out.
        better, worse: chains whose sentence became likelier, or less likely; the others say what
            they said.
    """

    mean: float
    half_width: float
    p_t: float
    p_wilcoxon: float
    better: int
    worse: int


@dataclass(frozen=True, slots=True)
class Stop:
    """What all chains say at one step.

    Attributes:
        step: how many steps they have taken.
        perplexity: of their sentences, under the language model.
        distinct: different sentences among them.
        energy: mean of -f(z).
        gain: against the first stop; None there.
    """

    step: int
    perplexity: float
    distinct: int
    energy: float
    gain: Gain | None


@dataclass(frozen=True, slots=True)
class Panel:
    """One chain: sentence, nats a word and energy at every stop."""

    chain: int
    sentences: list[str]
    word_nll: list[float]
    energy: list[float]


@dataclass(frozen=True, slots=True)
class Transitions:
    """Chains on the prior, and the same noise without its tilt.

    Attributes:
        model: its name.
        data: what it learned from, and the language model too.
        trained_by: the command.
        chains: how many, those that diverged left out.
        diverged: chains that became infinite or left the radius.
        seed: of chains and language model.
        step_size: s of the chains.
        real: perplexity of held-out real sentences.
        stops: of the model's chains.
        control: of chains with f = 0.
        panels: the first chains.
    """

    model: str
    data: str
    trained_by: str
    chains: int
    diverged: int
    seed: int
    step_size: float
    real: float
    stops: list[Stop]
    control: list[Stop]
    panels: list[Panel]


def main() -> int:
    """Run the command line; returns the exit status."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        options = tyro.cli(Options, prog="python -m train.transitions", description=__doc__)
        print(run(options))
    except (ValueError, OSError, CheckpointError, DatasetUnavailable, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: Options) -> str:
    """Read the chains; returns Markdown, and writes the JSON that was asked for.

    Raises:
        RunError, CheckpointError: if the model cannot be had or has no such chains.
        DatasetUnavailable: if its data cannot be had.
        ValueError: if the JSON cannot be written where it was asked for.
    """
    records.check_place(options.json)
    device = ranks.connect(options.accelerator).device
    model, card = _load(options.model)
    root, name = options.data_root, str(card.facts.get("data", ""))
    config = model.config
    dataset = data.load(name, config.data_shape, root, text=config.text)
    model, judge = model.to(device), real_judge(dataset, device, options.seed)
    walked = {tilt: _walk(model, tilt, card.prior_sampler, options) for tilt in (1.0, 0.0)}
    good = walked[1.0].good
    found = Transitions(
        model=card.name,
        data=name,
        trained_by=str(card.facts.get("command", "")),
        chains=int(good.sum()),
        diverged=int((~good).sum()),
        seed=options.seed,
        step_size=card.prior_sampler.step_size,
        real=perplexity(judge, dataset.test),
        stops=_stops(walked[1.0], judge, options.steps),
        control=_stops(walked[0.0], judge, options.steps),
        panels=_panels(model, walked[1.0], judge, options.panels),
    )
    if options.json is not None:
        records.save(options.json, "transitions", found, device)
    return text(found)


def _load(path: Path) -> tuple[LatentEBM, ModelCard]:
    """A model of sentences, from its file or the last checkpoint of a run."""
    model, card = models.load(path)
    if model.config.kind != "text":
        raise RunError(f"{path} is a model of {model.config.kind}: only sentences can be read")
    if isinstance(model.prior.f, ExactTilt):
        raise RunError(f"{path} draws from its prior exactly: it has no chains to read")
    return model.requires_grad_(False), card


@dataclass(frozen=True, slots=True)
class _Walk:
    """What chains say at each stop."""

    tokens: list[Tensor]
    """Greedy decodings, `(n, T)` each, on the CPU."""
    energy: list[Tensor]
    """-f(z), `(n,)` each."""
    good: Tensor
    """Chains that have not diverged, `(n,)`."""


def _walk(model: LatentEBM, tilt: float, sampler: LangevinConfig, options: Options) -> _Walk:
    """The chains of the explorer with this seed, read at every stop."""
    density = model.prior_density(tilt)
    noise = ChainNoise(options.seed, range(options.chains), model.config.latent_dim)
    state = langevin.init(density, noise.at(0).to(next(model.parameters()).device))
    tokens, energy = [], []
    for before, step in zip((0, *options.steps), options.steps, strict=False):
        piece = replace(sampler, n_steps=step - before)
        state = langevin.run(density, state, piece, noise=noise, thin=max(step, 1)).state
        said = [model.generate(z).cpu() for z in state.z.split(_BATCH)]
        tokens.append(torch.cat(said))
        energy.append(-model.prior.neg_energy(state.z).cpu())
    return _Walk(tokens, energy, (state.failed_at < 0).cpu())


def _stops(walk: _Walk, judge: LanguageModel, steps: tuple[int, ...]) -> list[Stop]:
    """Every stop, the later ones against the first."""
    read = [word_nll(judge, tokens[walk.good]) for tokens in walk.tokens]
    return [
        Stop(
            step=step,
            perplexity=perplexity(judge, walk.tokens[i][walk.good]),
            distinct=len(walk.tokens[i][walk.good].unique(dim=0)),
            energy=float(walk.energy[i][walk.good].mean()),
            gain=paired_gain(read[0], read[i]) if i else None,
        )
        for i, step in enumerate(steps)
    ]


def paired_gain(before: Tensor, after: Tensor) -> Gain:
    """The test of two readings of the same chains, nats a word, `(n,)` each; n at least 2."""
    gain = (before - after).double().numpy()
    n, moved = len(gain), gain[gain != 0]
    mean, error = abs(float(gain.mean())), float(gain.std(ddof=1)) / math.sqrt(n)
    t = mean / error if error > 0 else math.inf
    return Gain(
        mean=float(gain.mean()),
        half_width=error * float(stats.t.ppf(0.975, n - 1)),
        p_t=2 * float(stats.t.sf(t, n - 1)) if len(moved) else 1.0,
        p_wilcoxon=float(stats.wilcoxon(moved).pvalue) if len(moved) else 1.0,
        better=int((gain > 0).sum()),
        worse=int((gain < 0).sum()),
    )


def _panels(model: LatentEBM, walk: _Walk, judge: LanguageModel, n: int) -> list[Panel]:
    """The first n chains that have not diverged."""
    chains = walk.good.nonzero()[:n, 0]
    said = [sentences(model, tokens[chains]) for tokens in walk.tokens]
    read = [word_nll(judge, tokens[chains]).tolist() for tokens in walk.tokens]
    energy = [values[chains].tolist() for values in walk.energy]
    rows = zip(*said, strict=True), zip(*read, strict=True), zip(*energy, strict=True)
    return [
        Panel(chain, *map(list, row)) for chain, *row in zip(chains.tolist(), *rows, strict=True)
    ]


def text(found: Transitions) -> str:
    """What was found, in Markdown: the test, then the sentences."""
    first = found.stops[0].step
    parts = [
        f"{found.model} (`{found.trained_by}`), {found.chains:,} chains (seed {found.seed}, "
        f"s = {found.step_size:g}, {found.diverged} diverged), decoded greedily and read by a "
        f"language model of {found.data}'s training sentences, whose perplexity on held-out real "
        f"sentences is {found.real:.4g}. Gains are over step {first} of the same chain, in nats a "
        "word, with 95 % intervals; p is two-sided.",
        _table(found),
        *(_panel(panel, found) for panel in found.panels),
    ]
    return "\n\n".join(parts)


def _table(found: Transitions) -> str:
    names = [
        "chains",
        "step",
        "perplexity",
        "mean −f of the model",
        "different sentences",
        "gain",
        "likelier / less likely",
        "p (paired t)",
        "p (Wilcoxon)",
    ]
    rows = [_row("p_α", stop) for stop in found.stops]
    rows += [_row("f = 0", stop) for stop in found.control]
    return markdown.table(names, rows)


def _row(chains: str, stop: Stop) -> list[str]:
    row = [chains, str(stop.step), f"{stop.perplexity:.4g}", f"{stop.energy:.3g}"]
    row.append(f"{stop.distinct:,}")
    if stop.gain is None:
        return [*row, "", "", "", ""]
    gain = stop.gain
    return [
        *row,
        f"{gain.mean:.3f} ± {gain.half_width:.2g}",
        f"{gain.better:,} / {gain.worse:,}",
        _p_value(gain.p_t),
        _p_value(gain.p_wilcoxon),
    ]


def _p_value(p: float) -> str:
    return f"{p:.2g}" if p >= 1e-300 else "below 1e-300"


def _panel(panel: Panel, found: Transitions) -> str:
    """A chain's sentences as a list."""
    lines = [
        f"- step {stop.step}, −f = {energy:.3g}, {nll:.3g} nats a word: {_quoted(sentence)}"
        for stop, sentence, nll, energy in zip(
            found.stops, panel.sentences, panel.word_nll, panel.energy, strict=True
        )
    ]
    return "\n".join([f"Chain {panel.chain}:\n", *lines])


def _quoted(sentence: str) -> str:
    """As code, so that its marks stay marks."""
    return f"`{sentence.replace('`', chr(39))}`" if sentence else "(an empty sentence)"


if __name__ == "__main__":
    sys.exit(main())
