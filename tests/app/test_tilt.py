from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from app.jobs import Job
from app.studies import tilt
from app.studies.frame import Frame
from app.studies.tilt import TiltView
from lebm.checkpoint import ModelCard
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig

IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)
SAMPLER = LangevinConfig(n_steps=10, step_size=0.005)
Build = Callable[[ModelConfig], LatentEBM]


def _view(model: LatentEBM, dataset: str) -> TiltView:
    job: Job[TiltView] = Job()
    tilt.build(job, model, ModelCard("m", SAMPLER, SAMPLER, SAMPLER, {"data": dataset}))
    assert job.latest is not None
    assert job.progress == 1
    return job.latest


def test_the_plane_is_drawn_as_it_is() -> None:
    z = torch.randn(50, 2)
    frame = Frame.fit(z)
    np.testing.assert_array_equal(frame.transform(z), z.numpy())
    assert frame.explained == 1


def test_the_frame_keeps_the_largest_directions() -> None:
    z = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    z = z * torch.tensor([1.0, 3.0, 2.0])
    frame = Frame.fit(z)
    assert frame.explained == pytest.approx(13 / 14, abs=0.01)
    points = frame.transform(z)
    assert points.var(0) == pytest.approx([9, 4], rel=0.1)


def test_embedded_data_brings_the_aggregate_posterior(build: Build) -> None:
    view = _view(build(IMAGES), "digits")
    assert view.posterior is not None
    assert view.posterior.shape == (tilt.N_EXAMPLES, 4)
    assert view.particles(1.0).shape == (tilt.N_PARTICLES, 4)


def test_data_that_is_not_here_is_a_sentence_and_no_download(
    build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.delenv("LEBM_DATA", raising=False)
    monkeypatch.chdir(tmp_path)  # type: ignore[arg-type]
    model = build(ModelConfig(latent_dim=4, data_shape=(1, 28, 28), width=1, prior_hidden=8))
    view = _view(model, "mnist")
    assert view.posterior is None
    assert "mnist" in view.note


def test_the_exact_plane_agrees_with_annealing(build: Build) -> None:
    model = build(POINTS)
    for parameter in model.prior.parameters():
        parameter.data *= 4
    view = _view(model, "pinwheel")
    for value in (0.5, 1.5):
        i = tilt.TILTS.index(value)
        exact = tilt.exact(model, value)
        assert abs(view.path.log_z[i] - exact.log_z) < 4 * view.path.error[i] + 1e-4
        assert view.path.kl[i].item() == pytest.approx(exact.kl, abs=0.1)
        cell = (exact.axis[1] - exact.axis[0]) ** 2
        assert exact.density.sum() * cell == pytest.approx(1, abs=0.03)  # the frame cuts the tails


def test_the_exact_density_has_its_rows_upwards(build: Build) -> None:
    """A tilt along the second coordinate moves mass to later rows."""
    model = build(POINTS)
    for parameter in model.prior.parameters():
        parameter.zero_()
    model.prior.f[0].weight[0, 1] = 1.0
    model.prior.f[2].weight[0, 0] = 1.0
    model.prior.f[4].weight[0, 0] = 1.0
    density = tilt.exact(model, 1.0).density
    row, column = np.unravel_index(density.argmax(), density.shape)
    assert row > 65
    assert 55 < column < 65
