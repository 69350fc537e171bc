"""One process a run: a lock that the system lets go of when its holder ends, however it ends.

The file `lock` in a run's folder stays there; what counts is whether a process holds it. So a
process id that stands in it is that of a living process for as long as it is held, even where a
kill left it behind and the number has been given to somebody else since.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from train.run_dir import RunError

#: Names the descriptor of a lock that a parent process took for this one.
INHERITED = "LEBM_RUN_LOCK"
_GRACE = 1.0  # seconds; whoever only asks holds the lock for an instant


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that trains a run."""

    pid: int
    host: str
    since: float
    """When it took the run, in seconds since 1970."""

    @property
    def here(self) -> bool:
        """Whether it runs on this machine."""
        return self.host == socket.gethostname()


@contextmanager
def hold(run: Path) -> Iterator[BinaryIO]:
    """Keep every other process from training this run; its folder is made if it is not there.

    Yields:
        The locked file, to be passed on to a child process.

    Raises:
        RunError: if another process has it, or if the folder cannot be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        file = _inherited(run) or (run / "lock").open("a+b")
    except OSError as error:
        raise RunError(f"{run} cannot be written: {error.strerror}") from error
    with file:
        _take(file, run)
        write_owner(file, os.getpid())
        yield file


def owner(run: Path) -> Owner | None:
    """The process that trains this run now; None if there is none."""
    try:
        with (run / "lock").open("rb") as file:
            if _try_lock(file, fcntl.LOCK_SH):
                return None
            return msgspec.json.decode(file.read(), type=Owner)
    except (OSError, RunError, msgspec.DecodeError):  # never locked, or just being taken
        return None


def write_owner(file: BinaryIO, pid: int) -> None:
    """Say which process a lock is held for."""
    try:
        file.truncate(0)  # opened for appending, so this is also where the writing starts
        file.write(msgspec.json.encode(Owner(pid, socket.gethostname(), time.time())))
        file.flush()
    except OSError as error:
        raise RunError(f"a run's lock cannot be written: {error.strerror}") from error


def _inherited(run: Path) -> BinaryIO | None:
    """The lock that a parent took on this very run, if it did."""
    text = os.environ.pop(INHERITED, "")
    if not text.isdecimal():
        return None
    file = os.fdopen(int(text), "a+b")
    os.set_inheritable(file.fileno(), False)
    if os.path.samestat(os.fstat(file.fileno()), (run / "lock").stat()):
        return file
    file.close()
    return None


def _take(file: BinaryIO, run: Path) -> None:
    deadline = time.monotonic() + _GRACE
    while not _try_lock(file, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            now = owner(run)
            who = f"process {now.pid} on {now.host}" if now else "another process"
            raise RunError(f"{run} is being trained by {who}: stop that one first")
        time.sleep(0.02)


def _try_lock(file: BinaryIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise RunError(f"a run's lock cannot be taken on this disk: {error.strerror}") from error
    return True
