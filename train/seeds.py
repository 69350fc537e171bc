"""Runs that differ in their seed alone are one row of a table, with an interval over seeds.

What was measured on earlier days, or on another machine, joins through its record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np
import torch
from scipy import stats

from train import records
from train.config import TrainConfig
from train.run_dir import RunError


class OfRun(Protocol):
    """What was measured on one run."""

    @property
    def run(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def group(self) -> Hashable: ...


T = TypeVar("T", bound=OfRun)


def derived(*parts: int) -> int:
    """A seed that is a function of these alone: a run's, and what it is for or which batch."""
    return int(np.random.default_rng(parts).integers(2**63))


def without_seed(config: TrainConfig) -> TrainConfig:
    """What runs share that differ in their seed and where they ran alone."""
    return replace(
        config,
        seed=0,
        split_seed=None,
        data_root=None,
        out=None,
        save_every=1,
        log_every=1,
        accelerator="auto",
        threads=0,
    )


def settings_of(config: TrainConfig) -> str:
    """A digest of `without_seed`; a setting that stands at its default plays no part."""
    text = msgspec.json.encode(_changed(without_seed(config)), enc_hook=str, order="sorted")
    return hashlib.sha256(text).hexdigest()[:16]


def _changed(value: Any) -> Any:
    """A dataclass as what differs from its defaults, so that a new setting changes no digest."""
    if not is_dataclass(value):
        return value
    found = {}
    for field in fields(value):
        factory = field.default_factory
        default = field.default if factory is MISSING else factory()
        if (own := getattr(value, field.name)) != default:
            found[field.name] = _changed(own)
    return found


def recorded(paths: Iterable[Path], kind: type[T]) -> tuple[list[Path], list[T]]:
    """Directories of runs among the paths, and what records (`.json`) among them hold of others.

    Raises:
        RecordError: if a record is none, or of another kind.
        OSError: if it cannot be read.
    """
    runs, known = [], []
    for path in paths:
        if path.suffix == ".json":
            groups = records.load(path).as_type(list[list[kind]])  # type: ignore[valid-type]
            known += [one for group in groups for one in group]
        else:
            runs.append(path)
    return runs, known


def refuse_twins(found: Iterable[tuple[str, Hashable, int]]) -> None:
    """See that no seed of a group stands there twice.

    Args:
        found: run, group and seed of each.

    Raises:
        RunError: if one does: runs of one seed say nothing about the spread between seeds.
    """
    seen = set()
    for run, group, seed in found:
        if (group, seed) in seen:
            raise RunError(
                f"{run} has the settings and the seed of another run given: runs of one seed say "
                "nothing about the spread between seeds"
            )
        seen.add((group, seed))


def together(found: Iterable[T]) -> list[list[T]]:
    """Those that differ in their seed alone stand together, in the order of their first.

    Raises:
        RunError: if a seed stands there twice.
    """
    found = list(found)
    refuse_twins((one.run, one.group, one.seed) for one in found)
    groups: dict[Hashable, list[T]] = {}
    for one in found:
        groups.setdefault(one.group, []).append(one)
    return list(groups.values())


def with_interval(values: list[float]) -> str:
    """Mean, and ± the half width of Student's 95 % interval where there are several values."""
    tensor = torch.tensor(values, dtype=torch.float64)
    if len(values) == 1:
        return f"{values[0]:.4g}"
    half = float(stats.t.ppf(0.975, len(values) - 1)) * float(tensor.std()) / len(values) ** 0.5
    return f"{float(tensor.mean()):.4g} ± {half:.2g}"
