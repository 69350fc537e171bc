from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from app.studies import examples
from lebm import langevin
from lebm.checkpoint import ModelCard
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.noise import ChainNoise
from train import data
from train.pictures import quantise

IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)
SAMPLER = LangevinConfig(n_steps=20, step_size=0.005)
PRIOR = LangevinConfig(n_steps=12, step_size=0.05)
UNUSED = LangevinConfig(n_steps=3, step_size=0.2)
Build = Callable[[ModelConfig], LatentEBM]


def _card(dataset: str) -> ModelCard:
    return ModelCard("m", PRIOR, UNUSED, SAMPLER, {"data": dataset})


@pytest.mark.parametrize(("config", "name"), [(IMAGES, "digits"), (POINTS, "pinwheel")])
def test_embedded_data_is_always_there(build: Build, config: ModelConfig, name: str) -> None:
    known = examples.find(build(config), _card(name))
    test = data.load(name, config.data_shape).test
    assert known.data == name
    assert torch.equal(known.rows, test)
    assert torch.equal(known.example(3).x, data.to_model_range(test[3:4]))
    assert known.example(3).name == f"test example 3 of {name}"
    assert known.example(10**6).number == len(test) - 1


def test_where_a_class_was_held_out_the_examples_are_normal_ones_it_did_not_learn(
    build: Build,
) -> None:
    card = _card("digits")
    card.facts.update({"held-out class": 3, "split seed": 5})
    divided = data.hold_out(data.load("digits", (1, 8, 8)), 3, 5)
    assert torch.equal(examples.find(build(IMAGES), card).rows, divided.test)


@pytest.mark.parametrize(
    "facts",
    [
        {"held-out class": "3"},
        {"held-out class": 3},
        {"held-out class": 99, "split seed": 0},
        {"held-out class": 3, "split seed": -1},
    ],
)
def test_a_card_that_makes_no_sense_is_as_good_as_no_data(build: Build, facts: dict) -> None:
    card = _card("digits")
    card.facts.update(facts)
    assert examples.find(build(IMAGES), card).data is None


@pytest.mark.parametrize("config", [IMAGES, POINTS])
def test_without_data_the_model_shows_its_own_samples(
    build: Build, config: ModelConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LEBM_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    known = examples.find(build(config), _card("nowhere"))
    assert known.data is None
    assert "samples of the model itself" in known.source
    assert "nowhere" in known.source
    assert known.rows.shape == (examples.N_SAMPLES, *config.data_shape)
    assert torch.equal(known.rows, examples.find(build(config), _card("nowhere")).rows)
    noise, density = ChainNoise(0, range(64), config.latent_dim), build(config).prior_density()
    chain = langevin.run(density, langevin.init(density, noise.at(0)), PRIOR, noise=noise)
    drawn = build(config).generate(chain.z[-1])
    torch.testing.assert_close(known.rows, quantise(drawn) if drawn.ndim == 4 else drawn)
    assert known.example(5).name == known.example(5).origin + " 5 of the model"


def test_the_aggregate_posterior_is_made_by_the_chain_that_reconstructs(build: Build) -> None:
    model = build(IMAGES)
    x = data.to_model_range(examples.find(model, _card("digits")).rows[:5])
    z = examples.aggregate_posterior(
        model, _card("digits"), x, report=lambda share: None, should_stop=lambda: False
    )
    start = model.prior.sample_base(5, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    density = model.posterior_density(x)
    for _ in range(10):  # two steps at a time, each with noise of its own
        start = langevin.sample(density, start, LangevinConfig(2, 0.005), generator=generator)
    torch.testing.assert_close(z, start)


def test_a_stopped_posterior_is_none(build: Build) -> None:
    known = examples.find(build(IMAGES), _card("digits"))
    shares: list[float] = []
    z = examples.aggregate_posterior(
        build(IMAGES),
        _card("digits"),
        data.to_model_range(known.rows[:5]),
        report=shares.append,
        should_stop=lambda: len(shares) == 3,
    )
    assert z is None
    assert shares == pytest.approx([0.1, 0.2, 0.3])
