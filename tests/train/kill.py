"""SIGKILL training at random moments, every other time within a save, and resume: is all there?

    python tests/train/kill.py --kills 30

Trains digits in processes of its own with the command line's `main`. After every kill whatever
lies in the run's folder must be whole; a run that is at last allowed to end must have the metrics
and the state of one that was never killed. Prints a row a kill and a verdict.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
import tyro
from PIL import Image
from torch import Tensor

import lebm
from lebm.checkpoint import PARTIAL
from train import data
from train.__main__ import main as train
from train.run_dir import RunDir

SETTINGS = {
    "batch-size": 100,
    "epochs": 4,
    "log-every": 1,
    "save-every": 4,
    "threads": 1,
    "accelerator": "cpu",
    "model.width": 8,
    "prior-chains": "persistent",
    "posterior-chains": "persistent",
    "prior-sampler.n-steps": 5,
    "posterior-sampler.n-steps": 3,
    "reconstruction.n-steps": 3,
}


@dataclass(frozen=True)
class Options:
    """Kill training again and again and see whether anything is lost."""

    kills: int = 30
    """How many; every other one waits until a file is being written."""
    seed: int = 0
    """Of the moments."""


def main() -> int:
    """Returns 0 if nothing was lost."""
    options = tyro.cli(Options, prog="python tests/train/kill.py")
    torch.set_num_threads(1)  # a fork has one thread, whatever its parent had
    data.load("digits", (1, 8, 8))  # what this imports, no process need import again
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        return _kill_all(options, random.Random(options.seed))


def _kill_all(options: Options, rng: random.Random) -> int:
    started = time.monotonic()
    assert _wait(_start("whole")) == 0
    whole = time.monotonic() - started
    n_kills = n_within = n_runs = 0
    while n_kills < options.kills:
        n_runs += 1
        run = f"run-{n_runs}"
        while True:
            process = _start(run)
            if n_kills < options.kills:
                _strike(process, Path(run), rng, within=n_kills % 2 == 1, seconds=whole / 3)
            if (status := _wait(process)) != -signal.SIGKILL:
                break
            n_kills += 1
            left = list(Path(run).rglob(f".*{PARTIAL}"))
            n_within += bool(left)
            step = _check(Path(run))
            print(f"kill {n_kills:3}  {run}  saved step {step:3}  {left[0].name if left else ''}")
        assert status == 0, f"{run} ended with status {status}"
        assert same_run(Path("whole"), Path(run)), f"{run} is another run"
        assert not list(Path(run).rglob(f".*{PARTIAL}"))
    print(
        f"{n_kills} kills, {n_within} of them within a save, of {n_runs} runs: no file damaged, "
        "and each run ended with the metrics and the state of one that was never killed"
    )
    return 0


def _start(run: str) -> int:
    """Train, or go on, in a new process; returns its id."""
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    begun = (Path(run) / "config.json").exists()
    arguments = ["resume", run] if begun else ["digits", *settings, f"--out={run}"]
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        with open(os.devnull, "w") as sys.stdout:  # noqa: PTH123
            sys.argv = ["train", *arguments]
            os._exit(train())
    return process


def _wait(process: int) -> int:
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def _strike(process: int, run: Path, rng: random.Random, *, within: bool, seconds: float) -> None:
    """Kill a process after a random time, or while it writes one of its next files."""
    deadline = time.monotonic() + rng.uniform(0, seconds)
    if not within:
        time.sleep(deadline - time.monotonic())
    else:
        folders = [run, run / "samples", run / "checkpoints"]
        old = set(run.rglob(f".*{PARTIAL}"))
        while os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            new = {file for folder in folders for file in folder.glob(f".*{PARTIAL}")} - old
            if new and time.monotonic() > deadline:
                break
    os.kill(process, signal.SIGKILL)


def _check(path: Path) -> int:
    """Read everything in a run's folder; returns the step of its state.

    Raises:
        RunError, CheckpointError, OSError: if something is damaged.
    """
    run = RunDir(path)
    if not (path / "config.json").exists():
        return 0
    run.config()
    for checkpoint in run.checkpoints():
        lebm.load(checkpoint)
    for picture in (path / "samples").glob("*.png"):
        Image.open(picture).load()
    state = run.load_state()
    if state is None:
        return 0
    assert run.checkpoint_path(state["step"]).exists()
    return state["step"]


def read_csv(path: Path) -> list[list[str]]:
    """Rows of a log without its column `seconds`, which no two runs share."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    timed = rows[0].index("seconds")
    return [row[:timed] + row[timed + 1 :] for row in rows]


def same_run(a: Path, b: Path) -> bool:
    """Whether two runs left the same logs, weights, chains and random state."""
    logs = ("metrics.csv", "evaluation.csv")
    states = [RunDir(path).load_state() or {} for path in (a, b)]
    ours, others = ([*s["model"].values(), *_tensors(s), torch.tensor(s["step"])] for s in states)
    return all(read_csv(a / log) == read_csv(b / log) for log in logs) and all(
        torch.equal(x, y) for x, y in zip(ours, others, strict=True)
    )


def _tensors(state: dict) -> list[Tensor]:
    return [value for value in state.values() if isinstance(value, Tensor)]


if __name__ == "__main__":
    sys.exit(main())
