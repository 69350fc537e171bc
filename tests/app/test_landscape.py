from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from app.studies import landscape
from app.studies.chain_run import ChainSettings
from app.studies.examples import Examples
from app.studies.landscape import KINDS, Place
from lebm import langevin
from lebm.checkpoint import ModelCard
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.noise import ChainNoise

IMAGES = ModelConfig(latent_dim=5, data_shape=(1, 8, 8), width=2, prior_hidden=8)
POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)
PRIOR, POSTERIOR = LangevinConfig(12, 0.05), LangevinConfig(30, 0.01)
CARD = ModelCard("m", PRIOR, LangevinConfig(7, 0.2), POSTERIOR)
Build = Callable[[ModelConfig], LatentEBM]


def _examples() -> Examples:
    return Examples(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), "digits", "black pictures")


def _unwanted() -> Examples:
    raise AssertionError("no example is needed")


def test_a_prior_chain_ends_where_the_chains_page_has_it(build: Build) -> None:
    model = build(IMAGES)
    settings = ChainSettings(20, PRIOR.n_steps, PRIOR.step_size, 1.0, seed=3)
    noise = ChainNoise(3, range(20), 5)
    density = model.prior_density()
    start = langevin.init(density, noise.at(0))
    chains = langevin.run(density, start, settings.sampler(12), noise=noise)
    z = landscape.locate(Place("prior chain", 17, 3), model, CARD, _unwanted)
    assert torch.allclose(z, chains.z[-1, 17], atol=1e-5)
    z = landscape.locate(Place("p₀ noise", 17, 3), model, CARD, _unwanted)
    assert torch.equal(z, chains.z[0, 17])
    samples = landscape.prior_samples(model, CARD, 3)
    assert samples.shape == (landscape.N_SAMPLES, 5)
    torch.testing.assert_close(samples[:20], chains.z[-1])


def test_places_by_name(build: Build) -> None:
    model = build(IMAGES)
    assert not landscape.locate(Place("origin", 4, 0), model, CARD, _unwanted).any()
    first = landscape.locate(Place("posterior of example", 2, 0), model, CARD, _examples)
    beyond = landscape.locate(Place("posterior of example", 99, 0), model, CARD, _examples)
    assert torch.equal(first, beyond)
    x = _examples().example(2).x
    noise, density = ChainNoise(0, [0], 5), model.posterior_density(x)
    chain = langevin.run(density, langevin.init(density, noise.at(0)), POSTERIOR, noise=noise)
    torch.testing.assert_close(first, chain.z[-1, 0])
    assert model.unnorm_log_joint(x, first[None]) > model.unnorm_log_joint(x, noise.at(0))
    assert len(KINDS) == 4


def test_a_line_shows_the_density_between_its_points(make_gaussian: Callable) -> None:
    gaussian = make_gaussian()
    model = gaussian.model.float()
    a, b = torch.tensor([1.0, 0.5]), gaussian.mean.float()
    found = landscape.line(model, a, b)
    at_a, at_b = np.argmin(np.abs(found.at)), np.argmin(np.abs(found.at - 1))
    assert torch.allclose(found.z[[at_a, at_b]], torch.stack([a, b]), atol=1e-6)
    assert found.neg_log_prob.argmin() == at_b  # the mean of a Gaussian is its mode
    z = found.z.double()
    exact = 0.5 * ((z - gaussian.mean) @ gaussian.precision * (z - gaussian.mean)).sum(1)
    rises = found.neg_log_prob - found.neg_log_prob[at_b]
    assert rises == pytest.approx(exact.numpy(), abs=1e-4)
    assert found.barrier.forward == pytest.approx(0, abs=1e-5)


def test_pictures_of_a_line_are_those_of_their_places(build: Build) -> None:
    model = build(IMAGES)
    found = landscape.line(model, torch.zeros(5), torch.ones(5))
    assert found.decoded.shape == (landscape.N_DECODED, 8, 8, 1)
    assert {0.0, 1.0} <= set(np.round(found.decoded_at, 6).tolist())
    one = np.argmin(np.abs(found.decoded_at - 1))
    image = model.generate(torch.ones(1, 5))[0, 0]
    np.testing.assert_allclose(found.decoded[one, :, :, 0], (image + 1) * 127.5, atol=0.51)


def test_ways_between_two_points_keep_their_ends(build: Build) -> None:
    a, b = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    found = landscape.routes(build(IMAGES), a, b)
    assert set(found) == {"straight", "spherical", "low energy"}
    for route in found.values():
        assert torch.allclose(route.z[[0, -1]], torch.stack([a, b]), atol=1e-5)
        assert len(route.decoded) == landscape.N_DECODED
    highest = {name: route.neg_log_prob.max() for name, route in found.items()}
    assert highest["low energy"] <= highest["straight"] + 1e-4


