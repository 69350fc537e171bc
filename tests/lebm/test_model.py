"""The joint model: a normalised likelihood, sums that are sums, configs that are checked."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, Normal

from lebm.density import LIKELIHOOD, LogDensity
from lebm.langevin import LangevinConfig
from lebm.model import MAX_LAYER, LatentEBM, ModelConfig

SHAPES = [(1,), (4,), (1, 8, 8), (3, 8, 8)]


def draws(model: LatentEBM, n: int, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    z = torch.randn(n, model.config.latent_dim, dtype=torch.float64, generator=rng)
    return torch.randn(n, *model.config.data_shape, dtype=torch.float64, generator=rng), z


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise_std", [0.05, 0.3, 2.0])
def test_log_likelihood_is_that_of_independent_normals(shape, n, noise_std, make_model, rng):
    model = make_model(data_shape=shape, noise_std=noise_std)
    x, z = draws(model, n, rng)
    normal = Independent(Normal(model.generator(z), noise_std), len(shape))
    ours = model.log_likelihood(x, z)
    assert ours.shape == (n,)
    torch.testing.assert_close(ours, normal.log_prob(x), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("dim", [1, 2])
def test_log_likelihood_integrates_to_one_over_x(dim, make_model):
    model = make_model(data_shape=(dim,), noise_std=0.4)
    z = torch.tensor([[0.3, -1.2, 0.8]], dtype=torch.float64)
    axis = torch.linspace(-6, 6, 241, dtype=torch.float64)
    x = torch.cartesian_prod(*[axis] * dim).reshape(-1, dim)
    density = model.log_likelihood(x, z.expand(len(x), -1)).exp()
    total = density.sum() * (axis[1] - axis[0]) ** dim
    assert total.item() == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("noise_std", [1e-6, 1e6])
def test_the_smallest_and_the_largest_noise_std_have_a_likelihood(noise_std, rng):
    model = LatentEBM(ModelConfig(2, (2,), noise_std=noise_std))
    x, z = torch.randn(2, 5, 2, generator=rng)
    exact = Independent(Normal(model.generator(z).double(), noise_std), 1).log_prob(x)
    ours = model.log_likelihood(x, z)
    assert ours.isfinite().all()
    torch.testing.assert_close(ours.double(), exact, rtol=1e-4, atol=0)


@pytest.mark.parametrize("noise_std", [1e-200, 9e-7, 1.1e6, 1e200])
def test_a_noise_std_whose_likelihood_would_overflow_is_refused(noise_std):
    with pytest.raises(ValueError, match="noise_std must be from 1e-6 to 1e6"):
        ModelConfig(2, (2,), noise_std=noise_std)


@pytest.mark.parametrize("n", [1, 5])
def test_the_joint_is_likelihood_plus_prior(n, make_model, rng):
    model = make_model()
    x, z = draws(model, n, rng)
    joint = model.unnorm_log_joint(x, z)
    assert joint.shape == (n,)
    assert torch.equal(joint, model.log_likelihood(x, z) + model.prior.unnorm_log_prob(z))


def test_densities_by_terms_are_the_whole(make_model, rng):
    model = make_model()
    x, z = draws(model, 5, rng)
    assert list(model.prior_density().terms) == ["base", "tilt"]
    assert list(model.posterior_density(x).terms) == ["base", "tilt", "likelihood"]
    torch.testing.assert_close(model.prior_density()(z), model.prior.unnorm_log_prob(z))
    torch.testing.assert_close(model.posterior_density(x)(z), model.unnorm_log_joint(x, z))


def test_a_likelihood_that_counts_more_often_counts_so_in_the_posterior(make_model, rng):
    model = make_model()
    x, z = draws(model, 5, rng)
    density = model.posterior_density(x, 3.0)
    assert list(density.terms) == ["base", "tilt", "likelihood"]
    expected = model.prior.unnorm_log_prob(z) + 3 * model.log_likelihood(x, z)
    torch.testing.assert_close(density(z), expected)


def test_a_likelihood_that_counts_less_is_in_the_precision_of_a_whole_one(make_model, rng):
    """Half of it is half to the last bit, whatever precision the generator runs in."""
    model = make_model(data_shape=(1, 8, 8)).float()
    x, z = (t.float() for t in draws(model, 5, rng))
    halves, whole = (
        LogDensity({LIKELIHOOD: model.posterior_density(x, weight).terms[LIKELIHOOD]})
        for weight in (0.5, 1.0)
    )
    exact = halves.force(z)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(halves.force(z), whole.force(z) / 2)
        assert not torch.equal(halves.force(z), exact)


def test_row_i_of_the_posterior_belongs_to_row_i_of_x(make_model, rng):
    model = make_model()
    x, z = draws(model, 5, rng)
    alone = [model.posterior_density(x[i : i + 1])(z[i : i + 1]) for i in range(5)]
    torch.testing.assert_close(model.posterior_density(x)(z), torch.cat(alone))


def test_generate_is_the_generator_without_gradient(make_model, rng):
    model = make_model()
    _, z = draws(model, 2, rng)
    images = model.generate(z)
    assert torch.equal(images, model.generator(z))
    assert not images.requires_grad


def test_reconstruct_follows_its_seed_and_leaves_x(make_model, rng):
    model = make_model(data_shape=(1, 8, 8))
    x, _ = draws(model, 1, rng)
    before, config = x.clone(), LangevinConfig(n_steps=5, step_size=0.01)
    a, b, c = (
        model.reconstruct(x, config, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert a.shape == x.shape
    assert torch.equal(x, before)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_a_long_posterior_chain_reconstructs(make_gaussian, rng):
    """Wz + c stays within a few σ of x = Wz* + c when z comes from the posterior of x."""
    gaussian = make_gaussian(tilted=False)
    model = gaussian.model
    model.noise_std = 0.05
    x = model.generate(torch.tensor([[0.5, -0.4]], dtype=torch.float64)).expand(50, -1)
    config = LangevinConfig(n_steps=2000, step_size=2e-3)
    error = model.reconstruct(x, config, generator=rng) - x
    assert error.square().mean().sqrt() < 3 * model.noise_std


BAD = [
    ({"latent_dim": 0}, "latent_dim", 0),
    ({"latent_dim": MAX_LAYER + 1}, "latent_dim", MAX_LAYER + 1),
    ({"width": 0}, "width", 0),
    ({"width": 10**9}, "width", 10**9),
    ({"prior_hidden": -1}, "prior_hidden", -1),
    ({"data_shape": (0,)}, r"data_shape\[0\]", 0),
    ({"data_shape": (3, 8, 10**9)}, r"data_shape\[2\]", 10**9),
    ({"data_shape": ()}, "data_shape", r"\(\)"),
    ({"data_shape": (8, 8)}, "data_shape", r"\(8, 8\)"),
    ({"data_shape": (3, 8, 9)}, "data_shape", r"\(3, 8, 9\)"),
    ({"noise_std": 0.0}, "noise_std", r"0\.0"),
    ({"noise_std": -0.3}, "noise_std", r"-0\.3"),
    ({"noise_std": math.nan}, "noise_std", "nan"),
    ({"noise_std": math.inf}, "noise_std", "inf"),
]


@pytest.mark.parametrize(("change", "name", "value"), BAD)
def test_a_config_names_the_field_and_the_value(change, name, value):
    with pytest.raises(ValueError, match=rf"{name} must be .*, not {value}"):
        ModelConfig(**{"latent_dim": 2, "data_shape": (2,)} | change)


@pytest.mark.parametrize(("shape", "value"), [((2, 8, 8), "2"), ((3, 27, 27), "27")])
def test_a_model_that_no_generator_draws_is_refused(shape, value):
    with pytest.raises(ValueError, match=f"not {value}"):
        LatentEBM(ModelConfig(2, shape))
