"""Two chains beside each other: what differs between them, and what the numbers say."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from app.jobs import Job
from app.models import ModelEntry
from app.studies.chain_run import ChainRun, ChainSettings
from lebm.checkpoint import ModelCard
from lebm.diagnostics import DIVERGED, Snapshot, Verdict, verdict
from lebm.model import LatentEBM
from lebm.recipe import ChainRecipe
from lebm.tilting import tilt_path
from lebm.word_edits import share_differing

LONG_FACTOR = 10  # long chains have this many times the steps
_LONG_CHAINS = 32
_TILTS = (0.0, 0.25, 0.5, 0.75, 1.0)

#: What the second side may differ in; the words stand on screen and in the address.
QUESTIONS = ("no tilt", "no noise", "Metropolis test", "half the step", "next seed", "my choice")


def asked(question: str, settings: ChainSettings) -> ChainSettings:
    """The second side's settings for a question of `QUESTIONS`; "my choice" changes nothing."""
    changes: dict[str, dict[str, float | bool]] = {
        "no tilt": {"tilt": 0.0},
        "no noise": {"temperature": 0.0},
        "Metropolis test": {"adjusted": True},
        "half the step": {"step_size": settings.step_size / 2},
        "next seed": {"seed": settings.seed + 1},
    }
    return possible(replace(settings, **changes.get(question, {})))


