"""What two runs left, held against each other."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from train.run_dir import RunDir


def read_csv(path: Path) -> list[list[str]]:
    """Rows of a log without its column `seconds`, which no two runs share."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    timed = rows[0].index("seconds")
    return [row[:timed] + row[timed + 1 :] for row in rows]


def same_run(a: Path, b: Path) -> bool:
    """Whether two runs left the same logs, step, weights and random state, and the same chains
    where both keep any."""
    logs = ("metrics.csv", "evaluation.csv")
    if any(read_csv(a / log) != read_csv(b / log) for log in logs):
        return False
    ours, others = (RunDir(path).load_state() for path in (a, b))
    assert ours is not None
    assert others is not None
    tensors = [name for name in ours.keys() & others if isinstance(ours[name], Tensor)]
    return (
        ours["step"] == others["step"]
        and all(map(torch.equal, ours["model"].values(), others["model"].values()))
        and all(torch.equal(ours[name], others[name]) for name in tensors)
    )
