"""Real processes that are asked to stop, or killed, and resumed."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from train.run_dir import RunDir

ROOT = Path(__file__).parents[2]
OPTIONS = {
    "batch-size": 1000,
    "log-every": 1,
    "save-every": 20,
    "threads": 1,
    "accelerator": "cpu",
    "model.latent-dim": 3,
    "model.width": 4,
    "model.prior-hidden": 4,
    "prior-sampler.n-steps": 3,
    "posterior-sampler.n-steps": 3,
    "reconstruction.n-steps": 3,
}
TINY = [f"--{name}={value}" for name, value in OPTIONS.items()]
STEPS_PER_EPOCH = 10
PATIENCE = 400  # seconds


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "train", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen) -> tuple[int, str]:
    text, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, text


def steps(run: Path) -> list[int]:
    """Steps in metrics.csv, without a row that is being written."""
    if not (run / "metrics.csv").exists():
        return []
    rows = csv.DictReader((run / "metrics.csv").read_text().splitlines())
    return [int(row["step"]) for row in rows if row.get("mse")]


def wait_for(process: subprocess.Popen, run: Path, step: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (steps(run) and steps(run)[-1] >= step):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def interrupt(folder: Path, number: signal.Signals, *options: str) -> tuple[int, str]:
    """Start an endless run in `folder`/pieces and send it a signal at iteration 25 or so."""
    process = start(folder, "ring", *options, "--epochs", "100000", "--out", "pieces")
    wait_for(process, folder / "pieces", 25)
    process.send_signal(number)
    return finish(process)


@pytest.fixture
def ends_as_if_uninterrupted(command, tmp_path, same_run):
    """Resumes `pieces` up to the next whole epoch, beside a run that goes there in one go."""

    def check(*options: str) -> bool:
        epochs = str(steps(tmp_path / "pieces")[-1] // STEPS_PER_EPOCH + 1)
        assert command("resume", "pieces", "--epochs", epochs)[0] == 0
        assert command("ring", *options, "--epochs", epochs, "--out", "whole")[0] == 0
        return same_run(tmp_path / "pieces", tmp_path / "whole")

    return check


def test_a_run_that_is_asked_to_stop_saves_and_says_how_to_go_on(
    tmp_path, ends_as_if_uninterrupted
):
    status, text = interrupt(tmp_path, signal.SIGTERM, *TINY)
    reached = RunDir(tmp_path / "pieces").load_state()["step"]
    assert status == 0
    assert f"stopped at iteration {reached}; go on with `python -m train resume pieces`" in text
    assert steps(tmp_path / "pieces")[-1] == reached
    assert ends_as_if_uninterrupted(*TINY)


def test_a_run_that_is_killed_goes_on_from_its_last_save(tmp_path, ends_as_if_uninterrupted):
    options = [*TINY, "--posterior-chains", "persistent"]
    status, _ = interrupt(tmp_path, signal.SIGKILL, *options)
    assert status == -signal.SIGKILL
    assert RunDir(tmp_path / "pieces").load_state()["step"] % 20 == 0
    assert ends_as_if_uninterrupted(*options)


def test_help_from_a_shell(tmp_path):
    status, text = finish(start(tmp_path, "--help"))
    assert status == 0
    assert "usage: python -m train" in text
    assert list(tmp_path.iterdir()) == []
