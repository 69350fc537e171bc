"""Steps of chains in pieces, so that they can be watched, and stopped where a person wants it."""

from __future__ import annotations

import time

from app.jobs import Job
from app.studies.chain_run import ChainRun

PIECE = 10  # steps between two looks at whether to go on
_ANSWER_SECONDS = 0.3  # after which a player gets what there is

Runs = tuple[ChainRun, ...]


def take(job: Job[Runs], runs: Runs, to: int) -> Runs:
    """Take chains to a step, all together; returns them as far as they came.

    Args:
        job: where to publish; when it is to stop, what there is stays.
        runs: at least one chain; all have taken the same number of steps.
        to: the step; none goes beyond its `limit`.
    """
    taken = runs[0].n_taken
    job.publish(runs, taken / max(to, 1))
    for step in range(taken + PIECE, to + PIECE, PIECE):
        if job.should_stop():
            break
        runs = tuple(run.advance(min(step, to)) for run in runs)
        job.publish(runs, min(step, to) / to)
    return runs


def answer(runs: Runs, to: int) -> Runs:
    """Take chains towards a step, for a moment: the player shows them and asks for the rest.

    Args:
        runs: at least one chain; one that lags behind catches up.
        to: the step; none goes beyond its `limit`.
    """
    deadline = time.monotonic() + _ANSWER_SECONDS
    to = min(to, *(run.limit for run in runs))
    while (taken := min(run.n_taken for run in runs)) < to and time.monotonic() < deadline:
        runs = tuple(run.advance(min(taken + PIECE, to)) for run in runs)
    return runs
