"""Contests between two ways to compute the same: time or memory, and their ratio."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

HEADER = """| | unit | plain | here | ratio | aim | time over bare matrix products |
| --- | --- | --- | --- | --- | --- | --- |"""


@dataclass(frozen=True, slots=True)
class Contest:
    """What is measured for one row of the table.

    Attributes:
        name: of the row.
        count: chain-steps, posterior steps or iterations in one call.
        unit: what `count` counts.
        plain: the eager loop.
        ours: the library.
        limit: the least that either has to compute.
        aim: the ratio that is aimed at on a CPU.
    """

    name: str
    count: int
    unit: str
    plain: Callable[[], object]
    ours: Callable[[], object]
    limit: Callable[[], object] | None = None
    aim: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: what was measured, in `unit`, and the ratio in favour of `ours`."""

    name: str
    unit: str
    plain: float
    ours: float
    ratio: float
    aim: float | None = None
    over_limit: float | None = None
    """Time of `ours` as a multiple of the bare matrix products' time."""

    def __str__(self) -> str:
        numbers = [f"{self.plain:,.4g}", f"{self.ours:,.4g}", f"{self.ratio:.1f}"]
        rest = ["" if x is None else f"{x:.3g}" for x in (self.aim, self.over_limit)]
        return f"| {' | '.join([self.name, self.unit, *numbers, *rest])} |"


def timed(contest: Contest, device: torch.device, repetitions: int) -> Row:
    """The contest's rates, `count` over the median time of a call.

    Contenders take turns, so that a busy moment of the machine meets them all, and the ratio is
    the median of the turns' own ratios.
    """
    contenders = [f for f in (contest.plain, contest.ours, contest.limit) if f is not None]
    times: list[list[float]] = [[] for _ in contenders]
    for repetition in range(repetitions + 1):
        for contender, taken in zip(contenders, times, strict=True):
            start = time.perf_counter()
            contender()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if repetition:
                taken.append(time.perf_counter() - start)
    plain, ours, *limit = map(median, times)
    ratios = [a / b for a, b in zip(*times[:2], strict=True)]
    return Row(
        name=contest.name,
        unit=f"{contest.unit}/s",
        plain=contest.count / plain,
        ours=contest.count / ours,
        ratio=median(ratios),
        aim=contest.aim,
        over_limit=ours / limit[0] if limit else None,
    )


def weighed(contest: Contest, device: torch.device) -> Row:
    """The contest's peaks of memory."""
    plain, ours = (_peak(task, device) / 1e6 for task in (contest.plain, contest.ours))
    return Row(contest.name, contest.unit, plain, ours, plain / ours)


def _peak(task: Callable[[], object], device: torch.device) -> float:
    """Bytes that a task takes at its peak beyond those in use; NaN where no one tells (not Linux).

    The first call warms up. On a CPU this is the process's resident memory.
    """
    task()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        task()
        return torch.cuda.max_memory_allocated(device) - before
    if sys.platform != "linux":
        return float("nan")
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)  # what was freed goes back, so that it counts again
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is in use
    before = _status("VmRSS")
    task()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    """A size of this process in bytes, from Linux."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
