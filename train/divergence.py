"""When a run has gone astray: what is not finite, and chains that left their ball."""

from __future__ import annotations

import math

from train.config import TrainConfig
from train.run_dir import RunDir


class DivergedRun(Exception):
    """The loss or a chain diverged; the message names the step and the last good checkpoint."""


def check(metrics: dict[str, float], config: TrainConfig, step: int, run: RunDir) -> None:
    """Stop a run that has diverged before anything of it is saved.

    Args:
        metrics: of the iteration; "z_minus_max" and "z_plus_max", where it has them, are the
            largest norms at the ends of its prior and posterior chains.
        config: the run's settings.
        step: iterations so far.
        run: where its checkpoints lie.

    Raises:
        DivergedRun: on a value that is not finite or a chain beyond its radius.
    """
    limits = {
        "z_minus_max": config.prior_sampler.max_radius,
        "z_plus_max": config.posterior_sampler.max_radius,
    }
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
