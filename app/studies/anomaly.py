"""How well a run tells a class that was held out from the others, and why an example is odd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from app.models import ModelEntry
from app.studies.script import Script
from lebm import langevin
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from train import data, scores
from train.pictures import quantise
from train.run_dir import RunDir, RunError, step_of
from train.scores import Scores, ScoresError

EXAMPLE = "the example"  # the id of the run that comes along
_EXAMPLE_RUN = Path(__file__).parents[1] / "example_anomaly"
_POINTS = 600  # drawn of a curve

Kind = Literal["sum", "typicality"]
Among = Literal["all", "anomalies", "normal"]


def list_scored(runs: Path) -> dict[str, RunDir]:
    """Id -> run with scores, the newest first, and last the one that comes along.

    Ids are looked up here and never made into paths, so none reaches outside.
    """
    found = [RunDir(folder.parent) for folder in runs.glob("*/config.json")]
    scored = sorted((r for r in found if r.scores()), key=lambda r: -r.path.stat().st_mtime)
    return {run.path.name: run for run in scored} | {EXAMPLE: RunDir(_EXAMPLE_RUN)}


def steps(run: RunDir) -> dict[int, Path]:
    """Iteration -> its score file, of the checkpoints that count."""
    return {int(step_of(file)): file for file in run.scores()[-scores.COUNTED :]}


def read(file: Path, version: int) -> Scores:
    """The scores in a file of this version.

    Raises:
        ScoresError: if it cannot be used.
    """
    return scores.load(file)


def examples(run: RunDir, version: int, n: int) -> Tensor:
    """The test examples in the order of the scores, as the data set holds them, `(n, ...)`.

    Args:
        run: a run with a class held out.
        version: of its settings.
        n: how many were scored.

    Raises:
        DatasetUnavailable: if the data set is not on this machine, or is another one.
        RunError: if the run's settings cannot be read, or hold no class out.
    """
    config = run.config()
    if config.held_out is None:
        raise RunError(f"{run.path.name} held no class out, and yet it has scores")
    whole = data.load(config.dataset, config.model.data_shape, config.data_root, download=False)
    tests = scores.test_examples(data.hold_out(whole, config.held_out, config.split))
    if len(tests) != n:
        raise data.DatasetUnavailable(
            f"{config.dataset} has {len(tests):,} test examples here, {n:,} were scored"
        )
    return tests


def combined(known: Scores, kind: Kind, weights: Mapping[str, float]) -> np.ndarray:
    """The score of every test example, `(n,)`; higher is more anomalous.

    Args:
        known: the terms.
        kind: a weighted sum of the terms, or how untypical they are among those of normal
            training examples.
        weights: of the terms, by their names.
    """
    if kind == "typicality":
        return known.typicality()
    return _sum(known.terms, weights)


def _sum(terms: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    return np.stack([weights[name] * values.astype(float) for name, values in terms.items()]).sum(0)


def areas(
    files: tuple[tuple[Path, int], ...], kind: Kind, weights: tuple[tuple[str, float], ...]
) -> list[float]:
    """AUPRC of the same score at several checkpoints; NaN where a file cannot be used.

    Args:
        files: score files, each with its version.
        kind: as `combined`.
        weights: the same, as pairs.
    """
    found = []
    for file, _ in files:
        try:
            known = scores.load(file)
        except ScoresError:
            found.append(float("nan"))
            continue
        score = combined(known, kind, dict(weights))
        found.append(scores.average_precision(known.is_anomaly, score))
    return found


@dataclass(frozen=True, slots=True)
class Curves:
    """Precision, recall and false alarms over thresholds, thinned to be drawn.

    Attributes:
        recall: `(k,)`.
        precision: at those recalls, `(k,)`.
        false_alarms: share of normal examples flagged, `(l,)`.
        found: share of anomalies flagged at those, `(l,)`.
        average_precision: AUPRC.
        trapezoid: AUPRC by the trapezoid rule.
        auroc: area under the ROC curve, the chance that an anomaly scores above a normal example.
    """

    recall: np.ndarray
    precision: np.ndarray
    false_alarms: np.ndarray
    found: np.ndarray
    average_precision: float
    trapezoid: float
    auroc: float


def curves(is_anomaly: np.ndarray, score: np.ndarray) -> Curves:
    """The curves of a score without NaN, `(n,)`, that ranks the positives `is_anomaly`, `(n,)`."""
    from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

    precision, recall, _ = precision_recall_curve(is_anomaly, score)
    false_alarms, found, _ = roc_curve(is_anomaly, score)
    some = np.unique(np.linspace(0, len(recall) - 1, _POINTS).round().astype(int))
    other = np.unique(np.linspace(0, len(found) - 1, _POINTS).round().astype(int))
    return Curves(
        recall[some],
        precision[some],
        false_alarms[other],
        found[other],
        scores.average_precision(is_anomaly, score),
        scores.auprc_trapezoid(is_anomaly, score),
        float(roc_auc_score(is_anomaly, score)),
    )


@dataclass(frozen=True, slots=True)
class Confusion:
    """What a threshold does: everything above it is flagged."""

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def precision(self) -> float:
        """Share of anomalies among what is flagged; NaN if nothing is."""
        flagged = self.true_positives + self.false_positives
        return self.true_positives / flagged if flagged else float("nan")

    @property
    def recall(self) -> float:
        """Share of the anomalies that is flagged."""
        return self.true_positives / (self.true_positives + self.false_negatives)

    @property
    def false_alarms(self) -> float:
        """Share of the normal examples that is flagged."""
        return self.false_positives / (self.false_positives + self.true_negatives)

    @property
    def in_words(self) -> str:
        """A sentence or two, in Markdown."""
        flagged = self.true_positives + self.false_positives
        anomalies = self.true_positives + self.false_negatives
        if not flagged:
            return f"Nothing is flagged: all {anomalies:,} anomalies are missed."
        return (
            f"Of {flagged:,} flagged examples {self.true_positives:,} are anomalies: **precision "
            f"{self.precision:.1%}**. Of {anomalies:,} anomalies {self.true_positives:,} are "
            f"flagged: **recall {self.recall:.1%}**. {self.false_alarms:.1%} of the normal "
            "examples are false alarms."
        )


def confusion(is_anomaly: np.ndarray, score: np.ndarray, flagged: float) -> Confusion:
    """What happens when the most anomalous share of all test examples is flagged.

    Args:
        is_anomaly: bool `(n,)`.
        score: `(n,)`.
        flagged: the share, from 0 to 1.
    """
    n = round(flagged * len(score))
    ranked = np.sort(score)[::-1]
    above = score >= ranked[n - 1] if n else np.zeros(len(score), dtype=bool)
    threshold = ranked[n - 1] if n else np.nextafter(ranked[0], np.inf)
    true_positives = int((above & is_anomaly).sum())
    false_positives = int(above.sum()) - true_positives
    return Confusion(
        float(threshold),
        true_positives,
        false_positives,
        int(is_anomaly.sum()) - true_positives,
        int((~is_anomaly).sum()) - false_positives,
    )


def ranked(known: Scores, score: np.ndarray, among: Among) -> np.ndarray:
    """Numbers of test examples, the most anomalous first."""
    order = np.argsort(-score, kind="stable")
    if among == "all":
        return order
    return order[known.is_anomaly[order] == (among == "anomalies")]


@dataclass(frozen=True, slots=True)
class Restarts:
    """One example's score from many posterior chains, each from noise of its own.

    Attributes:
        terms: name, as in the scores -> `(n,)`.
        reconstructions: uint8 `(n, c, h, w)`, or points `(n, dim)`.
    """

    terms: dict[str, np.ndarray]
    reconstructions: np.ndarray

    def weighted(self, weights: Mapping[str, float]) -> np.ndarray:
        """The weighted sum of the terms, `(n,)`."""
        return _sum(self.terms, weights)


def restarts(
    model: LatentEBM, x: Tensor, sampler: LangevinConfig, n_restarts: int, seed: int
) -> Restarts:
    """Posterior chains of one example.

    Args:
        model: the model.
        x: the example, `(1, *data_shape)`.
        sampler: the chain.
        n_restarts: how many.
        seed: of their noise; chain i is the same whatever `n_restarts`.
    """
    noise = ChainNoise(seed, range(n_restarts), model.config.latent_dim)
    rows = x.expand(n_restarts, *x.shape[1:])
    density = model.posterior_density(rows)
    start = langevin.init(density, noise.at(0))
    z = langevin.run(density, start, sampler, noise=noise, thin=sampler.n_steps or 1).state.z
    with torch.no_grad():
        terms = scores.joint_terms(model, rows, z)
    decoded = model.generate(z)
    pictures = quantise(decoded) if decoded.ndim == 4 else decoded
    return Restarts({name: t.numpy() for name, t in terms.items()}, pictures.numpy())


def lines(
    entry: ModelEntry,
    run: RunDir,
    step: int,
    kind: Kind,
    weights: Mapping[str, float],
    again: tuple[int, int, int] | None,
) -> str:
    """Python lines that make the score again, and one example's restarts.

    Args:
        entry: the checkpoint's model.
        run: where the scores are.
        step: the checkpoint's iteration.
        kind: as `combined`.
        weights: of every term.
        again: the example's number, its restarts and their seed; None where there are none.
    """
    total = " + ".join(f"{weight:g} * known.terms[{name!r}]" for name, weight in weights.items())
    script = Script(entry)
    script.use("pathlib", "Path")
    script.use("train", "scores")
    script.add(
        f"known = scores.load(Path({str(run.scores_path(step))!r}))",
        f"score = {total if kind == 'sum' else 'known.typicality()'}",
        "auprc = scores.average_precision(known.is_anomaly, score)",
    )
    if again is not None:
        (item, n, seed), config = again, run.config()
        root = "" if config.data_root is None else f", Path({str(config.data_root)!r})"
        script.use("train", "data")
        script.add(
            "",
            f"whole = data.load({config.dataset!r}, model.config.data_shape{root})",
            f"divided = data.hold_out(whole, {config.held_out}, {config.split})",
            f"x = data.to_model_range(scores.test_examples(divided)[{item} : {item + 1}])",
            f"x = x.expand({n}, *model.config.data_shape)",
            "density = model.posterior_density(x)",
        )
        script.add_chains("z", "density", "card.reconstruction_sampler", seed, f"range({n})")
        script.add("restarts = scores.joint_terms(model, x, z)")
    return str(script)
