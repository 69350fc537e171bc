from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lebm import langevin, mala
from lebm.langevin import LangevinConfig
from lebm.noise import ChainNoise
from lebm.recipe import ChainRecipe, Segment, fingerprint


@pytest.fixture
def model(make_model):
    return make_model(latent_dim=3, data_shape=(4,)).float().requires_grad_(False)


def recipe_for(model, *segments: Segment, tilt: float = 1.0) -> ChainRecipe:
    return ChainRecipe("mine", fingerprint(model), 5, segments, tilt)


PLAIN = Segment(seed=3, sampler=LangevinConfig(8, 0.05))


def test_it_is_the_chain_of_the_library(model):
    noise = ChainNoise(3, range(5), 3)
    density = model.prior_density()
    chain = langevin.run(density, langevin.init(density, noise.at(0)), PLAIN.sampler, noise=noise)
    assert torch.equal(recipe_for(model, PLAIN).run(model).z, chain.z)


def test_a_chain_in_two_segments_of_one_setting_is_one_chain(model):
    halves = [replace(PLAIN, sampler=replace(PLAIN.sampler, n_steps=n)) for n in (3, 5)]
    whole, cut = recipe_for(model, PLAIN).run(model), recipe_for(model, *halves).run(model)
    assert torch.equal(whole.z, cut.z)
    assert torch.equal(whole.steps, cut.steps)


def test_a_fork_leaves_the_steps_before_it(model):
    later = Segment(seed=9, sampler=LangevinConfig(4, 0.02, temperature=0.5))
    chain, forked = recipe_for(model, PLAIN), recipe_for(model, PLAIN, later)
    assert torch.equal(forked.run(model).z[:9], chain.run(model).z)
    again = replace(later, seed=10)
    assert not torch.equal(
        forked.run(model).z[9:], recipe_for(model, PLAIN, again).run(model).z[9:]
    )


def test_an_adjusted_segment_is_the_mala_chain(model):
    segment = replace(PLAIN, adjusted=True, sampler=LangevinConfig(8, 1.5))
    noise = ChainNoise(3, range(5), 3)
    density = model.prior_density()
    chain = langevin.run(
        density,
        langevin.init(density, noise.at(0)),
        segment.sampler,
        noise=noise,
        kernel=mala.adjusted(noise),
    )
    assert torch.equal(recipe_for(model, segment).run(model).z, chain.z)


def test_without_its_tilt_f_pulls_nothing(model):
    chain = recipe_for(model, PLAIN, tilt=0.0).run(model)
    noise = ChainNoise(3, range(5), 3)
    z = noise.at(0)
    for k in range(1, 9):
        z = z - 0.05 * z + 0.1**0.5 * noise.at(k)
    torch.testing.assert_close(chain.z[-1], z)


def test_a_tilt_of_two_doubles_the_pull_of_f(model):
    z = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    _, once = langevin.evaluate(model.prior_density(), z)
    _, twice = langevin.evaluate(model.prior_density(2.0), z)
    torch.testing.assert_close(twice["tilt"], 2 * once["tilt"])
    torch.testing.assert_close(twice["base"], once["base"])


def test_cut_keeps_the_first_steps(model):
    later = Segment(seed=9, sampler=LangevinConfig(4, 0.02))
    whole = recipe_for(model, PLAIN, later)
    for n_steps in (0, 5, 8, 10):
        chain = whole.cut(n_steps)
        assert chain.n_steps == n_steps
        assert torch.equal(chain.run(model).z, whole.run(model).z[: n_steps + 1])
    assert len(whole.cut(8).segments) == 1


def test_json_brings_it_back(model):
    recipe = recipe_for(model, PLAIN, replace(PLAIN, adjusted=True), tilt=0.5)
    assert ChainRecipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    "change",
    [
        ('"n_chains":5', '"n_chains":0'),
        ('"n_chains":5', '"n_chains":100000000'),
        ('"step_size":0.05', '"step_size":-1'),
        ('"step_size":0.05', '"step_size":"a"'),
        ('"segments":[', '"segments":[],"unused":['),
        ('"model"', '"name"'),
    ],
)
def test_settings_out_of_range_are_refused(model, change):
    text = recipe_for(model, PLAIN).to_json()
    assert change[0] in text
    with pytest.raises(ValueError, match="not the settings of a chain"):
        ChainRecipe.from_json(text.replace(*change))


def test_another_model_is_refused(model, make_model):
    recipe = recipe_for(model, PLAIN)
    model.prior.f[0].bias[0] += 1
    with pytest.raises(ValueError, match="its weights are others"):
        recipe.run(model)


def test_the_fingerprint_ignores_how_weights_lie_in_memory(make_model):
    images = make_model(latent_dim=3, data_shape=(1, 8, 8)).float()
    before = fingerprint(images)
    images.generator.to(memory_format=torch.contiguous_format)
    assert fingerprint(images) == before


def test_the_fingerprint_changes_with_a_setting(model):
    before = fingerprint(model)
    model.config = replace(model.config, noise_std=2 * model.config.noise_std)
    assert fingerprint(model) != before


def test_a_posterior_recipe_climbs_the_posterior_of_its_example(model):
    x = torch.randn(1, 4, generator=torch.Generator().manual_seed(0))
    recipe = replace(recipe_for(model, PLAIN, replace(PLAIN, seed=4)), example="a point")
    assert ChainRecipe.from_json(recipe.to_json()) == recipe
    density, z = model.posterior_density(x.expand(5, 4)), ChainNoise(3, range(5), 3).at(0)
    first = langevin.run(
        density, langevin.init(density, z), PLAIN.sampler, noise=ChainNoise(3, range(5), 3)
    )
    chain = recipe.run(model, x)
    assert torch.equal(chain.z[:9], first.z)
    assert "likelihood" in chain.terms
    assert not torch.equal(chain.z, recipe.run(model, x + 1).z)


def test_an_example_is_given_to_posterior_recipes_alone(model):
    prior = recipe_for(model, PLAIN)
    posterior = replace(prior, example="test example 3")
    with pytest.raises(ValueError, match="x must be None"):
        prior.run(model, torch.zeros(1, 4))
    with pytest.raises(ValueError, match="x must be test example 3"):
        posterior.run(model)
    with pytest.raises(ValueError, match=r"x must be \(1, 4\), not \(4,\)"):
        posterior.run(model, torch.zeros(4))


def test_chains_from_the_learned_sampler_come_back(make_model):
    model = make_model(latent_dim=3, data_shape=(4,), amortised=True).float().requires_grad_(False)
    for parameter in model.amortised.synthesis.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    recipe = replace(recipe_for(model, PLAIN), learned_start=True)
    again = ChainRecipe.from_json(recipe.to_json()).run(model)
    start = model.learned_start(ChainNoise(3, range(5), 3).at(0))
    assert torch.equal(again.z[0], start)
    assert not torch.equal(again.z[0], recipe_for(model, PLAIN).run(model).z[0])


def test_a_model_without_learned_samplers_says_so(model):
    with pytest.raises(ValueError, match="no learned samplers"):
        replace(recipe_for(model, PLAIN), learned_start=True).run(model)


def test_a_recipe_from_before_learned_samplers_is_read(model):
    text = recipe_for(model, PLAIN).to_json().replace(',"learned_start":false', "")
    assert "learned_start" not in text
    assert ChainRecipe.from_json(text) == recipe_for(model, PLAIN)