def test_directions_are_those_of_the_largest_variance() -> None:
    z = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    found = landscape.principal_directions(z * torch.tensor([1.0, 3.0, 2.0]) + 7)
    assert found.mean == pytest.approx(torch.full((3,), 7.0), abs=0.2)
    assert found.deviations == pytest.approx(torch.tensor([3.0, 2.0, 1.0]), rel=0.05)
    assert found.shares == pytest.approx(torch.tensor([9.0, 4.0, 1.0]) / 14, abs=0.03)
    assert found.directions.abs().argmax(1).tolist() == [1, 2, 0]


def test_a_traversal_ends_three_deviations_out(build: Build) -> None:
    z = torch.randn(50, 5, generator=torch.Generator().manual_seed(0))
    directions = landscape.principal_directions(z)
    found = landscape.traversal(build(IMAGES), directions, 1)
    reach = (found.z[[0, -1]] - directions.mean) @ directions.directions.T
    assert reach[:, 1] == pytest.approx(
        3 * directions.deviations[1] * torch.tensor([-1, 1]), abs=1e-4
    )
    assert reach[:, [0, 2, 3, 4]].abs().max() < 1e-4


def test_a_plane_holds_its_points_where_it_says(build: Build) -> None:
    points = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    model = build(IMAGES)
    found = landscape.plane(model, points)
    marks = torch.from_numpy(found.marks)
    assert torch.allclose(found.origin + marks @ found.axes, points, atol=1e-5)
    assert torch.allclose(found.axes @ found.axes.T, torch.eye(2), atol=1e-6)
    assert np.abs(found.marks).max() < found.ticks[-1]
    row, column = 60, 10
    z = found.origin + torch.tensor([found.ticks[column], found.ticks[row]]) @ found.axes
    log_prob = model.prior.unnorm_log_prob(z[None])
    assert found.neg_log_prob[row, column] == pytest.approx(-log_prob.item(), abs=1e-4)
    assert found.energy[row, column] == pytest.approx(
        -model.prior.neg_energy(z[None]).item(), abs=1e-4
    )
    z = found.origin + torch.tensor([found.coarse[7], found.coarse[2]]) @ found.axes
    image = model.generate(z[None])[0, 0]
    np.testing.assert_allclose(found.decoded[2, 7, :, :, 0], (image + 1) * 127.5, atol=0.51)


@pytest.mark.parametrize("third", [0.0, 0.5, 1.0])
def test_points_on_one_line_still_span_a_plane(build: Build, third: float) -> None:
    a, b = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    for points in (torch.stack([a, b, a + third * (b - a)]), torch.stack([a, a, a])):
        found = landscape.plane(build(IMAGES), points)
        assert torch.allclose(found.axes @ found.axes.T, torch.eye(2), atol=1e-5)
        marks = torch.from_numpy(found.marks)
        assert torch.allclose(found.origin + marks @ found.axes, points, atol=1e-4)


def test_a_latent_plane_is_shown_as_it_is(build: Build) -> None:
    points = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, -1.0]])
    found = landscape.plane(build(POINTS), points)
    assert found.is_whole
    np.testing.assert_array_equal(found.marks, points.numpy())
    assert found.decoded.shape == (len(found.coarse), len(found.coarse), 2)


@pytest.mark.parametrize("config", [IMAGES, POINTS])
def test_a_point_of_a_plane_is_what_the_plane_has_there(build: Build, config: ModelConfig) -> None:
    generator = torch.Generator().manual_seed(0)
    model = build(config)
    found = landscape.plane(model, torch.randn(3, config.latent_dim, generator=generator))
    point = landscape.point(model, found, float(found.ticks[10]), float(found.ticks[60]))
    assert point.neg_log_prob == pytest.approx(found.neg_log_prob[60, 10], abs=1e-4)
    assert -point.neg_energy == pytest.approx(found.energy[60, 10], abs=1e-4)
    squares = -2 * model.prior.base_log_prob(torch.zeros(1, config.latent_dim)).item()
    base = point.neg_log_prob + point.neg_energy
    assert point.norm**2 == pytest.approx(2 * base - squares, rel=1e-3)
    centre = landscape.point(model, found, float(found.coarse[2]), float(found.coarse[1]))
    np.testing.assert_allclose(centre.decoded, found.decoded[1, 2], atol=1.01)


def test_one_dimension_has_no_plane(build: Build) -> None:
    model = build(ModelConfig(latent_dim=1, data_shape=(1, 8, 8), width=2, prior_hidden=8))
    with pytest.raises(ValueError, match="no plane"):
        landscape.plane(model, torch.zeros(3, 1))
