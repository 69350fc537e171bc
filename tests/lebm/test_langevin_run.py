"""Recorded chains: pieces and thinning, callbacks, chains alone and together, divergence."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lebm import langevin
from lebm.density import LogDensity
from lebm.langevin import LangevinConfig
from lebm.noise import ChainNoise
from lebm.trajectory import Trajectory

CONFIG = LangevinConfig(n_steps=30, step_size=0.05)


def run(density, chains=range(4), config: LangevinConfig = CONFIG, **others) -> Trajectory:
    noise = ChainNoise(0, chains, 3)
    state = langevin.init(density, 0.5 * noise.at(0).double())
    return langevin.run(density, state, config, noise=noise, **others)


def assert_same(a: Trajectory, b: Trajectory) -> None:
    assert torch.equal(a.steps, b.steps)
    for name in ("z", "drift_norm", "diffusion_norm", "displacement"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    for name in ("terms", "force_norms"):
        ours, others = getattr(a, name), getattr(b, name)
        assert ours.keys() == others.keys()
        assert all(torch.equal(ours[key], others[key]) for key in ours)


def assert_as_step_by_step(density, chains, config: LangevinConfig) -> Trajectory:
    together, singly = (run(density, chains, config, kernel=k) for k in (None, langevin.step))
    assert_same(together, singly)
    assert together.failures == singly.failures
    assert torch.equal(together.state.force, singly.state.force)
    return together


@pytest.fixture
def density(make_model) -> LogDensity:
    return make_model().prior_density()


@pytest.mark.parametrize("thin", [1, 5])
def test_pieces_are_the_whole(density, thin):
    whole, noise = run(density, thin=thin), ChainNoise(0, range(4), 3)
    first = run(density, config=replace(CONFIG, n_steps=10), thin=thin)
    second = langevin.run(density, first.state, replace(CONFIG, n_steps=20), noise=noise, thin=thin)
    assert_same(first.extend(second), whole)
    assert torch.equal(first.extend(second).state.z, whole.state.z)
    assert first.extend(second).state.step == 30


def test_a_run_across_blocks_of_noise_can_be_cut_anywhere(density):
    long = replace(CONFIG, n_steps=140)
    whole, noise = run(density, config=long), ChainNoise(0, range(4), 3)
    trajectory = run(density, config=replace(CONFIG, n_steps=0))
    for n_steps in (1, 62, 1, 1, 75):
        piece = replace(CONFIG, n_steps=n_steps)
        trajectory = trajectory.extend(langevin.run(density, trajectory.state, piece, noise=noise))
    assert_same(trajectory, whole)


def test_steps_taken_together_are_steps_taken_singly(density):
    whole = assert_as_step_by_step(density, range(16), replace(CONFIG, n_steps=140))
    assert whole.failures == ()


@pytest.mark.parametrize("radius", [1.2, 2.5, 4.0])
def test_where_chains_fail_too(density, radius):
    config = replace(CONFIG, n_steps=140, max_radius=radius)
    failures = assert_as_step_by_step(density, range(16), config).failures
    assert 0 < len(failures) <= 16


@pytest.mark.parametrize("chain", [0, 17, 63])
def test_a_chain_of_64_is_the_same_chain_alone_up_to_rounding(density, chain):
    together, alone = run(density, range(64)), run(density, [chain])
    torch.testing.assert_close(alone.z[:, 0], together.z[:, chain], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("thin", "steps"),
    [
        (1, list(range(31))),
        (10, [0, 10, 20, 30]),
        (7, [0, 7, 14, 21, 28, 30]),
        (100, [0, 30]),
    ],
)
def test_thinning_keeps_the_steps_it_divides_and_both_ends(density, thin, steps):
    thinned, whole = run(density, thin=thin), run(density)
    assert thinned.steps.tolist() == steps
    assert torch.equal(thinned.z, whole.z[steps])
    assert torch.equal(thinned.displacement, whole.displacement[steps])


def test_thinning_counts_from_the_start_of_the_chain_not_of_the_piece(density):
    first = run(density, config=replace(CONFIG, n_steps=13), thin=10)
    noise = ChainNoise(0, range(4), 3)
    second = langevin.run(density, first.state, replace(CONFIG, n_steps=10), noise=noise, thin=10)
    assert second.steps.tolist() == [13, 20, 23]


def test_the_callback_sees_every_step(density):
    seen = []
    whole = run(density, thin=10, callback=seen.append)
    assert [state.step for state in seen] == list(range(1, 31))
    assert torch.equal(seen[-1].z, whole.state.z)


def test_should_stop_keeps_what_there_is(density):
    seen, whole = [], run(density)
    stopped = run(density, thin=5, callback=seen.append, should_stop=lambda: len(seen) == 12)
    assert stopped.steps.tolist() == [0, 5, 10, 12]
    assert torch.equal(stopped.z, whole.z[[0, 5, 10, 12]])
    assert stopped.state.step == 12


def test_a_run_that_is_stopped_at_once_holds_its_start(density):
    assert run(density, should_stop=lambda: True).steps.tolist() == [0]


@pytest.mark.parametrize("thin", [0, -2])
def test_thin_below_one_is_refused(density, thin):
    with pytest.raises(ValueError, match=f"thin must be at least 1, not {thin}"):
        run(density, thin=thin)


def test_noise_for_another_number_of_chains_is_refused(density):
    state = langevin.init(density, torch.zeros(4, 3).double())
    with pytest.raises(ValueError, match="3 chains, the state has 4"):
        langevin.run(density, state, CONFIG, noise=ChainNoise(0, range(3), 3))


def gaussian(z: torch.Tensor) -> torch.Tensor:
    return -0.5 * z.square().sum(-1)


def nan_value(z: torch.Tensor) -> torch.Tensor:
    """NaN beyond the edge, where its gradient is 0."""
    return torch.where(z[:, 0] > 1.5, torch.nan, gaussian(z))


def nan_force(z: torch.Tensor) -> torch.Tensor:
    """NaN beyond the edge, and so is its gradient."""
    return gaussian(z) * torch.where(z[:, 0] > 1.5, torch.nan, 1.0)


def infinite_force(z: torch.Tensor) -> torch.Tensor:
    return gaussian(z) * torch.where(z[:, 0] > 1.5, torch.inf, 1.0)


def first_beyond(z: torch.Tensor) -> int:
    """The first record of one chain `(T, 3)` beyond the edge, or -1."""
    beyond = torch.nonzero(z[:, 0] > 1.5)[:, 0].tolist()
    return beyond[0] if beyond else -1


@pytest.mark.parametrize("density", [nan_value, nan_force, infinite_force])
def test_a_density_that_fails_stops_the_same_chains_together_and_singly(density):
    assert assert_as_step_by_step(density, range(16), CONFIG).failures


@pytest.mark.parametrize("density", [nan_value, nan_force, infinite_force])
def test_a_chain_whose_density_fails_is_stopped_and_the_others_are_untouched(density):
    healthy, broken = run(gaussian, range(16)), run(density, range(16))
    crossings = {i: k for i in range(16) if (k := first_beyond(healthy.z[:, i])) >= 0}
    assert 0 < len(crossings) < 16
    assert {f.chain for f in broken.failures} == set(crossings)
    for failure in broken.failures:
        crossed = crossings[failure.chain]
        assert failure.step in (crossed, crossed + 1)
        assert failure.reason == "became NaN or infinite"
        assert (broken.z[failure.step :, failure.chain] == broken.state.z[failure.chain]).all()
        assert (broken.displacement[failure.step :, failure.chain] == 0).all()
    others = [i for i in range(16) if i not in crossings]
    assert torch.equal(broken.z[:, others], healthy.z[:, others])
    assert broken.z.isfinite().all()


def test_a_chain_that_leaves_the_radius_is_stopped_where_it_last_was():
    config = replace(CONFIG, max_radius=2.5)
    healthy, bounded = run(gaussian, range(16)), run(gaussian, range(16), config=config)
    outside = healthy.z[1:].norm(dim=-1) > 2.5
    left = {i: int(torch.nonzero(outside[:, i])[0]) + 1 for i in range(16) if outside[:, i].any()}
    assert {f.chain: f.step for f in bounded.failures} == left
    assert 0 < len(left) < 16
    for chain, k in left.items():
        assert torch.equal(bounded.z[k:, chain], healthy.z[k - 1, chain].expand(31 - k, -1))
    others = [i for i in range(16) if i not in left]
    assert torch.equal(bounded.z[:, others], healthy.z[:, others])
    assert {f.reason for f in bounded.failures} == {"left the radius"}


def test_an_explosion_is_reported_in_words():
    config = LangevinConfig(n_steps=50, step_size=20.0)
    failure, *_ = run(gaussian, config=config).failures
    assert str(failure) == f"chain 0 left the radius at step {failure.step}"


def test_a_stopped_chain_stays_stopped_in_the_next_piece():
    config = replace(CONFIG, max_radius=2.5)
    first = run(gaussian, range(16), config=config)
    second = langevin.run(gaussian, first.state, config, noise=ChainNoise(0, range(16), 3))
    for failure in first.failures:
        assert failure in second.failures
        assert torch.equal(second.state.z[failure.chain], first.state.z[failure.chain])
