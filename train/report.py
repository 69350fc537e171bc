"""Write what was measured into one page: `python -m train.report` makes train/RESULTS.md.

Every number comes from a file in train/results/, which the command beside it wrote. Published
numbers stand in columns of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import tyro

from lebm.checkpoint import atomic_write
from train import (
    anomaly,
    long_run,
    markdown,
    measured,
    race_record,
    records,
    rescore,
    scale,
    transitions,
)
from train.benchmark import Benchmark
from train.contest import HEADER
from train.records import Record, RecordError

FOLDER = Path(__file__).parent / "results"
PAGE = Path(__file__).parent / "RESULTS.md"

_INTRODUCTION = """# Results

Written by `python -m train.report` from the files in `train/results/`. Above each table stand the
command that put it together, the day and the machine; what earlier records joined stands there by
their name (the runs it names were joined by that command, and are refused a second time), and rows
that come from different machines say from which. Seeds, budget and examples
are in the columns. ± is the half width of a 95 % interval over seeds. "(published)" is what Pang et
al. 2020 report.
"""

#: Table 1 of Pang et al. 2020: data -> method -> test MSE and FID; None where we have none.
_TABLE_1: dict[str, dict[str, tuple[float | None, float | None]]] = {
    "cifar10": {
        "lebm": (0.020, 70.15),
        "vae": (0.057, 106.37),
        "2svae": (None, 72.90),
        "rae": (None, 74.16),
    },
    "svhn": {
        "lebm": (0.008, 29.44),
        "vae": (0.019, 46.78),
        "2svae": (None, 42.81),
        "rae": (None, 40.02),
        "sri": (None, 44.86),
        "sri-5": (None, 35.23),
    },
    "celeba": {
        "lebm": (0.013, 37.87),
        "vae": (0.021, 65.75),
        "2svae": (None, 44.40),
        "rae": (None, 40.95),
        "sri": (None, 61.03),
        "sri-5": (None, 47.95),
    },
}

#: Table 2 of Pang et al. 2020: data -> method -> FPPL, RPPL and NLL.
_TABLE_2 = {
    "snli": {"lebm": (27.81, 31.96, 28.90)},
    "ptb": {"lebm": (107.45, 181.54, 91.35)},
    "yahoo": {"lebm": (80.91, 118.08, 321.18)},
}

#: The columns of both tables.
_PUBLISHED = ("test MSE", "FID", "FPPL", "RPPL", "NLL")

#: Table 4 of Pang et al. 2020: AUPRC on MNIST, method -> held-out digit -> mean. How many
#: anomalies were tested it does not say, see `train.anomaly.FIFTH`.
_TABLE_4 = {
    "lebm": {1: 0.336, 4: 0.630, 5: 0.619, 7: 0.463, 9: 0.413},
    "vae": {1: 0.063, 4: 0.337, 5: 0.325, 7: 0.148, 9: 0.104},
    "meg": {1: 0.281, 4: 0.401, 5: 0.402, 7: 0.290, 9: 0.342},
    "bigan": {1: 0.287, 4: 0.443, 5: 0.514, 7: 0.347, 9: 0.307},
}


def main(folder: Path = FOLDER, page: Path = PAGE) -> int:
    """Write the page, and the figures that it shows into the folder results beside it.

    Args:
        folder: where the records lie.
        page: the Markdown file.

    Returns:
        The exit status.
    """
    try:
        found = _found(folder)
        files = {page.parent / name: drawn.encode() for name, drawn in figures(found).items()}
        for path, content in (files | {page: text(found)}).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, content)
            print(f"written: {path}")
    except (RecordError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _found(folder: Path) -> list[Record]:
    """The records in a folder, by name; there has to be one."""
    found = [records.load(path) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise RecordError(f"{folder} holds no record: give the --folder that --json wrote into")
    return found


def text(found: list[Record]) -> bytes:
    """The page, a section for each kind of measurement.

    Raises:
        RecordError: for a record of an unknown kind, or one that does not fit its kind.
    """
    unknown = {record.kind for record in found} - set(_SECTIONS)
    if unknown:
        raise RecordError(f"there is no section for records of {', '.join(sorted(unknown))}")
    parts = [_INTRODUCTION]
    for kind, (title, _) in _SECTIONS.items():
        of_kind = [record for record in found if record.kind == kind]
        if of_kind:
            parts += filter(None, [f"## {title}\n", _WORDS.get(kind)])
        parts += map(render, of_kind)
    return "\n".join(parts).encode()


def render(record: Record) -> str:
    """A record with where it comes from, in Markdown."""
    _, show = _SECTIONS[record.kind]
    parts = [str(record), show(record), record.note]
    return "\n\n".join(filter(None, parts)) + "\n"


def figures(found: list[Record]) -> dict[str, str]:
    """What the page shows beside its text: file name -> SVG."""
    races = [record.as_type(race_record.Race) for record in found if record.kind == "race"]
    return {_figure_of(race): race_record.figure(race) for race in races}


def _figure_of(race: race_record.Race) -> str:
    return f"results/race-{race.preset}-seed{race.seed}.svg"


def _raced(record: Record) -> str:
    race = record.as_type(race_record.Race)
    curves = f"![Test error and distance of samples over minutes]({_figure_of(race)})"
    return f"{race_record.table(race)}\n\n{curves}"


def _evaluated(record: Record) -> str:
    groups = record.as_type(list[list[measured.Measured]])
    return measured.table(groups, published=_published)


def _published(data: str, method: str) -> dict[str, str]:
    """The paper's numbers for a method on this data: column -> cell."""
    of_images = _TABLE_1.get(data, {}).get(method, (None, None))
    of_text = _TABLE_2.get(data, {}).get(method, (None, None, None))
    values = dict(zip(_PUBLISHED, (*of_images, *of_text), strict=True))
    return {f"{name} (published)": f"{v:g}" for name, v in values.items() if v is not None}


