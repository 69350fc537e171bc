from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from app.player.payload import CURVES
from app.studies.frame import Frame
from app.studies.tracks import curves, walk
from lebm import langevin
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.noise import ChainNoise

POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)
CONFIG = LangevinConfig(n_steps=8, step_size=0.1, temperature=0.7)
PLANE = Frame.fit(torch.zeros(1, 2))
Build = Callable[[ModelConfig], LatentEBM]


def test_the_arrows_of_a_record_add_up_to_its_next_step(build: Build, rng: torch.Generator) -> None:
    model = build(POINTS)
    noise = ChainNoise(1, range(3), 2)
    density = model.posterior_density(torch.randn(3, 2, generator=rng))
    start = langevin.init(density, noise.at(0))
    trajectory, arrows = walk(density, start, CONFIG, noise=noise, frame=PLANE)
    assert list(arrows) == ["−z", "∇f", "∇log p(x|z)", "noise"]
    total = sum(arrows.values())
    assert total.shape == (9, 3, 2)
    np.testing.assert_allclose(total[:-1], np.diff(trajectory.z.numpy(), axis=0), atol=1e-5)
    np.testing.assert_allclose(arrows["−z"], -0.1 * trajectory.z.numpy(), atol=1e-6)


def test_a_chain_that_was_stopped_has_no_arrows(build: Build) -> None:
    model = build(POINTS)
    noise = ChainNoise(1, range(3), 2)
    density = model.prior_density()
    start = langevin.init(density, noise.at(0) + torch.tensor([[500.0, 0], [0, 0], [0, 0]]))
    trajectory, arrows = walk(density, start, CONFIG, noise=noise, frame=PLANE)
    assert [failure.chain for failure in trajectory.failures] == [0]
    assert all(not vectors[1:, 0].any() and vectors[1:, 1].any() for vectors in arrows.values())


def test_curves_of_prior_and_posterior_chains(build: Build, rng: torch.Generator) -> None:
    model = build(POINTS)
    noise = ChainNoise(1, range(3), 2)
    seen = {}
    for name, density in {
        "prior": model.prior_density(),
        "posterior": model.posterior_density(torch.randn(3, 2, generator=rng)),
    }.items():
        start = langevin.init(density, noise.at(0))
        trajectory, _ = walk(density, start, CONFIG, noise=noise, frame=PLANE)
        seen[name] = curves(trajectory, trajectory.energy)
        key = "neg_log_prior" if name == "prior" else "neg_log_joint"
        likelihood = trajectory.log_likelihood if name == "posterior" else torch.zeros(9, 3)
        base = trajectory.half_sq_norm + np.log(2 * np.pi)  # −log N(z; 0, I) in the plane
        whole = trajectory.energy + base - likelihood
        np.testing.assert_allclose(seen[name][key], whole.numpy(), atol=1e-3)
        for key in ("drift", "diffusion", "displacement"):
            assert np.isnan(seen[name][key][0]).all()
            assert (seen[name][key][1:] > 0).all()
    assert set(seen["prior"]) | set(seen["posterior"]) == set(CURVES) - {"acceptance"}
