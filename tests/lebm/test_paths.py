from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lebm import paths

BARRIER = 2.0


def ring(z: Tensor) -> Tensor:
    """Minus the energy 20 (r - 1)² + B sin² θ: minima at (±1, 0), least paths the unit circle.

    On the circle the gradient has no part across it, and the passes at (0, ±1) have energy B.
    """
    r, angle = z.norm(dim=-1), torch.atan2(z[..., 1], z[..., 0])
    return -20 * (r - 1).square() - BARRIER * angle.sin().square()


def double_well(z: Tensor) -> Tensor:
    """Minus an energy with minima of 0 at z₁ = -1 and of -0.5 (tilted) near z₁ = 1."""
    return -((z[:, 0].square() - 1).square() + 0.5 * z[:, 1:].square().sum(1) - 0.25 * z[:, 0])


def test_straight_is_even_and_keeps_its_ends() -> None:
    a, b = torch.tensor([1.0, 2.0, 0.0]), torch.tensor([3.0, -2.0, 8.0])
    path = paths.straight(a, b, 5)
    assert torch.equal(path[[0, -1]], torch.stack([a, b]))
    assert torch.allclose(path[1], torch.tensor([1.5, 1.0, 2.0]))


def test_spherical_turns_evenly_and_its_norm_is_linear(rng: torch.Generator) -> None:
    a, b = torch.randn(2, 6, generator=rng, dtype=torch.float64)
    b = 2 * b
    path = paths.spherical(a, b, 9)
    assert torch.allclose(path[[0, -1]], torch.stack([a, b]))
    assert torch.allclose(path.norm(dim=1), paths.straight(a.norm()[None], b.norm()[None], 9)[:, 0])
    directions = path / path.norm(dim=1, keepdim=True)
    steps = (directions[1:] * directions[:-1]).sum(1).arccos()
    assert torch.allclose(steps, steps[:1].expand(8))


@pytest.mark.parametrize("factor", [0.0, 1.5, -1.0])
def test_spherical_without_a_great_circle_is_straight(factor: float) -> None:
    a = torch.tensor([1.0, 2.0])
    assert torch.equal(paths.spherical(a, factor * a, 7), paths.straight(a, factor * a, 7))


def test_places_are_spread_evenly_along_the_same_line() -> None:
    bent = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.1], [1.0, 3.0]])
    even = paths.evenly_spaced(bent)
    assert torch.allclose(even, torch.tensor([[0.0, 0.0], [1, 1 / 3], [1, 5 / 3], [1, 3]]))
    assert torch.equal(paths.evenly_spaced(torch.ones(4, 2)), torch.ones(4, 2))


def test_the_path_of_least_energy_of_a_ring_is_its_circle() -> None:
    x = torch.linspace(-1, 1, 61, dtype=torch.float64)
    start = torch.stack([x, 0.2 * (1 - x.square())], 1)  # straight on is a maximum of symmetry
    path = paths.low_energy(ring, start, n_rounds=2000, step_size=0.02)
    assert torch.equal(path[[0, -1]], start[[0, -1]])
    assert (path.norm(dim=1) - 1).abs().max() < 2e-3
    assert paths.arc_length(path)[-1] == pytest.approx(math.pi, abs=5e-3)
    found = paths.barrier(-ring(path))
    assert found.place == 30
    assert found.forward == pytest.approx(BARRIER, abs=2e-3)
    assert found.backward == pytest.approx(BARRIER, abs=2e-3)


def test_a_path_is_left_as_it_was() -> None:
    start = paths.straight(torch.tensor([-1.0, 0.5]), torch.tensor([1.0, 0.5]), 9)
    before = start.clone()
    paths.low_energy(double_well, start, n_rounds=5)
    assert torch.equal(start, before)


def test_a_detour_sinks_into_the_valley() -> None:
    start = torch.tensor([[-1.0, 0.0], [0.0, 3.0], [1.0, 0.0]], dtype=torch.float64)
    pieces = [paths.straight(start[i], start[i + 1], 21) for i in range(2)]
    path = paths.low_energy(double_well, torch.cat([pieces[0], pieces[1][1:]]), n_rounds=600)
    assert path[:, 1].abs().max() < 1e-3


def test_a_gaussian_has_no_pass(make_gaussian: Callable) -> None:
    prior = make_gaussian().model.prior
    a, b = torch.tensor([[3.0, -2.0], [-2.0, 2.5]], dtype=torch.float64)
    path = paths.low_energy(prior.unnorm_log_prob, paths.straight(a, b, 31))
    energy = -prior.unnorm_log_prob(path).detach()
    found = paths.barrier(energy)
    assert min(found.forward, found.backward) < 1e-6
    lowest = path[energy.argmin()]
    assert torch.allclose(lowest, make_gaussian().mean, atol=0.12)  # half a gap between places


def test_the_pass_is_measured_from_the_valleys_and_not_from_the_ends() -> None:
    energy = torch.tensor([9.0, 1.0, 4.0, 3.5, 6.0, 2.0, 8.0])
    assert paths.barrier(energy) == paths.Barrier(place=4, forward=5.0, backward=4.0)
    rising = paths.barrier(torch.tensor([0.0, 1.0, 2.0]))
    assert min(rising.forward, rising.backward) == 0


def test_a_plane_leads_from_the_first_point_to_the_others() -> None:
    points = torch.randn(3, 6, generator=torch.Generator().manual_seed(0)).double()
    axes = paths.plane_axes(points)
    torch.testing.assert_close(axes @ axes.T, torch.eye(2).double())
    apart = points[1:] - points[0]
    torch.testing.assert_close((apart @ axes.T) @ axes, apart)
    torch.testing.assert_close(axes @ apart[0], torch.stack([apart[0].norm(), 0 * apart[0, 0]]))
    assert apart[1] @ axes[1] > 0


def test_points_on_one_line_still_have_a_plane() -> None:
    a, b = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    for points in (torch.stack([a, b, a + 3 * (b - a)]), torch.stack([a, a, a])):
        axes = paths.plane_axes(points)
        torch.testing.assert_close(axes @ axes.T, torch.eye(2))
    with pytest.raises(ValueError, match="no plane"):
        paths.plane_axes(torch.zeros(3, 1))
