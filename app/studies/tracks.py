"""Trajectories as the player shows them: curves, and what moves each chain as arrows."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from app.player.payload import ARROWS
from app.studies.frame import Frame
from lebm import langevin
from lebm.density import LIKELIHOOD, TILT, LogDensityFn, total
from lebm.langevin import Kernel, LangevinConfig
from lebm.noise import ChainNoise
from lebm.trajectory import State, Trajectory


def curves(trajectory: Trajectory, energy: Tensor) -> dict[str, np.ndarray]:
    """Every quantity of `app.player.payload.CURVES` that the trajectory holds, `(T, n)` each.

    What belongs to a step is NaN in the first record, which no step led to.

    Args:
        trajectory: the chains.
        energy: -f(z) at its records, `(T, n)`; its own is λ times that where they climb λ f.
    """
    t = trajectory
    potential = energy - total(term for name, term in t.terms.items() if name != TILT)
    values = {"energy": energy, "half_sq_norm": t.half_sq_norm}
    if LIKELIHOOD in t.terms:
        values["log_likelihood"] = t.log_likelihood
        values["neg_log_joint"] = potential
    else:
        values["neg_log_prior"] = potential
    values |= {f"force_{name}": norm for name, norm in t.force_norms.items()}
    values |= {f"cosine_{a}_{b}": cosine for (a, b), cosine in t.force_cosines.items()}
    of_step = {"drift": t.drift_norm, "diffusion": t.diffusion_norm}
    of_step["displacement"] = t.displacement
    unknown = torch.full_like(t.drift_norm[:1], torch.nan)
    values |= {name: torch.cat([unknown, norm[1:]]) for name, norm in of_step.items()}
    return {name: value.numpy() for name, value in values.items()}


def acceptance(trajectory: Trajectory, adjusted: np.ndarray) -> np.ndarray:
    """Share of each chain's proposals that passed the Metropolis test up to each record, `(T, n)`.

    Args:
        trajectory: the chains; a rejected step has displacement 0.
        adjusted: whether the step to each record had to pass the test, `(T,)`.

    Returns:
        The shares; NaN before the first test.
    """
    accepted = (trajectory.displacement.numpy() > 0) & adjusted[:, None]
    tested = adjusted.cumsum()[:, None]
    return np.where(tested > 0, accepted.cumsum(0) / np.maximum(tested, 1), np.nan)


def walk(
    log_density_fn: LogDensityFn,
    state: State,
    config: LangevinConfig,
    *,
    noise: ChainNoise,
    frame: Frame,
    kernel: Kernel | None = None,
) -> tuple[Trajectory, dict[str, np.ndarray]]:
    """`langevin.run`, and the parts of every record's next step as arrows.

    Args:
        log_density_fn: what the chain climbs.
        state: where it stands.
        config: its settings.
        noise: the chains' own noise.
        frame: where the arrows are drawn.
        kernel: as in `langevin.run`.

    Returns:
        The trajectory, and name -> vectors `(T, n, 2)`: s times each force, and √(2sT) ε of the
        step to come. Together they are the step that will be taken (or proposed).
    """
    states = [state]
    trajectory = langevin.run(
        log_density_fn, state, config, noise=noise, kernel=kernel, callback=states.append
    )
    running = torch.stack([each.failed_at < 0 for each in states])[..., None]
    parts = {
        ARROWS.get(name, name): config.step_size * torch.stack([s.forces[name] for s in states])
        for name in state.forces
    }
    kicks = torch.stack([noise.at(each.step + 1) for each in states])
    parts[ARROWS["noise"]] = math.sqrt(2 * config.step_size * config.temperature) * kicks
    return trajectory, {name: frame.project(part * running) for name, part in parts.items()}
