"""Long work in threads: started once, watched and cancelled by whoever knows its id."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE = 1.0  # seconds that a page waits for its own work before it draws a bar
UNWATCHED_SECONDS = 30.0  # a reload or a slow network is shorter


@dataclass(eq=False)
class Job(Generic[T]):
    """Work under way or done.

    Attributes:
        latest: the newest result that was published; on cancel it stays.
        progress: from 0 to 1.
        error: a sentence, if the work failed.
        abandoned: whether it was ended because nobody watched.
        begun: set with the first result, or at the end: what a page may wait for a moment.
    """

    latest: T | None = None
    progress: float = 0.0
    error: str = ""
    abandoned: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)
    _watched: float = field(default_factory=time.monotonic)

    def watch(self) -> None:
        """Say that somebody looks at this job; pages do so at every poll."""
        self._watched = time.monotonic()

    def should_stop(self) -> bool:
        """Whether the work is to end: it was cancelled, or nobody has watched it for a while."""
        if time.monotonic() - self._watched > UNWATCHED_SECONDS:
            self.abandoned = True
        return self.abandoned or self.cancelled.is_set()

    def report(self, progress: float) -> None:
        """Say how far the work has come."""
        self.progress = progress

    def publish(self, result: T, progress: float) -> None:
        """Show what there is so far."""
        self.latest, self.progress = result, progress
        self.begun.set()

    @property
    def running(self) -> bool:
        """Whether the work still goes on."""
        return not self.finished.is_set()


class Jobs:
    """The jobs of this process; a job is found again by its id.

    Those that have ended are forgotten, the oldest first. One that runs is somebody's, and ends
    by itself when nobody watches it any more.

    Args:
        keep: how many to remember.
    """

    def __init__(self, keep: int = 6) -> None:
        self._keep = keep
        self._jobs: dict[str, Job] = {}
        self._own: set[Job] = set()
        self._lock = threading.Lock()
        atexit.register(self.close)

    def start(self, job_id: str, work: Callable[[Job], None]) -> Job:
        """The job of this id, started if it is not known yet.

        Args:
            job_id: names the work and all its settings.
            work: calls `job.publish` as it goes, asks `job.should_stop` often and then returns.
        """
        with self._lock:
            known = self._jobs.get(job_id)
            if known is not None and not known.abandoned:
                known.watch()
                return known
            self._jobs.pop(job_id, None)
            job: Job = Job()
            self._jobs[job_id] = job
            ended = [name for name, other in self._jobs.items() if not other.running]
            for name in ended[: max(len(self._jobs) - self._keep, 0)]:
                del self._jobs[name]
        threading.Thread(target=_run, args=(job, work), daemon=True).start()
        return job

    def begin(self, work: Callable[[Job], None]) -> Job:
        """A job of the caller's own, which nobody else finds; remembered here while it runs.

        Args:
            work: as for `start`.
        """
        job: Job = Job()
        with self._lock:
            self._own.add(job)

        def run() -> None:
            _run(job, work)
            with self._lock:
                self._own.discard(job)

        threading.Thread(target=run, daemon=True).start()
        return job

    def close(self, seconds: float = 10.0) -> None:
        """Cancel all work and wait for it, since torch aborts a process that ends within it."""
        with self._lock:
            jobs = [*self._jobs.values(), *self._own]
        for job in jobs:
            job.cancelled.set()
        for job in jobs:
            job.finished.wait(seconds)


def _run(job: Job, work: Callable[[Job], None]) -> None:
    try:
        work(job)
    except Exception as error:  # whatever it is, the page that waits has to say something
        job.error = str(error).splitlines()[0] if str(error) else type(error).__name__
    finally:
        job.finished.set()
        job.begun.set()
