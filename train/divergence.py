"""When a run has gone astray: numbers that are not finite, and chains that left their ball."""

from __future__ import annotations

import math

from train.run_dir import RunDir


class DivergedRun(Exception):
    """The loss or a chain diverged; the message names the step and the last good checkpoint."""


def check(metrics: dict[str, float], limits: dict[str, float], step: int, run: RunDir) -> None:
    """Stop a run that has diverged before anything of it is saved.

    Args:
        metrics: of the iteration.
        limits: metric -> the largest value that is no divergence.
        step: iterations so far.
        run: where its checkpoints lie.

    Raises:
        DivergedRun: on a value that is not finite or a metric beyond its limit.
    """
    wrong = [f"{name} is not finite" for name, value in metrics.items() if not math.isfinite(value)]
    wrong += [f"{n} is beyond {r:g}" for n, r in limits.items() if metrics.get(n, 0) > r]
    if not wrong:
        return
    good = run.checkpoints()
    where = f"the last good checkpoint is {good[-1]}" if good else "no checkpoint was saved"
    raise DivergedRun(
        f"diverged at step {step}: {wrong[0]}; {where}. Try a lower learning rate or step size, or "
        "another seed"
    )
