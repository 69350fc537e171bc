"""Models as the commands are given them: files, or runs."""

from __future__ import annotations

import pytest
import torch

from lebm.checkpoint import CheckpointError
from train import models
from train.run_dir import RunDir, RunError


@pytest.fixture
def run(start, make_config, points, tmp_path) -> RunDir:
    """A run with checkpoints."""
    start(make_config(), points, tmp_path / "run").fit()
    return RunDir(tmp_path / "run")


def test_a_run_is_its_last_checkpoint(run):
    (of_run, card), (of_file, _) = models.load(run.path), models.load(run.checkpoints()[-1])
    assert card.facts["iterations"] == 21
    for a, b in zip(of_run.parameters(), of_file.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_damaged_or_missing_file_is_named_with_its_folder(run):
    """Every run has a file of that name."""
    last, first = run.checkpoints()[-1], run.checkpoints()[0]
    last.write_bytes(last.read_bytes()[:-7])
    first.write_bytes(b"no model")
    for asked, named in ((run.path, last), (last, last), (first, first)):
        with pytest.raises(CheckpointError, match=f"^{named} "):
            models.load(asked)
    last.unlink()
    with pytest.raises(CheckpointError, match=f"^{last} cannot be read"):
        models.load(last)


def test_a_run_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(RunError, match="holds no checkpoint"):
        models.load(tmp_path)
