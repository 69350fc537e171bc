"""Learned samplers: draws, densities, and what a checkpoint of them holds."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from lebm.amortised import InferenceNetwork, SynthesisFlow
from lebm.exact import PlaneGrid


def bent(latent_dim: int = 2) -> SynthesisFlow:
    """A flow far from the identity, in float64."""
    torch.manual_seed(1)
    flow = SynthesisFlow(latent_dim, hidden=8).double()
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return flow


@pytest.fixture
def noise(rng) -> torch.Tensor:
    return torch.randn(40, 2, dtype=torch.float64, generator=rng)


def test_a_flow_begins_as_the_gaussian(noise):
    torch.manual_seed(0)
    z, log_q = SynthesisFlow(2, hidden=8).double()(noise)
    torch.testing.assert_close(z, noise)
    torch.testing.assert_close(log_q, Normal(0.0, 1.0).log_prob(noise).sum(1))


def test_a_flow_reaches_beyond_its_splines(noise):
    flow = SynthesisFlow(2, hidden=8).double()
    torch.nn.init.constant_(flow.shift, 10)
    torch.nn.init.constant_(flow.log_scale, math.log(3))
    z, log_q = flow(noise)
    torch.testing.assert_close(z, 10 + 3 * noise)
    torch.testing.assert_close(log_q, Normal(10.0, 3.0).log_prob(z).sum(1))


def test_a_flow_s_density_integrates_to_one():
    flow, grid = bent(), PlaneGrid(extent=8, n_points=250)
    with torch.no_grad():
        log_q = flow.log_prob(grid.points)
    assert grid.log_integral(log_q).item() == pytest.approx(0, abs=1e-3)
    gaussian = Normal(0.0, 1.0).log_prob(grid.points).sum(1)
    assert (log_q - gaussian).abs().max() > 1  # it is another one


@pytest.mark.parametrize("latent_dim", [2, 3, 8])
def test_a_draw_has_the_density_that_it_states(latent_dim, rng):
    noise = torch.randn(20, latent_dim, dtype=torch.float64, generator=rng)
    flow = bent(latent_dim)
    z, log_q = flow(noise)
    assert (z - noise).norm(dim=1).min() > 0.1
    torch.testing.assert_close(flow.log_prob(z), log_q, rtol=0, atol=1e-8)
    jacobian = torch.autograd.functional.jacobian(lambda e: flow(e[None])[0][0], noise[0])
    expected = Normal(0.0, 1.0).log_prob(noise[0]).sum() - torch.linalg.slogdet(jacobian)[1]
    torch.testing.assert_close(log_q[0], expected)


def test_a_draw_belongs_to_its_noise(noise):
    flow = bent()
    torch.testing.assert_close(flow(noise[17:18])[0], flow(noise)[0][17:18], rtol=0, atol=1e-12)


def test_one_dimension_cannot_be_coupled():
    with pytest.raises(ValueError, match="latent_dim at least 2, not 1"):
        SynthesisFlow(1, hidden=8)


@pytest.mark.parametrize("shape", [(3,), (1, 8, 8)])
def test_inference_draws_from_the_gaussian_that_it_states(shape, rng):
    torch.manual_seed(0)
    network = InferenceNetwork(2, shape, width=4).double()
    x = torch.randn(5, *shape, dtype=torch.float64, generator=rng)
    noise = torch.randn(5, 2, dtype=torch.float64, generator=rng)
    z, log_q = network(x, noise)
    mean, log_std = network.encoder(x).chunk(2, 1)
    torch.testing.assert_close(z, mean + log_std.exp() * noise)
    torch.testing.assert_close(log_q, Normal(mean, log_std.exp()).log_prob(z).sum(1))
    torch.testing.assert_close(network.mean(x), mean)


def test_starts_are_draws_of_the_samplers(make_model, noise):
    model = make_model(latent_dim=2, amortised=True)
    x = torch.ones(1, 4, dtype=torch.float64)
    expected = model.amortised.inference(x.expand(40, -1), noise)[0]
    assert torch.equal(model.learned_start(noise, x), expected)
    assert torch.equal(model.learned_start(noise), model.amortised.synthesis(noise)[0])
    with pytest.raises(ValueError, match="no learned samplers"):
        make_model().learned_start(noise)


def test_learned_samplers_leave_the_rest_of_the_model_as_it_is(make_model):
    """A seed gives every method the same prior and generator."""
    plain, amortised = make_model(), make_model(amortised=True)
    assert plain.amortised is None
    for part in ("prior", "generator"):
        weights = (getattr(m, part).state_dict().values() for m in (plain, amortised))
        assert all(map(torch.equal, *weights))
