"""What was measured on trained runs, and the table of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from train import markdown
from train.seeds import with_interval


@dataclass(frozen=True, slots=True)
class Measured:
    """A run and what was measured on it."""

    run: str
    data: str
    method: str
    seed: int
    iterations: int
    minutes: float
    """Of training."""
    hardware: str
    n_test: int
    """Held-out examples reconstructed."""
    n_samples: int
    """Samples on each side of the Fréchet distance; 0 where there is none."""
    values: dict[str, float]
    """Name, as the table has it -> value."""
    command: str = ""
    """That trained it; of a run whose length was changed on the way, all of them."""
    settings: str = ""
    """From `seeds.settings_of`."""
    greedy: bool = False
    """Whether its samples are the likeliest words, of sentences."""

    @property
    def group(self) -> tuple[str | int, ...]:
        """What runs share that differ in their seed alone, and were judged alike."""
        return self.data, self.method, self.settings, self.n_test, self.n_samples, self.greedy


def table(
    groups: list[list[Measured]],
    published: Callable[[str, str], dict[str, str]] = lambda data, method: {},
) -> str:
    """A row a group: means, and for several seeds the half width of a 95 % interval.

    Rows of one method on the same data are told apart by their run, rows that were measured on
    different machines by these. Below the table stands what trained each.

    The interval is Student's, over seeds: it says nothing about the error of one evaluation.

    Args:
        groups: runs that differ in their seed alone, together.
        published: data and method -> further columns, by name.
    """
    names = dict.fromkeys(name for group in groups for m in group for name in m.values)
    others = [published(group[0].data, group[0].method) for group in groups]
    columns = dict.fromkeys(name for other in others for name in other)
    rows = [
        _facts(group)
        | {name: _cell(group, name) for name in names}
        | {"examples": _examples(group[0])}
        | {name: other.get(name, "") for name in columns}
        for group, other in zip(groups, others, strict=True)
    ]
    if len({(group[0].data, group[0].method) for group in groups}) < len(groups):
        rows = [{"run": Path(g[0].run).name} | row for g, row in zip(groups, rows, strict=True)]
    if len({m.hardware for group in groups for m in group}) > 1:
        rows = [row | {"measured on": _machines(g)} for g, row in zip(groups, rows, strict=True)]
    parts = [markdown.table(list(rows[0]), [list(row.values()) for row in rows])]
    trained = [f"- `{m.command}`" for group in groups for m in group[:1] if m.command]
    if trained:
        several = ", of several seeds the first" if max(map(len, groups)) > 1 else ""
        parts += [f"Trained by{several}:", "\n".join(trained)]
    return "\n\n".join(parts)


def _facts(group: list[Measured]) -> dict[str, str]:
    return {
        "data": group[0].data,
        "method": group[0].method,
        "seeds": str(len(group)),
        "iterations": with_interval([m.iterations for m in group]),
        "minutes": with_interval([m.minutes for m in group]),
    }


def _examples(one: Measured) -> str:
    sampled = f", {one.n_samples:,} sampled{' greedily' if one.greedy else ''}"
    return f"{one.n_test:,} reconstructed{sampled if one.n_samples else ''}"


def _machines(group: list[Measured]) -> str:
    return "; ".join(dict.fromkeys(m.hardware for m in group))


def _cell(group: list[Measured], name: str) -> str:
    values = [m.values[name] for m in group if name in m.values]
    return with_interval(values) if values else ""
