"""The models a person can choose: the zoo's and those of training runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lebm import zoo
from train.run_dir import RunDir


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model file.

    Attributes:
        id: stands on screen and in the page's address, such as "mnist" or "runs/digits".
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


def list_models(runs: Path) -> dict[str, ModelEntry]:
    """Id -> entry: the zoo, MNIST first, then the newest checkpoint of every run.

    Ids are looked up here and never made into paths, so none reaches outside.
    """
    entries = [
        ModelEntry(name, "from the zoo", path, path.stat().st_mtime_ns)
        for name, path in sorted(zoo.paths().items(), key=lambda item: item[0] != "mnist")
    ]
    folders = sorted(p.parent for p in runs.glob("*/config.json"))
    for folder in folders:
        checkpoints = RunDir(folder).checkpoints()
        if checkpoints:
            newest = checkpoints[-1]
            step = int(newest.stem.removeprefix("step-"))
            note = f"newest checkpoint of {folder}, iteration {step:,}"
            entry_id = f"runs/{folder.name}"
            entries.append(ModelEntry(entry_id, note, newest, newest.stat().st_mtime_ns))
    return {entry.id: entry for entry in entries}
