"""Training runs of the explorer: found, started, stopped and resumed, each a process of its own.

A run is the command a person could type, in a session of its own: it survives a reload of the
page and a restart of the explorer. All that is known of it stands in its folder, so runs that
were started by hand are found and watched alike.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from train import run_lock
from train.run_dir import End, RunDir, RunError
from train.run_lock import Owner

EXAMPLE = "the example"  # the id of the run that comes along
MAX_AT_ONCE = 4  # runs that train here before another is refused
_ROOT = Path(__file__).resolve().parents[1]
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

Status = Literal[
    "starting", "training", "stopping", "finished", "stopped", "diverged", "failed", "interrupted"
]
GOES_ON = ("starting", "training", "stopping")

#: Owners that were asked to stop: asking twice would kill a run before it has saved.
_asked: set[tuple[Path, Owner]] = set()


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its folder shows it.

    Attributes:
        id: stands on screen and in the page's address, such as "digits".
        path: its folder.
        status: what its process does, or how it ended.
        sentence: what went wrong, for "diverged" and "failed".
    """

    id: str
    path: Path
    status: Status
    sentence: str = ""

    @property
    def goes_on(self) -> bool:
        """Whether a process is at work on it."""
        return self.status in GOES_ON

    @property
    def can_resume(self) -> bool:
        """Whether `python -m train resume` would go on with it."""
        known = self.status in ("stopped", "interrupted") or (
            self.status == "failed" and (self.path / "config.json").exists()
        )
        return known and self.id != EXAMPLE


def list_runs(runs: Path) -> dict[str, Run]:
    """Id -> run, the newest first, and last the one that comes along.

    Ids are looked up here and never made into paths, so none reaches outside.
    """
    folders = {f.parent for name in ("config.json", "log.txt") for f in runs.glob(f"*/{name}")}
    newest = sorted(folders, key=lambda folder: (-folder.stat().st_mtime, folder.name))
    return {folder.name: look(folder.name, folder) for folder in newest} | {
        EXAMPLE: Run(EXAMPLE, Path(__file__).with_name("example_run"), "finished")
    }


def look(run_id: str, folder: Path) -> Run:
    """The run in a folder as it stands now."""
    started = (folder / "config.json").exists()
    owner, end = run_lock.owner(folder), RunDir(folder).end()
    if owner is not None:
        begun = end is None and (folder / "metrics.csv").exists()
        trains: Status = "training" if begun else "starting"
        return Run(run_id, folder, "stopping" if (folder, owner) in _asked else trains)
    if end is None and not started:
        end = End("failed", 0, _last_error(folder) or "It ended before it began; see its log.")
    return Run(run_id, folder, end.how if end else "interrupted", end.sentence if end else "")


def free_name(runs: Path, preset: str) -> str:
    """The first of PRESET, PRESET-2, ... where no run lies."""
    name, number = preset, 1
    while (runs / name / "config.json").exists() or run_lock.owner(runs / name):
        number += 1
        name = f"{preset}-{number}"
    return name


def check_name(name: str) -> str:
    """The name, if it can be that of a folder of runs/ and of nothing else.

    Raises:
        RunError: if it cannot.
    """
    if not _SLUG.fullmatch(name):
        raise RunError(
            f"A run's name is made of letters, digits, - and _, at most 64 of them, not {name!r}."
        )
    return name


def start(runs: Path, name: str, arguments: Sequence[str]) -> None:
    """Start `python -m train ARGUMENTS --out RUNS/NAME`.

    Raises:
        RunError: if the name will not do, or is taken, or too many runs train already.
    """
    folder = runs / check_name(name)
    if (folder / "config.json").exists():
        raise RunError(f"{folder} already holds a run: choose another name.")
    _spawn(folder, with_out(arguments, folder))


def resume(run: Run) -> None:
    """Start `python -m train resume RUN`.

    Raises:
        RunError: if a process is at work on it already, or too many runs train.
    """
    _spawn(run.path, ["resume", str(run.path)])


def rewind(run: Run, arguments: Sequence[str]) -> str:
    """Start `python -m train rewind RUN ARGUMENTS`; returns the new run's id.

    Raises:
        RunError: if too many runs train already.
    """
    name = free_name(run.path.parent, run.id)
    out = run.path.parent / name
    _spawn(out, with_out(["rewind", str(run.path), *arguments], out))
    return name


def stop(run: Run) -> None:
    """Ask the run's process to save and stop; asking again does nothing.

    Raises:
        RunError: if it runs on another machine, or is another user's.
    """
    owner = run_lock.owner(run.path)
    if owner is None or (run.path, owner) in _asked:
        return
    if not owner.here:
        raise RunError(f"{run.path} is trained on {owner.host}: stop it there.")
    try:
        os.kill(owner.pid, signal.SIGTERM)
    except ProcessLookupError:
        return  # it has ended by itself
    except PermissionError as error:
        raise RunError(f"{run.path} is trained by another user: only they can stop it.") from error
    _asked.add((run.path, owner))


def with_out(arguments: Sequence[str], folder: Path) -> list[str]:
    """The words after `python -m train` for a new run in this folder."""
    return [*arguments, "--out", str(folder)]


def shown(arguments: Sequence[str]) -> str:
    """The command line, to copy."""
    return shlex.join(["python", "-m", "train", *arguments])


def log_tail(folder: Path, lines: int = 20, most: int = 8192) -> str:
    """The end of what the run's processes printed."""
    try:
        with (folder / "log.txt").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _spawn(folder: Path, arguments: Sequence[str]) -> None:
    """Start the command line on a folder, whose lock it holds from its first moment on."""
    busy = [run for run in list_runs(folder.parent).values() if run.goes_on]
    if len(busy) >= MAX_AT_ONCE:
        raise RunError(f"{len(busy)} runs train already: stop one before you start another.")
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
    with run_lock.locked(folder) as lock, (folder / "log.txt").open("a") as log:
        log.write(f"$ {shown(arguments)}\n")
        log.flush()
        process = subprocess.Popen(
            [sys.executable, "-m", "train", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock.fileno()],
            env=os.environ | {"PYTHONPATH": path, run_lock.INHERITED: str(lock.fileno())},
        )
        run_lock.write_owner(lock, process.pid)
    threading.Thread(target=process.wait, daemon=True).start()  # leaves no zombie behind


def _last_error(folder: Path) -> str:
    errors = [line for line in log_tail(folder).splitlines() if line.startswith("error: ")]
    return errors[-1].removeprefix("error: ") if errors else ""