def possible(settings: ChainSettings) -> ChainSettings:
    """Without the Metropolis test at temperature 0, where there is nothing to sample."""
    return replace(settings, adjusted=settings.adjusted and settings.temperature > 0)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two.

    Attributes:
        name: "A" or "B".
        entry: where its model is.
        card: the model's card.
        run: its chains.
        recipe: all that they depend on.
    """

    name: str
    entry: ModelEntry
    card: ModelCard
    run: ChainRun
    recipe: ChainRecipe

    @property
    def model(self) -> LatentEBM:
        """Its model."""
        return self.run.model

    @property
    def speaks(self) -> bool:
        """Whether what it decodes to are sentences."""
        return self.model.config.kind == "text"

    @property
    def title(self) -> str:
        """Stands above it in the player."""
        return f"{self.name}: {self.entry.id}, {self.run.settings.in_words}"

    @property
    def energy(self) -> np.ndarray:
        """-f(z), `(T, n)`, whatever share of f the chain climbed."""
        return self.run.energy.numpy()


def settings_table(a: Side, b: Side) -> list[tuple[str, str, str]]:
    """(name, A, B) of every setting, those that differ first."""
    names = {
        "n_chains": "chains",
        "n_steps": "steps",
        "step_size": "step size s",
        "temperature": "temperature",
        "seed": "seed",
        "adjusted": "Metropolis test",
        "tilt": "tilt λ",
        "learned_start": "starts from learned samplers",
    }
    rows = [("model", a.entry.id, b.entry.id)]
    rows += [
        ("latent size d", str(a.model.config.latent_dim), str(b.model.config.latent_dim)),
        ("example", str(a.model.config.data_shape), str(b.model.config.data_shape)),
        ("data", str(a.card.facts.get("data", "?")), str(b.card.facts.get("data", "?"))),
    ]
    for field in fields(ChainSettings):
        left, right = (_shown(getattr(side.run.settings, field.name)) for side in (a, b))
        rows.append((names[field.name], left, right))
    return sorted(rows, key=lambda row: row[1] == row[2])


def _shown(value: float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int) else f"{value:g}"


def mixed(a: LatentEBM, b: LatentEBM) -> str | None:
    """Why the two cannot stand beside each other; None if they can."""
    if (a.config.kind == "text") == (b.config.kind == "text"):
        return None
    speaks, draws = ("A", "B") if a.config.kind == "text" else ("B", "A")
    return f"{speaks} is a model of sentences and {draws} is not: choose two of the same kind."


def not_comparable(a: Side, b: Side) -> list[str]:
    """What the two sides do not share, a sentence each."""
    sentences = []
    left, right = a.model.config, b.model.config
    if left.latent_dim != right.latent_dim:
        sentences.append(
            f"The latents have {left.latent_dim} and {right.latent_dim} dimensions: the same seed "
            "draws other starts, and ‖z‖ and log Z are on other scales."
        )
    if a.entry.id != b.entry.id:
        sentences.append(
            "Energies of two networks share no zero: compare their falls, not their levels. "
            "Each side has its own frame of the latents."
        )
    if a.card.facts.get("data") != b.card.facts.get("data"):
        sentences.append("The two learned other data: what they decode to cannot match.")
    return sentences


def aligned(a: Side, b: Side, step: int, n_shown: int) -> np.ndarray | None:
    """The first chains at one step, A above B: uint8 `(2 n, h, w, c)`; None for points."""
    rows = [side.run.examples[min(step, side.run.n_taken), :n_shown] for side in (a, b)]
    if any(row.ndim != 4 for row in rows) or rows[0].shape != rows[1].shape:
        return None
    return np.concatenate(rows)


def distances(a: Side, b: Side, step: int) -> np.ndarray | None:
    """‖A − B‖ of each chain's latents at one step, `(n,)`; None for other latent sizes."""
    left, right = a.run.trajectory.z, b.run.trajectory.z
    if left.shape[1:] != right.shape[1:]:
        return None
    return (left[min(step, len(left) - 1)] - right[min(step, len(right) - 1)]).norm(dim=-1).numpy()


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is measured of one side.

    Attributes:
        energy: median of -f(z) at the last step.
        norm: median of ‖z‖ there.
        spread: root mean squared distance between two decoded chains, a value of them; of
            sentences, the mean share of their words that differ.
        accepted: share of accepted proposals; None for the plain chain.
        log_z: log Z(λ) and its standard error, once there is one.
        long: verdict on chains that are `LONG_FACTOR` times as long, once there is one.
        long_to_come: whether it is still looked for; one chain alone has none.
    """

    energy: float
    norm: float
    spread: float
    accepted: float | None
    log_z: tuple[float, float] | None = None
    long: Verdict | None = None
    long_to_come: bool = True


def measure(side: Side) -> Numbers:
    """What needs no further chain."""
    t, z = side.run.trajectory, side.run.trajectory.z[-1]
    x = side.model.generate(z)
    moved = (t.displacement[1:] > 0).float().mean()
    return Numbers(
        energy=float(np.nanmedian(side.energy[-1])),
        norm=float(z.norm(dim=-1).median()),
        spread=_words_between(x) if side.speaks else _root_mean_square(x.flatten(1)),
        accepted=float(moved) if side.run.settings.adjusted and len(t.displacement) > 1 else None,
    )


def _root_mean_square(x: Tensor) -> float:
    """Distance between two rows of `(n, D)`, a value."""
    between = torch.cdist(x, x).square().sum() / max(len(x) * (len(x) - 1), 1)
    return float((between / x.shape[1]).sqrt())


def _words_between(x: Tensor) -> float:
    """Share of words in which two sentences of `(n, T)` differ."""
    return float(share_differing(x, x).sum() / max(len(x) * (len(x) - 1), 1))


NUMBERS_HELP = (
    "Spread: root mean squared distance between two decoded chains, a value; images lie in "
    "[−1, 1]; of sentences, the share of words in which two differ. log Z(λ): by annealed "
    "importance sampling, ± one standard error. Long chains: "
    f"{_LONG_CHAINS} of them with {LONG_FACTOR} times the steps against themselves after K; "
    "the shift of their median energy in standard deviations, and what is left of their mean "
    "squared distance, without those that were stopped; – for one chain alone."
)


def numbers_table(found: dict[str, Numbers]) -> dict[str, list[str]]:
    """The numbers as columns of text: "number", "A", "B"; an ellipsis for what is to come."""

    def column(n: Numbers) -> list[str]:
        log_z = f"{n.log_z[0]:.2f} ± {n.log_z[1]:.2f}" if n.log_z else "…"
        long = "…" if n.long_to_come else _in_words(n.long)
        accepted = "no test" if n.accepted is None else f"{n.accepted:.0%}"
        return [f"{n.energy:.2f}", f"{n.norm:.2f}", f"{n.spread:.3f}", accepted, log_z, long]

    names = ["median energy −f(z) at the end", "median ‖z‖ there", "spread of decoded chains"]
    names += ["steps accepted", "log Z(λ), nats", "long chains"]
    return {"number": names} | {side: column(numbers) for side, numbers in found.items()}


def _in_words(found: Verdict | None) -> str:
    """A verdict and what it is made of."""
    if found is None:
        return "–"
    if found.word == "diverged":
        return found.word
    return f"{found.word}: energy {found.energy_shift:+.1f} sd, spread {found.spread:.2f} ×"


def study(job: Job[dict[str, Numbers]], a: Side, b: Side) -> None:
    """Measure both sides, then their log Z and long chains, publishing what there is."""
    found = {side.name: measure(side) for side in (a, b)}
    job.publish(dict(found), 0.1)
    for i, side in enumerate((a, b)):
        if job.should_stop():
            return
        log_z = log_partition(side)
        found[side.name] = replace(found[side.name], log_z=log_z)
        job.publish(dict(found), 0.1 + 0.2 * (i + 1))
    for i, side in enumerate((a, b)):
        long = long_verdict(side, job)
        found[side.name] = replace(found[side.name], long=long, long_to_come=False)
        job.publish(dict(found), 0.5 + 0.25 * (i + 1))


def log_partition(side: Side) -> tuple[float, float]:
    """log Z(λ) of p_λ ∝ exp(λ f) p_0 and its standard error; (0, 0) for λ = 0."""
    tilt = side.run.settings.tilt
    if tilt == 0:
        return 0.0, 0.0
    path = tilt_path(
        side.model.prior,
        tilt * torch.tensor(_TILTS),
        mala_steps=2,
        generator=torch.Generator().manual_seed(0),
    )
    return float(path.log_z[-1]), float(path.error[-1])


def long_verdict(side: Side, job: Job[dict[str, Numbers]]) -> Verdict | None:
    """The chains after `LONG_FACTOR` times their steps against themselves; None if stopped."""
    n_chains = min(_LONG_CHAINS, side.run.settings.n_chains)
    if n_chains < 2 or side.run.n_taken == 0:
        return None
    recipe = replace(side.recipe, n_chains=n_chains)
    state, ends = recipe.start(side.model), []
    for _ in range(LONG_FACTOR):
        if job.should_stop():
            return None
        state = recipe.take(0, state, side.model).state
        ends.append(state.z)
    running = state.failed_at < 0
    if running.sum() < 2:
        return DIVERGED
    return verdict(*[_snapshot(side.model, z[running]) for z in (ends[0], ends[-1])])


def _snapshot(model: LatentEBM, z: Tensor) -> Snapshot:
    return Snapshot(-model.prior.neg_energy(z).detach(), z.norm(dim=-1), model.generate(z))
