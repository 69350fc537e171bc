"""Models as the commands are given them."""

from __future__ import annotations

from pathlib import Path

from lebm import checkpoint
from lebm.checkpoint import ModelCard
from lebm.model import LatentEBM
from train.run_dir import RunDir


def load(path: Path) -> tuple[LatentEBM, ModelCard]:
    """The model and card in a file, or in the last checkpoint of a run.

    Checkpoints of all runs have the same names, so that errors give the whole path.

    Args:
        path: a `.safetensors` file, or the folder of a run.

    Raises:
        CheckpointError: as `lebm.checkpoint.load`.
        RunError: if the folder holds no checkpoint.
    """
    file = RunDir(path).last_checkpoint() if path.is_dir() else path
    return checkpoint.load(file, name=str(file))
