"""A trajectory's fields against their definitions, and its continuation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lebm import langevin
from lebm.density import LogDensity
from lebm.langevin import LangevinConfig
from lebm.noise import ChainNoise
from lebm.trajectory import Trajectory

CONFIG = LangevinConfig(n_steps=12, step_size=0.04, temperature=0.5)
NOISE = ChainNoise(0, range(5), 3)


@pytest.fixture
def model(make_model):
    return make_model()


@pytest.fixture
def x(rng) -> torch.Tensor:
    return torch.randn(5, 4, dtype=torch.float64, generator=rng)


@pytest.fixture
def posterior(model, x) -> Trajectory:
    density = model.posterior_density(x)
    return langevin.run(density, langevin.init(density, NOISE.at(0).double()), CONFIG, noise=NOISE)


def by_record(trajectory: Trajectory, function) -> torch.Tensor:
    return torch.stack([function(z) for z in trajectory.z])


def gradient(function, z: torch.Tensor) -> torch.Tensor:
    z = z.clone().requires_grad_()
    return torch.autograd.grad(function(z).sum(), z)[0]


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, rtol=0, atol=1e-12)


def test_shapes_are_records_by_chains(posterior):
    assert posterior.z.shape == (13, 5, 3)
    columns = [*posterior.terms.values(), *posterior.force_norms.values()]
    columns += [posterior.drift_norm, posterior.diffusion_norm, posterior.displacement]
    assert all(column.shape == (13, 5) for column in columns)


def test_terms_are_the_densities_at_the_records(posterior, model, x):
    assert list(posterior.terms) == ["base", "tilt", "likelihood"]
    assert close(posterior.terms["base"], by_record(posterior, model.prior.base_log_prob))
    assert close(posterior.terms["tilt"], by_record(posterior, model.prior.neg_energy))
    likelihood = by_record(posterior, lambda z: model.log_likelihood(x, z))
    assert close(posterior.terms["likelihood"], likelihood.detach())


def test_force_norms_are_the_gradients_norms(posterior, model, x):
    assert close(posterior.force_norms["base"], posterior.z.norm(dim=-1))  # ∇ log p_0 = -z
    for name, function in model.posterior_density(x).terms.items():
        norms = by_record(posterior, lambda z, f=function: gradient(f, z).norm(dim=-1))
        assert close(posterior.force_norms[name], norms)


def test_drift_norm_is_that_of_the_step_that_arrived(posterior, model, x):
    density = model.posterior_density(x)
    forces = by_record(posterior, lambda z: gradient(density, z))
    assert close(posterior.drift_norm[1:], 0.04 * forces[:-1].norm(dim=-1))


def test_diffusion_norm_is_that_of_the_noise(posterior):
    noise = torch.stack([NOISE.at(k).double() for k in range(1, 13)])
    assert close(posterior.diffusion_norm[1:], (2 * 0.04 * 0.5) ** 0.5 * noise.norm(dim=-1))


def test_displacement_is_the_distance_moved(posterior):
    moved = (posterior.z[1:] - posterior.z[:-1]).norm(dim=-1)
    assert close(posterior.displacement[1:], moved)


def test_nothing_had_moved_in_the_first_record(posterior):
    for column in (posterior.drift_norm, posterior.diffusion_norm, posterior.displacement):
        assert (column[0] == 0).all()


def test_named_quantities(posterior, model):
    assert torch.equal(posterior.energy, -posterior.terms["tilt"])
    assert torch.equal(posterior.log_likelihood, posterior.terms["likelihood"])
    base = by_record(posterior, model.prior.base_log_prob)
    constant = posterior.half_sq_norm + base
    assert close(constant, constant[0, 0].expand_as(constant))
    assert close(posterior.half_sq_norm, posterior.z.pow(2).sum(-1) / 2)


def test_a_prior_chain_has_no_likelihood_and_a_plain_function_no_energy(model):
    start = NOISE.at(0).double()
    prior, plain = (
        langevin.run(f, langevin.init(f, start), CONFIG, noise=NOISE)
        for f in (model.prior_density(), model.prior.unnorm_log_prob)
    )
    with pytest.raises(KeyError):
        _ = prior.log_likelihood
    with pytest.raises(KeyError):
        _ = plain.energy
    assert list(plain.terms) == ["target"]


def test_a_healthy_run_has_no_failures(posterior):
    assert posterior.failures == ()


def test_the_state_is_the_last_record(posterior):
    assert torch.equal(posterior.state.z, posterior.z[-1])
    for name, column in posterior.terms.items():
        assert torch.equal(posterior.state.terms[name], column[-1])
    forces = torch.stack(list(posterior.state.forces.values())).sum(0)
    assert torch.equal(posterior.state.force, forces)


def test_extend_refuses_what_starts_at_another_step(posterior):
    with pytest.raises(ValueError, match="starts at step 0, this one ends at step 12"):
        posterior.extend(posterior)


def test_extend_refuses_what_starts_at_other_points(posterior, model, x):
    density = model.posterior_density(x)
    moved = replace(posterior.state, z=posterior.state.z + 1)
    later = langevin.run(density, moved, CONFIG, noise=NOISE)
    with pytest.raises(ValueError, match="other points"):
        posterior.extend(later)


def test_extend_leaves_both_as_they_are(posterior, model, x):
    later = langevin.run(model.posterior_density(x), posterior.state, CONFIG, noise=NOISE)
    whole = posterior.extend(later)
    assert (len(posterior.steps), len(later.steps), len(whole.steps)) == (13, 13, 25)


def test_a_run_that_began_at_nan_can_be_continued():
    def density(z: torch.Tensor) -> torch.Tensor:
        return -z.square().sum(-1)

    start, noise = torch.tensor([[torch.nan, 0.0]]), ChainNoise(0, [0], 2)
    first = langevin.run(density, langevin.init(density, start), CONFIG, noise=noise)
    later = langevin.run(density, first.state, CONFIG, noise=noise)
    assert [f.step for f in first.extend(later).failures] == [1]


def test_cosines_between_forces_are_those_of_the_vectors(rng):
    density = LogDensity({"up": lambda z: z[:, 0], "home": lambda z: -0.5 * z.square().sum(-1)})
    z = torch.randn(5, 3, generator=rng, dtype=torch.float64)
    noise = ChainNoise(0, range(5), 3)
    chain = langevin.run(density, langevin.init(density, z), LangevinConfig(4, 0.1), noise=noise)
    expected = -chain.z[..., 0] / chain.z.norm(dim=-1)
    torch.testing.assert_close(chain.force_cosines["up", "home"], expected)


def test_a_cut_trajectory_ends_in_its_state_and_can_go_on(posterior, model, x):
    density = model.posterior_density(x)
    state = langevin.init(density, posterior.z[7], at_step=7)
    cut = posterior.cut(state)
    assert cut.steps.tolist() == list(range(8))
    assert cut.state is state
    assert close(cut.force_cosines["base", "tilt"], posterior.force_cosines["base", "tilt"][:8])
    again = cut.extend(langevin.run(density, state, replace(CONFIG, n_steps=5), noise=NOISE))
    assert close(again.z, posterior.z)


def test_a_trajectory_is_cut_only_at_a_record(posterior):
    with pytest.raises(ValueError, match="step 99"):
        posterior.cut(replace(posterior.state, step=99))
