"""Posterior chains of one example from many starts, and how far apart they end."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from app.models import ModelEntry
from app.studies.chain_run import ChainRun, ChainSettings, decode
from app.studies.frame import LatentPlane, exact_density
from lebm import langevin
from lebm.checkpoint import ModelCard
from lebm.density import total
from lebm.model import LatentEBM
from lebm.noise import ChainNoise


def run_id(entry: ModelEntry, settings: ChainSettings, x: Tensor) -> str:
    """Names the chains: a digest of model, version of its file, settings and example."""
    text = f"posterior {entry.id} {entry.version} {settings!r}".encode()
    return hashlib.sha256(text + x.numpy().tobytes()).hexdigest()[:16]


def start(
    chain_id: str, model: LatentEBM, plane: LatentPlane, settings: ChainSettings, x: Tensor
) -> ChainRun:
    """Posterior chains of one example at their starts, one each: restarts to be.

    Points of a latent plane are drawn over the exact posterior density.

    Args:
        chain_id: from `run_id`.
        model: the model.
        plane: where the model's latents are drawn.
        settings: the chains.
        x: the example, `(1, *data_shape)`.
    """
    if x.ndim == 2:
        backdrop = replace(
            plane.backdrop,
            density=exact_density(model.posterior_density(x)),
            caption="Latent plane; shade: the exact posterior density",
        )
        plane = replace(plane, backdrop=backdrop)
    return ChainRun.start(chain_id, model, plane, settings, x)


def joint_terms(run: ChainRun) -> dict[str, np.ndarray]:
    """The terms of -log p(x, z) up to constants, `(T, n)` each; chains descend their sum."""
    t = run.trajectory
    return {
        "‖x − g(z)‖² / 2σ²": (-t.log_likelihood - run.model.log_norm).numpy(),
        "energy −f(z)": t.energy.numpy(),
        "½‖z‖²": t.half_sq_norm.numpy(),
    }


@dataclass(frozen=True, slots=True)
class Restarts:
    """Where n restarts stand after the same number of steps; rows are chains.

    Attributes:
        step: that number.
        neg_log_joint: -log p(x, z) up to log Z, `(n,)`.
        mse: mean squared error of the reconstruction, `(n,)`; images on the 0-to-1 scale.
        examples: reconstructions, uint8 `(n, h, w, c)`, or points `(n, 2)`.
        latent_distance: ‖z_i - z_j‖, `(n, n)`.
        example_distance: root mean square of g(z_i) - g(z_j), `(n, n)`, on the scale of `mse`.
        latent_share: mean distance of two restarts as a share of that of two prior samples.
        example_share: the same of what they decode to.
    """

    step: int
    neg_log_joint: np.ndarray
    mse: np.ndarray
    examples: np.ndarray
    latent_distance: np.ndarray
    example_distance: np.ndarray
    latent_share: float
    example_share: float

    @property
    def order(self) -> np.ndarray:
        """The chains, likeliest first."""
        return np.argsort(self.neg_log_joint)


def restarts(run: ChainRun, step: int, x: Tensor, card: ModelCard) -> Restarts:
    """The restarts after `step` steps against the example and against samples of the prior.

    Args:
        run: from `start`, at least `step` steps long.
        step: the record to look at.
        x: the example, `(1, *data_shape)`.
        card: its prior chain makes the samples to compare with.
    """
    model, z = run.model, run.trajectory.z[step]
    decoded = _flat(model, z)
    prior = prior_samples(model, run.settings, card)
    latents, pictures = distances(z), distances(decoded)
    return Restarts(
        step=step,
        neg_log_joint=-total(values[step] for values in run.trajectory.terms.values()).numpy(),
        mse=(decoded - _scaled(x)).square().mean(1).numpy(),
        examples=decode(model, z[None])[0],
        latent_distance=latents.numpy(),
        example_distance=pictures.numpy() / np.sqrt(decoded.shape[1]),
        latent_share=mean_pair(latents) / mean_pair(distances(prior)),
        example_share=mean_pair(pictures) / mean_pair(distances(_flat(model, prior))),
    )


def prior_samples(model: LatentEBM, settings: ChainSettings, card: ModelCard) -> Tensor:
    """Ends of prior chains, as many as the settings have chains but 16 at least, to compare with.

    Args:
        model: the model.
        settings: their seed.
        card: names the prior chain.

    Returns:
        `(n, latent_dim)`.
    """
    noise = ChainNoise(settings.seed, range(max(16, settings.n_chains)), model.config.latent_dim)
    density = model.prior_density()
    start = langevin.init(density, noise.at(0))
    return langevin.run(density, start, card.prior_sampler, noise=noise, thin=10**6).state.z


def _flat(model: LatentEBM, z: Tensor) -> Tensor:
    return _scaled(model.generate(z))


def _scaled(x: Tensor) -> Tensor:
    """Examples as rows `(n, values)`; images from [-1, 1] on the 0-to-1 scale."""
    return (x + 1).flatten(1) / 2 if x.ndim == 4 else x


def distances(rows: Tensor) -> Tensor:
    """Between rows `(n, d)`: `(n, n)`."""
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")


def mean_pair(distances: Tensor) -> float:
    """Mean over pairs of different rows; NaN for a single one."""
    n = len(distances)
    return float(distances.sum() / (n * (n - 1))) if n > 1 else float("nan")
