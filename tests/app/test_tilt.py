from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from app.jobs import Job
from app.studies import projection, tilt
from app.studies.frame import Frame, latent_plane
from app.studies.tilt import TiltView
from lebm import langevin, zoo
from lebm.checkpoint import ModelCard
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.noise import ChainNoise
from lebm.tilting import tilt_path

IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)
SAMPLER = LangevinConfig(n_steps=10, step_size=0.005)
POSTERIOR = LangevinConfig(n_steps=8, step_size=0.01)
UNUSED = LangevinConfig(n_steps=3, step_size=0.2)
Build = Callable[[ModelConfig], LatentEBM]


def _view(model: LatentEBM, dataset: str) -> TiltView:
    job: Job[TiltView] = Job()
    _build(job, model, dataset)
    assert job.latest is not None
    assert job.progress == 1
    return job.latest


def _build(job: Job[TiltView], model: LatentEBM, dataset: str) -> None:
    card = ModelCard("m", SAMPLER, UNUSED, POSTERIOR, {"data": dataset})
    tilt.build(job, model, card, latent_plane(model, SAMPLER).frame)


@pytest.fixture(scope="module")
def digits(build: Build) -> TiltView:
    return _view(build(IMAGES), "digits")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Particles, where their number says nothing."""
    monkeypatch.setattr(tilt, "N_PARTICLES", 64)


def test_the_plane_is_drawn_as_it_is() -> None:
    z = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
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


def test_embedded_data_brings_the_aggregate_posterior(digits: TiltView) -> None:
    view = digits
    assert view.posterior is not None
    assert view.posterior.shape == (tilt.N_EXAMPLES, 4)
    assert view.particles(1.0).shape == (tilt.N_PARTICLES, 4)


class _Watched(Job[TiltView]):
    """Keeps everything that is published."""

    def publish(self, result: TiltView, progress: float) -> None:
        self.__dict__.setdefault("all", []).append((result, progress))
        super().publish(result, progress)


def test_what_is_annealed_is_shown_on_the_way(build: Build, few: None) -> None:
    job = _Watched()
    _build(job, build(IMAGES), "nothing of the kind")
    views, progress = zip(*job.all, strict=True)
    n = len(tilt.TILTS)
    assert [len(view.path.tilts) for view in views] == [*range(1, n + 1), n, n]
    assert list(progress) == sorted(progress)
    for view in views:
        reached = view.reached(1.5)
        assert reached == pytest.approx(float(view.path.tilts[-1]))
        assert torch.equal(view.particles(reached), job.latest.particles(reached))
        assert len(view.energy) == len(view.path.tilts)
        assert view.reached(0.0) == 0
    assert [view.kept is None for view in views] == [True] * n + [False] * 2
    assert 0.5 < job.latest.kept <= 1


def test_data_that_is_not_here_is_a_sentence_and_no_download(
    build: Build, few: None, monkeypatch: pytest.MonkeyPatch, tmp_path: object
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
        exact = view.exact[i]
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
    density = tilt.exact(model)[tilt.TILTS.index(1.0)].density
    row, column = np.unravel_index(density.argmax(), density.shape)
    assert row > 65
    assert 55 < column < 65


def test_exact_numbers_agree_with_another_quadrature() -> None:
    """log Z and KL of the zoo's plane, by a Gauss rule in polar coordinates."""
    model, _ = zoo.load_model("pinwheel")

    def integrate(value: Callable[[np.ndarray], np.ndarray]) -> float:
        """E_p0[value(f)]: under N(0, I), exp(-r²/2) is uniform, and so is the angle."""
        u, weights = np.polynomial.legendre.leggauss(200)
        radius = np.sqrt(-2 * np.log((u + 1) / 2))
        angle = np.arange(400) * 2 * np.pi / 400
        z = radius[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
        with torch.no_grad():
            f = model.prior.neg_energy(torch.from_numpy(z).float().flatten(0, 1)).double()
        return float(weights / 2 @ value(f.view(200, 400).numpy()).mean(1))

    for value in (0.5, 1.0, 1.5):
        z = integrate(lambda f, t=value: np.exp(t * f))
        mean_f = integrate(lambda f, t=value: f * np.exp(t * f)) / z
        exact = tilt.exact(model)[tilt.TILTS.index(value)]
        assert exact.log_z == pytest.approx(np.log(z), abs=1e-4)
        assert exact.kl == pytest.approx(value * mean_f - np.log(z), abs=1e-3)


def test_sampled_log_z_covers_the_exact_one_at_its_stated_rate() -> None:
    """±2.36 standard errors are a 95 % interval (Student's t, 7 degrees of freedom).

    40 independent paths of the zoo's plane: fewer than 33 hits has probability below 1e-3.
    """
    model, _ = zoo.load_model("pinwheel")
    exact = tilt.exact(model)[tilt.TILTS.index(1.0)].log_z
    hits = 0
    for seed in range(40):
        path = tilt_path(
            model.prior,
            torch.tensor([0.0, 1.0]),
            n_particles=128,
            steps_between=30,
            generator=torch.Generator().manual_seed(seed),
        )
        hits += int(abs(path.log_z[-1] - exact) < 2.36 * path.error[-1])
    assert hits >= 33


def test_the_chains_are_those_of_the_chains_page(build: Build, digits: TiltView) -> None:
    view = digits
    noise = ChainNoise(0, range(64), 4)
    density = build(IMAGES).prior_density()
    chains = langevin.run(density, langevin.init(density, noise.at(0)), SAMPLER, noise=noise)
    torch.testing.assert_close(view.chains, chains.z[:, : tilt.N_CHAINS])
    assert view.energy.shape == (len(tilt.TILTS), tilt.N_PARTICLES)


def test_a_learned_sampler_brings_its_draws(build: Build, few: None) -> None:
    model = build(replace(POINTS, amortised=True))
    view = _view(model, "nothing of the kind")
    noise = ChainNoise(0, range(tilt.N_LEARNED), 2).at(0)
    assert torch.equal(view.learned, model.learned_start(noise))
    drawn = projection.linear(view)
    np.testing.assert_array_equal(drawn.learned, view.learned.numpy())
    assert projection.linear(_view(build(POINTS), "nothing of the kind")).learned is None
