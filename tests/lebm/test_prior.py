"""The tilted prior: shapes, signs, and the Gaussian it starts from."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Independent, Normal

from lebm.prior import TiltedPrior


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("latent_dim", [1, 3])
def test_densities_have_one_value_a_row(n, latent_dim):
    prior, z = TiltedPrior(latent_dim, hidden=5), torch.zeros(n, latent_dim)
    for density in (prior.neg_energy, prior.base_log_prob, prior.unnorm_log_prob):
        assert density(z).shape == (n,)


def test_a_row_has_the_same_density_alone_and_in_a_batch(make_model, rng):
    prior, z = make_model().prior, torch.randn(6, 3, dtype=torch.float64, generator=rng)
    alone = torch.cat([prior.unnorm_log_prob(row[None]) for row in z])
    torch.testing.assert_close(prior.unnorm_log_prob(z), alone, rtol=0, atol=1e-13)


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_base_log_prob_is_the_normalised_gaussian(latent_dim, rng):
    z = 3 * torch.randn(6, latent_dim, dtype=torch.float64, generator=rng)
    standard = Independent(Normal(torch.zeros_like(z), torch.ones_like(z)), 1)
    ours = TiltedPrior(latent_dim, hidden=4).base_log_prob(z)
    torch.testing.assert_close(ours, standard.log_prob(z), rtol=0, atol=1e-13)


def test_neg_energy_is_the_network_s_output_with_its_sign(make_model, rng):
    prior, z = make_model().prior, torch.randn(6, 3, dtype=torch.float64, generator=rng)
    assert torch.equal(prior.neg_energy(z), prior.f(z)[:, 0])
    assert prior.neg_energy(z).abs().min() > 0


def test_unnorm_log_prob_is_tilt_plus_base(make_model, rng):
    prior, z = make_model().prior, torch.randn(6, 3, dtype=torch.float64, generator=rng)
    assert torch.equal(prior.unnorm_log_prob(z), prior.neg_energy(z) + prior.base_log_prob(z))


def test_activations_differ(make_model, rng):
    z = torch.randn(6, 3, dtype=torch.float64, generator=rng)
    leaky, gelu = (make_model(prior_activation=a).prior for a in ("leaky_relu", "gelu"))
    gelu.load_state_dict(leaky.state_dict())
    assert not torch.allclose(leaky.neg_energy(z), gelu.neg_energy(z))


def test_sample_base_is_standard_normal(rng, p_value):
    draws = TiltedPrior(3, hidden=4).sample_base(20_000, generator=rng)
    assert p_value(draws) > 1e-4  # fails by chance once in 10,000 seeds


def test_sample_base_follows_its_seed():
    prior = TiltedPrior(3, hidden=4)
    a, b, c = (prior.sample_base(5, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_sample_base_takes_the_parameters_type(make_model, rng):
    draws = make_model().prior.sample_base(2, generator=rng)
    assert draws.shape == (2, 3)
    assert draws.dtype == torch.float64


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        ({"latent_dim": 0}, "latent_dim", "0"),
        ({"latent_dim": -3}, "latent_dim", "-3"),
        ({"latent_dim": 2, "hidden": 0}, "hidden", "0"),
        ({"latent_dim": 2, "activation": "tanh"}, "activation", "'tanh'"),
    ],
)
def test_an_argument_outside_its_range_is_named(arguments, name, value):
    with pytest.raises(ValueError, match=rf"{name} must .*, not {value}"):
        TiltedPrior(**arguments)
