"""SIGKILL training at random moments, every other time within a save, and resume: is all there?

    python tests/train/kill.py --kills 30

Trains digits in processes of its own with the command line's `main`. After every kill whatever
lies in the run's folder must be whole; a run that is at last allowed to end must have the metrics
and the state of one that was never killed. Tells each kill, then prints what came of them.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
import tyro
from PIL import Image
from run_files import same_run

import lebm
from lebm.checkpoint import PARTIAL, CheckpointError
from train import data, records, report
from train.__main__ import main as train
from train.run_dir import RunDir, RunError

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
    json: Path | None = None
    """A file for what came of it, which `python -m train.report` takes up."""


@dataclass
class Tally:
    """What came of the kills."""

    kills: int = 0
    within_a_save: int = 0
    runs: int = 0
    damaged: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    def counts(self, seed: int) -> dict[str, int]:
        """By the names of the columns of a table."""
        return {
            "kills": self.kills,
            "within a save": self.within_a_save,
            "runs": self.runs,
            "damaged files": len(self.damaged),
            "runs that ended otherwise than one never killed": len(self.different),
            "seed": seed,
        }


def main() -> int:
    """Returns 0 if nothing was lost."""
    options = tyro.cli(Options, prog="python tests/train/kill.py")
    torch.set_num_threads(1)  # a fork has one thread, whatever its parent had
    data.load("digits", (1, 8, 8))  # what this imports, no process need import again
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        tally = _kill_all(options.kills, random.Random(options.seed))
        os.chdir(here)
    counts, cpu = tally.counts(options.seed), torch.device("cpu")
    record = records.of("faults", counts, cpu, program="python tests/train/kill.py")
    print(report.render(record))
    if options.json is not None:
        records.write(options.json, record)
    return 1 if tally.damaged or tally.different else 0


def _kill_all(n_kills: int, rng: random.Random) -> Tally:
    started, tally = time.monotonic(), Tally()
    if _wait(_start("whole")) != 0:
        raise SystemExit("a run that nobody kills fails already")
    seconds = (time.monotonic() - started) / 3
    while tally.kills < n_kills:
        tally.runs += 1
        run = Path(f"run-{tally.runs}")
        status = _kill_until_it_ends(run, n_kills, tally, rng, seconds)
        if status != 0 or not same_run(Path("whole"), run):
            tally.different.append(f"{run} ended with status {status}, another run than `whole`")
            _tell(tally.different[-1])
        if list(run.rglob(f".*{PARTIAL}")):
            tally.damaged.append(f"{run} holds pieces of files")
            _tell(tally.damaged[-1])
    return tally


def _kill_until_it_ends(
    run: Path, n_kills: int, tally: Tally, rng: random.Random, seconds: float
) -> int:
    """Start, kill and resume a run until it comes to its end; returns its exit status."""
    while True:
        process = _start(str(run))
        if tally.kills < n_kills:
            _strike(process, run, rng, within=tally.kills % 2 == 1, seconds=seconds)
        if (status := _wait(process)) != -signal.SIGKILL:
            return status
        tally.kills += 1
        left = [path.name for path in run.rglob(f".*{PARTIAL}")]
        tally.within_a_save += bool(left)
        try:
            _tell(f"kill {tally.kills:3}  {run}  saved step {_check(run):3}  {' '.join(left)}")
        except (RunError, CheckpointError, OSError, SyntaxError) as error:  # the last is Pillow's
            tally.damaged.append(str(error))
            _tell(f"kill {tally.kills:3}  {run}  {error}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


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
        time.sleep(max(deadline - time.monotonic(), 0))
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
        RunError, CheckpointError, OSError, SyntaxError: if something is damaged.
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
    if not run.checkpoint_path(state["step"]).exists():
        raise RunError(f"{path} says that it saved step {state['step']}, but there is no model")
    return state["step"]


if __name__ == "__main__":
    sys.exit(main())
