"""A run's folder: everything a run leaves, and everything it needs to go on.

    config.json           the settings
    metrics.csv           a row every `log_every` iterations, written as it goes
    evaluation.csv        a row at every checkpoint: test MSE, in the plane log p(x), of sentences
                          -log p(x|z), and AUPRC where a class is held out
    samples/              pictures or sentences at every checkpoint, from fixed seeds
    checkpoints/          step-000500.safetensors, ...: models that library and app open
    scores/               step-000500.safetensors, ...: of the test examples, where a class is
                          held out (`train.scores`)
    state.pt              weights, optimisers, RNG, position: what resuming needs
    end.json              how its last process ended; absent while one runs and after a kill
    lock                  held by the process that trains (`train.run_lock`)

Files are replaced atomically, so a kill at any moment leaves the old one or the new one.
"""

from __future__ import annotations

import csv
import io
import pickle
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch

from lebm.checkpoint import PARTIAL, atomic_write
from lebm.versions import unread_settings
from train.config import TrainConfig

_CHECKPOINT = re.compile(r"step-(\d{1,12})\.safetensors")
_FOLDERS = ("samples", "checkpoints", "scores")

#: What reading a damaged or hostile file raises, beside errors of the system and of torch.
_UNREADABLE = (ValueError, TypeError, EOFError, pickle.UnpicklingError)


class RunError(Exception):
    """A run directory cannot be used; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class End:
    """How the last process of a run ended."""

    how: Literal["finished", "stopped", "diverged", "failed"]
    step: int
    """Iterations done."""
    sentence: str = ""
    """What went wrong and what to do, for "diverged" and "failed"."""


@dataclass(frozen=True, slots=True)
class RunDir:
    """Paths and files of one run; `choose` a new one, then `create` it."""

    path: Path

    @classmethod
    def choose(cls, out: Path | None, preset: str) -> RunDir:
        """Where a new run goes: `out`, or the first free runs/PRESET, PRESET-2, ...

        Raises:
            RunError: if `out` already holds a run.
        """
        path = out or first_free(Path("runs") / preset)
        if (path / "config.json").exists():
            raise RunError(
                f"{path} already holds a run: continue it with `python -m train resume {path}`, "
                "or choose another --out"
            )
        return cls(path)

    def create(self, config: TrainConfig) -> None:
        """Make the folder and write the settings, or replace the settings of a run.

        What a kill within a save has left is cleared away: hold the run's lock.

        Raises:
            RunError: if the folder cannot be made or written.
        """
        try:
            for folder in (self.path, *(self.path / name for name in _FOLDERS)):
                folder.mkdir(parents=True, exist_ok=True)
                for left in folder.glob(f".*{PARTIAL}"):
                    left.unlink()
            atomic_write(self.path / "config.json", _encode(config))
        except OSError as error:
            raise RunError(f"{self.path} cannot be written: {error.strerror}") from error

    def config(self) -> TrainConfig:
        """The settings the run was started with.

        Raises:
            RunError: if there is no run here or its settings are damaged.
        """
        try:
            return _decode((self.path / "config.json").read_bytes())
        except NotADirectoryError as error:
            kind = "model file" if self.path.suffix == ".safetensors" else "file"
            raise RunError(
                f"{self.path} is a {kind} and no run: give the folder that holds its config.json"
            ) from error
        except OSError as error:
            raise RunError(f"{self.path} holds no run: {error.strerror} (config.json)") from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise RunError(f"{self.path / 'config.json'} is damaged: {error}") from error

    def held_out_config(self) -> TrainConfig:
        """The settings, of a run that held a class out.

        Raises:
            RunError: as `config`; and if it held none out.
        """
        config = self.config()
        if config.held_out is None:
            raise RunError(f"{self.path} held no class out: train it with --held-out CLASS")
        return config

    def check_version(self) -> None:
        """Whether a run may be gone on with by this version, as far as its settings tell.

        Raises:
            RunError: as `config`; and if a setting it was started with means nothing here.
        """
        unread = unread_settings((self.path / "config.json").read_bytes(), self.config())
        if unread:
            raise RunError(
                f"{self.path} was started with {', '.join(unread)}, which this version does not "
                "know: resume it with the version that began it, or start a new run"
            )

    def save_end(self, end: End) -> None:
        """Say how this process ended.

        Raises:
            OSError: if it cannot be written.
        """
        atomic_write(self.path / "end.json", msgspec.json.encode(end))

    def forget_end(self) -> None:
        """A process begins; should it be killed, nothing else is said."""
        (self.path / "end.json").unlink(missing_ok=True)

    def end(self) -> End | None:
        """How the last process ended; None while it runs and after a kill."""
        try:
            return msgspec.json.decode((self.path / "end.json").read_bytes(), type=End)
        except (OSError, msgspec.DecodeError):
            return None

    def checkpoints(self) -> list[Path]:
        """Model files, oldest first; whatever else lies there is passed over."""
        return _by_step(self.path / "checkpoints")

    def last_checkpoint(self) -> Path:
        """The newest model file.

        Raises:
            RunError: if there is none.
        """
        if not (saved := self.checkpoints()):
            raise RunError(f"{self.path} holds no checkpoint: train it first")
        return saved[-1]

    def scores(self) -> list[Path]:
        """Score files (`train.scores`), oldest first."""
        return _by_step(self.path / "scores")

    def copy_history(self, to: RunDir, until: int) -> None:
        """Copy logs, pictures and checkpoints up to a step into another run's folder.

        Raises:
            RunError: if something cannot be read or written.
        """
        logs = [self.path / "metrics.csv", self.path / "evaluation.csv"]  # cut back when opened
        samples = (self.path / "samples").glob("*-*.*")
        files = [*self.checkpoints(), *self.scores(), *samples]
        numbered = [f for f in files if step_of(f) <= until]
        try:
            for folder in _FOLDERS:
                (to.path / folder).mkdir(parents=True, exist_ok=True)
            for file in [*filter(Path.exists, logs), *numbered]:
                shutil.copy(file, to.path / file.relative_to(self.path))
        except OSError as error:
            raise RunError(f"{self.path} cannot be copied: {error.strerror}") from error

    def checkpoint_path(self, step: int) -> Path:
        """Where the model of this step belongs."""
        return self.path / "checkpoints" / f"step-{step:06d}.safetensors"

    def forget_scores(self, after: int) -> None:
        """Remove the scores of steps that a resumed run has yet to take.

        Raises:
            OSError: if they cannot be removed.
        """
        for file in self.scores():
            if step_of(file) > after:
                file.unlink()

    def scores_path(self, step: int) -> Path:
        """Where the scores of this step belong."""
        return self.path / "scores" / f"step-{step:06d}.safetensors"

    def save_state(self, state: dict[str, Any]) -> None:
        """Replace the state to resume from.

        Raises:
            OSError: if it cannot be written; the old state is then untouched.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        atomic_write(self.path / "state.pt", buffer.getvalue())

    def load_state(self) -> dict[str, Any] | None:
        """The state to resume from, or None where the run had not saved yet.

        Raises:
            RunError: if the file is damaged; it is read as data and never unpickled freely.
        """
        path = self.path / "state.pt"
        if not path.exists():
            return None
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
        except (OSError, RuntimeError, LookupError, AttributeError, *_UNREADABLE) as error:
            raise RunError(f"{path} is damaged and cannot be resumed from") from error
        if not isinstance(state, dict):
            raise RunError(f"{path} does not hold the state of a run")
        return state


