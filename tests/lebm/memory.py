"""How much memory something takes, whatever the process took before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Growth:
    """Bytes by which the process grew at the most, known at the end of `growth`."""

    most: int = 0


@contextmanager
def growth() -> Iterator[Growth]:
    """A context that measures; where Linux does not tell, the test is skipped.

    The peak that `resource` tells is of the process's whole life: what an earlier test took would
    hide what is taken now. Here it starts anew.
    """
    try:
        _RESET.write_text("5")
    except OSError:
        pytest.skip("this system does not let a process measure its memory anew")
    before, found = _peak(), Growth()
    yield found
    found.most = _peak() - before


def _peak() -> int:
    """The largest resident memory since the last reset, in bytes."""
    (line,) = [row for row in _STATUS.read_text().splitlines() if row.startswith("VmHWM:")]
    return 1024 * int(line.split()[1])
