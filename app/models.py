"""The models a person can choose: the zoo's, those of training runs, and opened files."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lebm import checkpoint, reference, zoo
from lebm.checkpoint import CheckpointError
from train.run_dir import RunDir

MAX_OPENED = 3  # files of one session at a time


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model file.

    Attributes:
        id: stands on screen and in the page's address, such as "mnist", "runs/digits" (its newest
            checkpoint), "runs/digits@000500" or "upload/mine.safetensors".
        note: what to say beside it.
        path: the file.
        version: changes when the file does; part of every cache key.
    """

    id: str
    note: str
    path: Path
    version: int


def runs_folder() -> Path:
    """Where training runs are looked for: LEBM_RUNS, else ./runs."""
    return Path(os.environ.get("LEBM_RUNS", "runs"))


def list_models(runs: Path, chosen: str = "") -> dict[str, ModelEntry]:
    """Id -> entry: the zoo, MNIST first, then the newest checkpoint of every run.

    Ids are looked up here and never made into paths, so none reaches outside.

    Args:
        runs: the folder of runs.
        chosen: an id; if it is a run's, or one of its checkpoints', all of them are listed.
    """
    entries = [
        ModelEntry(name, "from the zoo", path, path.stat().st_mtime_ns)
        for name, path in sorted(zoo.paths().items(), key=lambda item: item[0] != "mnist")
    ]
    for folder in sorted(p.parent for p in runs.glob("*/config.json")):
        run_id, checkpoints = f"runs/{folder.name}", RunDir(folder).checkpoints()
        if checkpoints:
            entries.append(_entry(run_id, f"newest checkpoint of {folder}", checkpoints[-1]))
        if chosen.partition("@")[0] == run_id:
            entries += [
                _entry(f"{run_id}@{path.stem.removeprefix('step-')}", f"of {folder}", path)
                for path in reversed(checkpoints)
            ]
    return {entry.id: entry for entry in entries}


def _entry(model_id: str, note: str, path: Path) -> ModelEntry:
    step = int(path.stem.removeprefix("step-"))
    return ModelEntry(model_id, f"{note}, iteration {step:,}", path, path.stat().st_mtime_ns)


class Opened:
    """Files that one session has opened, kept in a folder that goes when the session does.

    Attributes:
        entries: id -> model, the newest last.
        findings: id -> sentences on what was found in it.
    """

    def __init__(self) -> None:
        self.entries: dict[str, ModelEntry] = {}
        self.findings: dict[str, tuple[str, ...]] = {}

    @cached_property
    def _folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="lebm-opened-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def add(self, name: str, data: bytes) -> str:
        """Check a file and keep it, and of the older ones the newest `MAX_OPENED` - 1.

        Args:
            name: as its owner calls it; only shown, never a path.
            data: a `.safetensors` file of this library, or a checkpoint of the authors' scripts.

        Returns:
            The model's id.

        Raises:
            CheckpointError: if it is neither, or damaged.
        """
        shown = "".join(c for c in name if c.isprintable())[-60:] or "unnamed"
        if shown.lower().endswith(".safetensors"):
            model, card = checkpoint.loads(data, name=shown)
            findings: tuple[str, ...] = ()
        else:
            imported = reference.loads(data, name=shown)
            model, card, findings = imported.model, imported.card, imported.findings
        version = int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
        path = self._folder / f"{version:x}.safetensors"
        try:
            checkpoint.save(path, model, card)
        except OSError as error:
            raise CheckpointError(f"{shown} cannot be kept: {error.strerror}") from error
        model_id = f"upload/{shown}"
        self._forget(model_id)
        while len(self.entries) >= MAX_OPENED:
            self._forget(next(iter(self.entries)))
        self.entries[model_id] = ModelEntry(model_id, "opened here, by you alone", path, version)
        self.findings[model_id] = findings
        return model_id

    def _forget(self, model_id: str) -> None:
        entry = self.entries.pop(model_id, None)
        self.findings.pop(model_id, None)
        if entry is not None and all(other.path != entry.path for other in self.entries.values()):
            entry.path.unlink(missing_ok=True)