class CsvLog:
    """A CSV that is written as a run goes, one row a call, and cut back on resume."""

    def __init__(self, path: Path, keep_until: int) -> None:
        """Open for appending, without the rows after step `keep_until`."""
        rows = []
        if path.exists():
            with path.open(newline="") as file:
                rows = [row for row in csv.DictReader(file) if _step(row) <= keep_until]
        self._columns = list(rows[0]) if rows else []
        if rows:
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, self._columns)
            writer.writeheader()
            writer.writerows(rows)
            atomic_write(path, text.getvalue().encode())
        else:
            path.unlink(missing_ok=True)
        self._file = path.open("a", newline="")

    def add(self, row: dict[str, float]) -> None:
        """Append one row; the first row's names are the columns."""
        writer = csv.DictWriter(self._file, self._columns or list(row))
        if not self._columns:
            self._columns = list(row)
            writer.writeheader()
        writer.writerow(row)
        self._file.flush()

    def __enter__(self) -> CsvLog:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def _encode(config: TrainConfig) -> bytes:
    return msgspec.json.format(msgspec.json.encode(config, enc_hook=str)) + b"\n"


def _decode(text: bytes) -> TrainConfig:
    return msgspec.json.decode(text, type=TrainConfig, dec_hook=lambda kind, value: kind(value))


def _step(row: dict[str, str | None]) -> float:
    """The row's step; infinite for a row that a kill cut short."""
    text = row.get("step") or ""
    whole = None not in row.values() and text.isdecimal()
    return int(text) if whole else float("inf")


def _by_step(folder: Path) -> list[Path]:
    """Files of a folder that are named after a step, by step; others are passed over."""
    files = folder.glob("step-*.safetensors")
    steps = {f: int(m[1]) for f in files if (m := _CHECKPOINT.fullmatch(f.name))}
    return sorted((f for f in steps if f.is_file()), key=steps.__getitem__)


def step_of(file: Path) -> float:
    """The step in a file's name; infinite where there is none."""
    text = file.stem.rpartition("-")[2]
    return int(text) if text.isdecimal() else float("inf")


def first_free(path: Path) -> Path:
    """The path itself, or the first of path-2, path-3, ... at which nothing lies."""
    return next(candidate for candidate in _numbered(path) if not candidate.exists())


def make_first_free(path: Path) -> Path:
    """Make a folder at `first_free`; of several processes that ask at once each has its own.

    Raises:
        RunError: if none can be made.
    """
    candidates = _numbered(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            candidate = next(candidates)
            with suppress(FileExistsError):
                candidate.mkdir()
                return candidate
    except OSError as error:
        raise RunError(f"{path} cannot be made: {error.strerror}") from error


def _numbered(path: Path) -> Iterator[Path]:
    """path, path-2, path-3, ..."""
    yield path
    yield from (path.with_name(f"{path.name}-{number}") for number in count(2))
