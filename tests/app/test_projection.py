"""Frames of the Tilted prior page, and what they say they lose."""

from __future__ import annotations

from threading import Thread

import numpy as np
import pytest
import torch

from app.jobs import Job
from app.studies import projection, tilt
from app.studies.frame import Frame
from app.studies.projection import Projection
from app.studies.tilt import N_CHAINS, TILTS, TiltView
from lebm.tilting import TiltPath

# umap-learn warns when it is imported without its optional neural network.
pytestmark = pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")


def _view(latent_dim: int, n: int = 60, posterior: bool = True) -> TiltView:
    """Two clusters in `latent_dim` dimensions whose distance grows with λ."""
    generator = torch.Generator().manual_seed(0)
    particles = 0.3 * torch.randn(len(TILTS), n, latent_dim, generator=generator)
    particles[:, : n // 2, 0] += 6 * torch.tensor(TILTS)[:, None]
    nothing = torch.zeros(len(TILTS))
    path = TiltPath(torch.tensor(TILTS), *[nothing] * 5, particles, nothing)
    return TiltView(
        path,
        Frame.fit(torch.cat([particles[0], particles[TILTS.index(1.0)]])),
        torch.randn(5, N_CHAINS, latent_dim, generator=generator),
        particles[..., 0],
        posterior=particles[3, :20] if posterior else None,
        kept=1.0,
    )


def test_the_plane_keeps_everything() -> None:
    view = _view(2)
    drawn = projection.linear(view)
    assert (drawn.kept, drawn.explained) == (1, 1)
    np.testing.assert_array_equal(drawn.particles, view.path.particles.numpy())
    assert projection.linear(view) is drawn


def test_directions_that_hide_more_keep_fewer_neighbours() -> None:
    def judged(latent_dim: int) -> tuple[float, float]:
        view = _view(latent_dim)
        ends = view.path.particles[[0, TILTS.index(1.0)]].flatten(0, 1)
        return tilt.trustworthiness(ends, view.frame.transform(ends)), view.frame.explained

    plane, three, many = (judged(d) for d in (2, 3, 30))
    assert plane == (1, 1)
    assert 1 > three[0] > many[0] > 0.4
    assert three[1] > many[1]


def test_trustworthiness_is_as_its_definition_says() -> None:
    """1 - 2 / (n k (2n - 3k - 1)) Σ (rank in the latent space - k) over intruders on screen."""
    rng = np.random.default_rng(0)
    latents, points, k = rng.normal(size=(60, 5)), rng.normal(size=(60, 2)), 15

    def ranks(x: np.ndarray) -> np.ndarray:
        distances = np.linalg.norm(x[:, None] - x, axis=-1)
        np.fill_diagonal(distances, -1)
        return distances.argsort(1).argsort(1)  # 0 is the point itself

    near = (ranks(points) >= 1) & (ranks(points) <= k)
    penalty = np.clip(ranks(latents) - k, 0, None)[near].sum()
    expected = 1 - 2 * penalty / (60 * k * (2 * 60 - 3 * k - 1))
    ours = tilt.trustworthiness(torch.from_numpy(latents), points)
    assert ours == pytest.approx(expected)


def test_contours_are_highest_where_the_points_are() -> None:
    axis, values = projection.linear(_view(2, n=400)).contours(1.0)
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert abs(axis[row]) < 0.5
    assert min(abs(axis[column]), abs(axis[column] - 6)) < 0.5
    assert values[row, np.abs(axis - 3).argmin()] < 0.1 * values.max()


def _umap(job: Job[Projection], view: TiltView) -> None:
    """In a thread of its own, as in the explorer.

    In the thread that first calls it, numba has PyTorch compute on all cores ever after.
    """
    before = torch.get_num_threads()
    worker = Thread(target=projection.umap, args=(job, view))
    worker.start()
    worker.join()
    assert torch.get_num_threads() == before


@pytest.fixture(scope="module")
def placed() -> Projection:
    job: Job[Projection] = Job()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.jobs.UNWATCHED_SECONDS", np.inf)  # numba's first compilation is slow
        _umap(job, _view(6))
    assert job.latest is not None
    assert job.progress == 1
    return job.latest


def test_umap_places_every_group_in_one_frame(placed: Projection) -> None:
    assert placed.particles.shape == (len(TILTS), 20, 2)
    assert placed.chains.shape == (5, N_CHAINS, 2)
    assert placed.posterior.shape == (20, 2)
    assert list(placed.rows[:3]) == [0, 3, 6]
    assert placed.explained is None
    assert 0.5 < placed.kept <= 1
    left, right = placed.particles[10, :10], placed.particles[10, 10:]
    gap = np.linalg.norm(left.mean(0) - right.mean(0))
    assert gap > 2 * max(left.std(0).max(), right.std(0).max())


def test_the_same_view_gives_the_same_umap_with_and_without_a_posterior(
    placed: Projection,
) -> None:
    """The frame is fitted to p_0 and p_α alone: what is added later is transformed."""
    job: Job[Projection] = Job()
    _umap(job, _view(6, posterior=False))
    np.testing.assert_allclose(job.latest.particles, placed.particles, atol=1e-4)
    assert job.latest.posterior is None


def test_a_cancelled_fit_publishes_nothing() -> None:
    job: Job[Projection] = Job()
    job.cancelled.set()
    _umap(job, _view(6))
    assert job.latest is None
