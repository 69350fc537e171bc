"""Measurements as files that last: the command, the day and the machine beside the numbers.

A file of the same name that ends in .md holds what a person says of them: what was decided and
why, what they show and what they do not.
"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch

from lebm.checkpoint import atomic_write
from train import ranks
from train.cards import hardware

T = TypeVar("T")


class RecordError(Exception):
    """A file is no record, or not of this kind; the message says so."""


@dataclass(frozen=True, slots=True)
class Record:
    """One command's measurements."""

    kind: str
    """What was measured: "faults", or the name of the module that did, such as "evaluate"."""
    command: str
    """As it was typed; the folder of data sets stands as $LEBM_DATA."""
    date: str
    """YYYY-MM-DD, when it ended."""
    hardware: str
    results: Any
    """What that kind of measurement consists of, in plain containers."""
    note: str = ""
    """What a person says of it, in Markdown."""

    def as_type(self, kind: type[T]) -> T:
        """The results as the type that was saved.

        Raises:
            RecordError: if they are none.
        """
        try:
            return msgspec.convert(self.results, kind)
        except msgspec.ValidationError as error:
            raise RecordError(f"the record of {self.command!r} does not fit: {error}") from error

    def __str__(self) -> str:
        return f"`{self.command}`, {self.date}, {self.hardware}"


def save(path: Path, kind: str, results: Any, device: torch.device, n_processes: int = 1) -> None:
    """Write what the running command measured; see `of`.

    Args:
        path: a `.json` file; its folder must exist.
        kind: the name of the command's module in `train`.
        results: dataclasses, containers, numbers and texts.
        device: where it was measured.
        n_processes: how many shared the work, each on a device of this kind.

    Raises:
        OSError: if the file cannot be written.
    """
    write(path, of(kind, results, device, n_processes))


def of(
    kind: str, results: Any, device: torch.device, n_processes: int = 1, program: str = ""
) -> Record:
    """The record of what the running command measured.

    Args:
        kind: what was measured.
        results: dataclasses, containers, numbers and texts.
        device: where it was measured.
        n_processes: how many shared the work, each on a device of this kind.
        program: how the command begins; without it, "python -m train.KIND".
    """
    return Record(
        kind,
        _command(program or f"python -m train.{kind}"),
        date.today().isoformat(),
        hardware(device, n_processes),
        msgspec.to_builtins(results),
    )


def check_place(path: Path | None) -> None:
    """See that a record can be written where it was asked for, before hours of measuring.

    Of several processes the first one looks, which writes.

    Args:
        path: the file; None where none was asked for.

    Raises:
        ValueError: if its folder does not exist, or it is a folder itself.
    """
    if path is None or not ranks.first():
        return
    if path.is_dir():
        raise ValueError(f"--json {path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise ValueError(f"--json {path}: make the folder {path.parent} first")


def write(path: Path, record: Record) -> None:
    """Write a record, without its note.

    Raises:
        OSError: if the file cannot be written.
    """
    fields = {name: value for name, value in msgspec.to_builtins(record).items() if name != "note"}
    atomic_write(path, msgspec.json.format(msgspec.json.encode(fields)) + b"\n")


def load(path: Path) -> Record:
    """A record from its file, with the note beside it.

    Raises:
        RecordError: if it is none.
        OSError: if it cannot be read.
    """
    note = path.with_suffix(".md")
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
        return replace(record, note=note.read_text("utf-8").strip()) if note.exists() else record
    except msgspec.DecodeError as error:
        raise RecordError(f"{path} is no record of measurements: {error}") from error


def _command(program: str) -> str:
    data = os.environ.get("LEBM_DATA", "").rstrip("/")
    words = [
        f'"$LEBM_DATA{word[len(data) :]}"'
        if data and f"{word}/".startswith(f"{data}/")
        else shlex.quote(word)
        for word in sys.argv[1:]
    ]
    return " ".join([program, *words])
