"""What a run has written so far: its curves, read as they grow, and how fast it goes."""

from __future__ import annotations

import csv
import math
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from train.run_dir import RunDir

Columns = dict[str, np.ndarray]
_RECENT = 50  # rows that the rate is taken over


class GrowingCsv:
    """A CSV of numbers that somebody else appends to; each `read` parses what is new.

    The first column counts upwards. A file that was cut back or replaced (a resumed run) is read
    anew. Safe to share between threads.

    Args:
        path: the file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._forget()

    def read(self) -> Columns:
        """Column -> its values so far, float64; what is no number is NaN."""
        with self._lock:
            try:
                self._read_on()
                if not self._is_ascending():  # replaced by a file with the same inode
                    self._forget()
                    self._read_on()
            except FileNotFoundError:
                self._forget()
            return dict(self._columns)

    def _read_on(self) -> None:
        with self._path.open("rb") as file:
            self._follow(file.fileno())
            file.seek(self._offset)
            self._add(file.read())

    def _is_ascending(self) -> bool:
        first = next(iter(self._columns.values()), np.empty(0))
        return not (np.diff(first) <= 0).any()

    def _forget(self) -> None:
        self._inode, self._offset = -1, 0
        self._columns: Columns = {}

    def _follow(self, descriptor: int) -> None:
        """Start anew if this is another file than last time, or a shorter one."""
        now = os.fstat(descriptor)
        if now.st_ino != self._inode or now.st_size < self._offset:
            self._forget()
            self._inode = now.st_ino

    def _add(self, data: bytes) -> None:
        whole = data[: data.rfind(b"\n") + 1]  # a row that is being written waits
        self._offset += len(whole)
        rows = list(csv.reader(whole.decode(errors="replace").splitlines()))
        if not self._columns and rows:
            self._columns = {name: np.empty(0) for name in rows.pop(0)}
        if not rows:
            return
        names = list(self._columns)
        table = np.array([[_number(text) for text in _fit(row, len(names))] for row in rows])
        self._columns = {
            name: np.concatenate([self._columns[name], table[:, i]]) for i, name in enumerate(names)
        }


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a run is and how fast it goes.

    Attributes:
        step: iterations done.
        n_steps: iterations in the whole run; 0 as long as that is unknown.
        rate: iterations a second lately; NaN as long as that is unknown.
    """

    step: int
    n_steps: int
    rate: float

    @property
    def seconds_left(self) -> float:
        """NaN as long as that is unknown."""
        return (self.n_steps - self.step) / self.rate if self.n_steps else float("nan")

    @property
    def share(self) -> float:
        """Of the run that is done, from 0 to 1."""
        return min(1.0, self.step / self.n_steps) if self.n_steps else 0.0


def pace(metrics: Columns, epochs: int, minutes: float | None = None) -> Pace:
    """Of a run with these metrics that ends after so many epochs, or minutes if they come first."""
    if not len(metrics.get("step", ())):
        return Pace(0, 0, float("nan"))
    step, epoch, seconds = (metrics[name] for name in ("step", "epoch", "seconds"))
    per_epoch = round(step[-1] / epoch[-1]) if epoch[-1] > 0 else 0
    first = max(-len(step), -_RECENT)
    took = seconds[-1] - seconds[first]
    rate = (step[-1] - step[first]) / took if took > 0 else float("nan")
    n_steps = per_epoch * epochs
    if minutes is not None and seconds[-1] > 0:
        n_steps = min(n_steps, math.ceil(step[-1] * 60 * minutes / seconds[-1]))
    return Pace(int(step[-1]), n_steps, rate)


def sample_steps(run: RunDir) -> list[int]:
    """The steps at which the run saved pictures, or sentences, of all three kinds."""
    files = (run.path / "samples").glob("*-*.*")
    names = [file.stem.rpartition("-") for file in files if file.suffix in (".png", ".txt")]
    kinds = ("gaussian", "prior", "reconstruction")
    steps = [
        {int(step) for kind, _, step in names if kind == k and step.isdecimal()} for k in kinds
    ]
    return sorted(set.intersection(*steps))


def _fit(row: list[str], length: int) -> list[str]:
    return (row + [""] * length)[:length]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
