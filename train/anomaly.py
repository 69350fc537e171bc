"""Anomaly detection of trained runs: `python -m train.anomaly RUN ...` prints Markdown rows.

Reads what runs with `--held-out` left in their folder `scores/`. A run's number is the mean over
its last 10 checkpoints, never the best; runs that differ in their seed alone are one row, with a
95 % confidence interval over seeds. A record of this command (`--json`) may stand among the runs:
what it holds joins the table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from lebm.checkpoint import CheckpointError
from train import markdown, models, records, scores, seeds
from train.config import TrainConfig
from train.run_dir import RunDir, RunError, step_of
from train.scores import COUNTED, OWN, Scores, ScoresError
from train.seeds import with_interval

#: What an anomaly counts if the test is to hold a fifth of them, as it does of all others. The
#: public code that this division follows tests all. Of such a test the published AUPRC of the VAE
#: cannot be: 0.063 for digit 1 is less than any order of it can have, 0.226.
FIFTH = 0.2


@dataclass(frozen=True, slots=True)
class Options:
    """Which runs, and where their numbers go."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Directories of runs that held a class out, and records of earlier ones (.json)."""
    json: Path | None = None
    """A file for every number of every run."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError("name at least one run: python -m train.anomaly runs/mnist-anomaly")


@dataclass(frozen=True, slots=True)
class AUPRC:
    """Of one score of one run, over its last checkpoints."""

    mean: float
    """Average precision, mean over the checkpoints."""
    deviation: float | None
    """Its standard deviation over them; None for a single one."""
    trapezoid: float
    """The same area by the trapezoid rule, mean over the checkpoints."""
    of_a_fifth: float
    """Average precision where a fifth of the anomalies is tested, mean over the checkpoints."""
    each: list[float]
    """Average precision at every checkpoint, oldest first."""


@dataclass(frozen=True, slots=True)
class Detected:
    """A run and how well each score of it tells anomalies from normal examples."""

    run: str
    data: str
    method: str
    held_out: int
    seed: int
    checkpoints: list[int]
    """Iterations of the checkpoints that count."""
    n_normal: int
    """Normal test examples."""
    n_anomalies: int
    prevalence: float
    auprc: dict[str, AUPRC]
    """Score, as `Scores.variants` names it -> its AUPRC."""
    minutes: float
    """Of learning."""
    command: str
    """What trained it."""
    hardware: str
    """Where."""
    settings: str
    """From `seeds.settings_of`."""

    @property
    def group(self) -> tuple[str | int, ...]:
        """What runs share that differ in their seed alone."""
        return self.data, self.method, self.held_out, self.settings


def main() -> int:
    """Run the command line; returns the exit status."""
    try:
        options = tyro.cli(Options, prog="python -m train.anomaly", description=__doc__)
        print(run(options))
    except (
        ValueError,
        OSError,
        RunError,
        ScoresError,
        CheckpointError,
        records.RecordError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: Options) -> str:
    """Read every run; returns the Markdown table, and writes the JSON that was asked for.

    Raises:
        RunError, ScoresError, CheckpointError: if a run or a file of it cannot be used, or a seed
            stands there twice.
        RecordError: if a record cannot.
        ValueError: if the JSON cannot be written where it was asked for.
    """
    records.check_place(options.json)
    paths, found = seeds.recorded(options.runs, Detected)
    groups = seeds.together(found + [detect(RunDir(path)) for path in paths])
    if options.json is not None:
        records.save(options.json, "anomaly", groups, torch.device("cpu"))
    return table(groups)


def detect(run: RunDir) -> Detected:
    """The AUPRC of every score of a run, over its last checkpoints.

    Raises:
        RunError: if it held no class out or has scored nothing yet.
        ScoresError, CheckpointError: if a file of it cannot be used.
    """
    config, files = run.held_out_config(), run.scores()[-COUNTED:]
    assert config.held_out is not None
    if not files:
        raise RunError(
            f"{run.path} has scored nothing yet: its last {COUNTED} checkpoints are scored"
        )
    known = [_load(file, config) for file in files]
    facts = models.load(run.checkpoint_path(int(step_of(files[-1]))))[1].facts
    n_anomalies = int(known[-1].is_anomaly.sum())
    return Detected(
        run=str(run.path),
        data=config.dataset,
        method=config.method,
        held_out=config.held_out,
        seed=config.seed,
        checkpoints=[int(step_of(file)) for file in files],
        n_normal=len(known[-1].is_anomaly) - n_anomalies,
        n_anomalies=n_anomalies,
        prevalence=known[-1].prevalence,
        auprc=_auprc(known),
        minutes=float(facts.get("minutes", "nan")),
        command=str(facts.get("command", "")),
        hardware=str(facts.get("hardware", "")),
        settings=seeds.settings_of(config),
    )


def _load(file: Path, config: TrainConfig) -> Scores:
    """A score file that belongs to the run of these settings."""
    known = scores.load(file)
    if (known.method, known.held_out) != (config.method, config.held_out):
        raise ScoresError(
            f"{file} holds scores of {known.method} with class {known.held_out} held out, "
            f"the run is of {config.method} with {config.held_out}: it belongs to another run"
        )
    return known


def _auprc(known: list[Scores]) -> dict[str, AUPRC]:
    """Of every variant of the score."""
    areas: dict[str, list[list[float]]] = {}
    for one in known:
        for name, score in one.variants().items():
            found = [area(one.is_anomaly, score) for area in scores.AREAS.values()]
            found.append(scores.average_precision(one.is_anomaly, score, FIFTH))
            areas.setdefault(name, []).append(found)
    result = {}
    for name, rows in areas.items():
        each, trapezoids, fifths = np.array(rows).T
        deviation = float(each.std(ddof=1)) if len(each) > 1 else None
        means = (float(each.mean()), deviation, float(trapezoids.mean()), float(fifths.mean()))
        result[name] = AUPRC(*means, each.tolist())
    return result


#: (data, method, held-out class) -> columns that stand beside the method's own score.
Published = Callable[[str, str, int], dict[str, str]]


def summary(groups: list[list[Detected]], published: Published = lambda *_: {}) -> str:
    """The AUPRC of every method's own score, a column for each class held out.

    Args:
        groups: runs that differ in their seed alone stand together.
        published: what stands elsewhere; a row of its own below the method's.
    """
    classes = sorted({r.held_out for r, *_ in groups})
    rows: dict[str, dict[int, str]] = {}
    for group in groups:
        first, own = group[0], [run.auprc[OWN] for run in group]
        cells = {
            "": with_interval([area.mean for area in own]),
            ", a fifth of the anomalies": with_interval([area.of_a_fifth for area in own]),
        }
        beside = published(first.data, first.method, first.held_out)
        cells |= {f", {column}": value for column, value in beside.items()}
        for what, cell in cells.items():
            row = rows.setdefault(f"{first.data}, {first.method}{what}", {})
            row[first.held_out] = cell
    lines = [[name, *(row.get(c, "") for c in classes)] for name, row in rows.items()]
    return markdown.table(["AUPRC", *map(str, classes)], lines)


def table(groups: list[list[Detected]], published: Published = lambda *_: {}) -> str:
    """A row for each score of each group, by class; ± is Student's 95 % interval over seeds.

    Args:
        groups: runs that differ in their seed alone stand together.
        published: columns that stand beside the method's own score.
    """
    groups = sorted(groups, key=lambda group: (group[0].data, group[0].held_out))
    others = [published(r.data, r.method, r.held_out) for r, *_ in groups]
    columns = dict.fromkeys(name for other in others for name in other)
    header = ["data", "held out", "method", "score", "AUPRC", "deviation over checkpoints"]
    header += ["by trapezoid", "chance", "seeds", "checkpoints", "minutes"]
    header += ["AUPRC, a fifth of the anomalies", *columns, "trained on"]
    rows = []
    for group, other in zip(groups, others, strict=True):
        machines = "; ".join(dict.fromkeys(run.hardware for run in group))
        for name in group[0].auprc:
            beside = [other.get(column, "") if name == OWN else "" for column in columns]
            rows.append([*_row(group, name), *beside, machines])
    return markdown.table(header, rows)


def _row(runs: list[Detected], score: str) -> list[str]:
    """What the runs of one group say about one score."""
    first, areas = runs[0], [run.auprc[score] for run in runs]
    deviations = [area.deviation for area in areas if area.deviation is not None]
    return [
        first.data,
        str(first.held_out),
        first.method,
        score,
        with_interval([area.mean for area in areas]),
        f"{np.mean(deviations):.2g}" if deviations else "",
        with_interval([area.trapezoid for area in areas]),
        f"{first.prevalence:.3f}",
        str(len(runs)),
        str(len(first.checkpoints)),
        with_interval([run.minutes for run in runs]),
        with_interval([area.of_a_fifth for area in areas]),
    ]


if __name__ == "__main__":
    sys.exit(main())