def _detected(record: Record) -> str:
    groups = record.as_type(list[list[anomaly.Detected]])
    tables = [show(groups, published=_published_area) for show in (anomaly.summary, anomaly.table)]
    return "\n\n".join(tables)


def _rescored(record: Record) -> str:
    return rescore.table(record.as_type(list[rescore.Rescored]))


def _published_area(data: str, method: str, held_out: int) -> dict[str, str]:
    """The paper's AUPRC for a method where this class is held out: column -> cell."""
    value = _TABLE_4.get(method, {}).get(held_out) if data == "mnist" else None
    return {} if value is None else {"AUPRC (published)": f"{value:.3f}"}


def _benchmarked(record: Record) -> str:
    found = record.as_type(Benchmark)
    table = "\n".join([HEADER, *map(str, found.rows)])
    return (
        f"torch {found.torch}; medians of {found.repetitions}, alternating, after warm-up; "
        f"{found.minutes:.1f} minutes.\n\n{table}\n\nPrecision: {found.precision}."
    )


def _judged(record: Record) -> str:
    return long_run.table(record.as_type(list[long_run.Judged]))


def _read(record: Record) -> str:
    return transitions.text(record.as_type(transitions.Transitions))


def _reckoned(record: Record) -> str:
    return scale.text(record.as_type(scale.Plan))


def _counted(record: Record) -> str:
    """A row of what was counted."""
    counts = record.as_type(dict[str, int])
    return markdown.table(list(counts), [[f"{n:,}" for n in counts.values()]])


#: Kind of record -> what the words in its tables mean.
_WORDS = {
    "evaluate": """- **test MSE**: of held-out pictures on the scale from 0 to 1, z as the method
  infers it; "by Langevin", by the posterior chain from noise that its checkpoint recommends.
- **Fréchet distance**: of samples to training pictures, in the features named; not an FID. **of
  reconstructions**: of as many held-out pictures, where there are, as the method decodes them. A
  prior that drew z as examples have it would leave samples that; what they are beyond it is the
  prior's.
- **NLL**: −log p(x|z) of held-out sentences, nats, z as the method infers it. Where it is no less
  with another's z, sentences do without z. **−log p(x), at most**: by importance sampling.
- **active units**: latents whose posterior mean varies over sentences by more than 0.05;
  **Var E[z|x]**: that variance, summed over all.
- **FPPL**: perplexity of samples, judged by a small LSTM that learned from real sentences.
  **RPPL**: of real held-out sentences, judged by one that learned from the samples. **PPL of
  real**: of those, by the first judge; **RPPL of real**: by one of as many real sentences as there
  are samples. **greedy FPPL**: of the likeliest sentences at the prior's draws; **of N(0, I)**: at
  the noise they came from; **t of the gain**: Student's, of the paired difference; chance goes
  beyond 3.3 once in 1,000.
""",
    "anomaly": """- **AUPRC**: average precision, anomalies the positives, the mean over a run's
  last ten checkpoints; "by trapezoid", the same area interpolated; "a fifth of the anomalies",
  where each counts a fifth. **chance**: the share of anomalies.
- **score**: the method's own, a sum of terms; then sums without one term, single terms ("alone"),
  and **typicality**, −log density of an example's terms among those of normal ones. Of terms,
  "reconstruction" is −log p(x|z), "tilt" −f(z), "base" ½‖z‖², "kl" a VAE's divergence.
""",
    "benchmark": "**aim** is what the ratio to the plain loop was to reach.\n",
}

#: Kind of record -> title of its section and what a record of it reads as.
_SECTIONS: dict[str, tuple[str, Callable[[Record], str]]] = {
    "evaluate": ("Reconstruction and samples, Tables 1 and 2", _evaluated),
    "transitions": ("Sentences along prior chains, Table 3", _read),
    "anomaly": ("Anomaly detection, Table 4", _detected),
    "rescore": ("Anomalies, scored in other ways", _rescored),
    "benchmark": ("Speed of sampling and learning", _benchmarked),
    "long_run": ("Long chains", _judged),
    "scale": ("More machines, on paper", _reckoned),
    "faults": ("Faults", _counted),
    "race": ("Who learns faster", _raced),
}


if __name__ == "__main__":
    sys.exit(tyro.cli(main, prog="python -m train.report", description=__doc__))
