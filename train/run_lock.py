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
_WIDTH = 400  # bytes of an owner's JSON, padded with spaces
_GRACE = 1.0  # seconds; whoever only asks holds the lock for an instant


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that trains a run."""

    pid: int
    host: str
    since: int
    """When it took the run, in seconds since 1970."""

    @property
    def here(self) -> bool:
        """Whether it runs on this machine."""
        return self.host == socket.gethostname()


@contextmanager
def hold(run: Path) -> Iterator[None]:
    """Train this run and keep every other process from it; its folder is made if need be.

    Raises:
        RunError: if another process has it, or if the folder cannot be written.
    """
    with locked(run) as file:
        write_owner(file, os.getpid())
        yield


@contextmanager
def locked(run: Path) -> Iterator[BinaryIO]:
    """The lock of this run, for a child process to hold on to: see `INHERITED`.

    Raises:
        RunError: as `hold`.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        file = _inherited(run) or _open(os.open(run / "lock", os.O_RDWR | os.O_CREAT, 0o644))
    except OSError as error:
        raise RunError(f"{run} cannot be written: {error.strerror}") from error
    with file:
        _take(file, run)
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
    """Say which process a lock is held for.

    Parent and child may both say so at once: always as many bytes, at the same place.
    """
    text = msgspec.json.encode(Owner(pid, socket.gethostname(), round(time.time())))
    try:
        os.pwrite(file.fileno(), text.ljust(_WIDTH), 0)
    except OSError as error:
        raise RunError(f"a run's lock cannot be written: {error.strerror}") from error


def _inherited(run: Path) -> BinaryIO | None:
    """The lock that a parent took on this very run, if it did."""
    text = os.environ.pop(INHERITED, "")
    if not text.isdecimal():
        return None
    file = _open(int(text))
    os.set_inheritable(file.fileno(), False)
    if os.path.samestat(os.fstat(file.fileno()), (run / "lock").stat()):
        return file
    file.close()
    return None


def _open(descriptor: int) -> BinaryIO:
    return os.fdopen(descriptor, "r+b", buffering=0)


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
