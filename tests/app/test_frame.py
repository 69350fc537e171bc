from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from app.studies.frame import (
    PLANE_EXTENT,
    SIDE,
    Frame,
    exact_density,
    latent_plane,
    smoothed_density,
)
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig

POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)
IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
SAMPLER = LangevinConfig(n_steps=6, step_size=0.05)
Build = Callable[[ModelConfig], LatentEBM]


def test_vectors_are_differences_of_points() -> None:
    frame = Frame.fit(torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) + 3)
    a, b = torch.randn(2, 6, generator=torch.Generator().manual_seed(1))
    np.testing.assert_allclose(
        frame.project(b - a), frame.transform(b) - frame.transform(a), atol=1e-5
    )


def test_a_latent_plane_is_drawn_as_it_is(build: Build) -> None:
    plane = latent_plane(build(POINTS), SAMPLER)
    z = torch.tensor([[1.5, -2.0]])
    np.testing.assert_array_equal(plane.frame.transform(z), z.numpy())
    assert plane.backdrop.density.shape == (SIDE, SIDE)


def test_other_latents_get_a_frame_that_holds_the_prior_and_never_moves(build: Build) -> None:
    model = build(IMAGES)
    plane, again = latent_plane(model, SAMPLER), latent_plane(model, SAMPLER)
    assert torch.equal(plane.frame.directions, again.frame.directions)
    z = plane.frame.transform(torch.randn(1000, 4, generator=torch.Generator().manual_seed(5)))
    assert np.mean(np.abs(z) < plane.backdrop.extent) > 0.99
    assert plane.backdrop.density.max() == 255
    assert f"{plane.frame.explained:.0%}" in plane.backdrop.caption


def test_a_latent_line_lies_along_the_first_axis(build: Build) -> None:
    plane = latent_plane(build(replace(IMAGES, latent_dim=1)), SAMPLER)
    z = torch.tensor([[1.5], [-2.0]])
    np.testing.assert_array_equal(plane.frame.transform(z), [[1.5, 0], [-2, 0]])
    assert plane.backdrop.caption.startswith("Latent line; shade")
    shaded = np.nonzero(plane.backdrop.density.max(1) > 25)[0]
    assert 1 < len(shaded) < 8  # rows of 180
    assert np.median(shaded) == 89.5


@pytest.mark.parametrize(("step_size", "shaded"), [(2.02, True), (3.0, False)])
def test_ends_of_chains_that_diverge_do_not_stretch_the_frame(
    build: Build, step_size: float, shaded: bool
) -> None:
    sampler = LangevinConfig(n_steps=150, step_size=step_size)
    plane = latent_plane(build(IMAGES), sampler)
    start = plane.frame.transform(torch.randn(99, 4, generator=torch.Generator().manual_seed(5)))
    assert np.abs(start).max() < plane.backdrop.extent <= 1.05 * sampler.max_radius + 0.5
    assert bool(plane.backdrop.density.any()) == shaded
    assert ("the prior chains diverge" in plane.backdrop.caption) != shaded


def test_points_beyond_the_grid_leave_no_shade() -> None:
    assert not smoothed_density(np.full((3, 2), 1e6), extent=4.0).any()


def test_the_exact_density_has_its_peak_where_the_prior_has(build: Build) -> None:
    model = build(POINTS)
    for parameter in model.prior.parameters():
        parameter.zero_()
    model.prior.f[0].weight[0, 0] = 1.0  # f rises with z_1, so the peak moves right
    model.prior.f[2].weight[0, 0] = 1.0
    model.prior.f[4].weight[0, 0] = 2.0
    picture = exact_density(model.prior.unnorm_log_prob)
    rows, columns = np.nonzero(picture == 255)  # one grey value covers a small disc
    assert abs(rows.mean() - 89.5) < 0.6
    assert abs(columns.mean() - (2 / PLANE_EXTENT + 1) * 90 + 0.5) < 1


def test_smoothed_points_are_the_density_they_came_from() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4000, 2)) * [0.5, 1.0] + [1.0, -1.5]
    picture = smoothed_density(points, extent=4.0) / 255
    axis = (np.arange(SIDE) + 0.5) / SIDE * 8 - 4
    truth = np.exp(-0.5 * ((axis[None] - 1) / 0.5) ** 2 - 0.5 * (axis[::-1, None] + 1.5) ** 2)
    # Scott's width at n = 4000 flattens the peak by 1/(1 + h²), 6 %; sampling adds a few percent.
    assert np.abs(picture - truth).max() < 0.15
    assert picture[truth < 1e-4].max() == pytest.approx(0, abs=0.03)
