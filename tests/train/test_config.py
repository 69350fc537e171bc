"""Settings are checked where they are made."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import pytest

from lebm.model import ModelConfig
from train.config import OptimizerConfig, RAEConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("epochs", 0),
        ("epochs", -3),
        ("minutes", 0),
        ("minutes", float("nan")),
        ("save_every", 0),
        ("log_every", 0),
        ("seed", -1),
        ("seed", 2**63),
        ("threads", -1),
        ("word_dropout", -0.1),
        ("word_dropout", 0.1),  # of points
        ("prior_restart", -0.1),
        ("prior_restart", 1.1),
        ("prior_restart", math.nan),
    ],
)
def test_a_setting_outside_its_range_is_named(name, value, make_config):
    with pytest.raises(ValueError, match=f"{name} must be .*, not {value}"):
        make_config(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr_prior", 0.0),
        ("lr_generator", -1e-3),
        ("lr_generator", 1.0),
        ("lr_prior", math.nan),
        ("lr_decay", 0.0),
        ("lr_decay", 1.1),
        ("lr_decay", math.nan),
        ("betas", (0.5, 1.0)),
        ("betas", (-0.1, 0.9)),
    ],
)
def test_an_optimizer_setting_outside_its_range_is_named(name, value):
    with pytest.raises(ValueError, match=rf"optimizer\.{name} must lie in .*, not "):
        OptimizerConfig(**{name: value})


@pytest.mark.parametrize("name", ["latent_weight", "generator_weight"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_a_weight_outside_its_range_is_named(name, value):
    with pytest.raises(ValueError, match=rf"rae\.{name} must be at least 0, not "):
        RAEConfig(**{name: value})


@pytest.mark.parametrize(
    "changes", [{"prior": "gaussian"}, {"latent_layers": 2}, {"amortised": True}]
)
def test_what_the_method_chooses_cannot_be_set(changes, make_config):
    model = ModelConfig(latent_dim=2, data_shape=(2,), **changes)
    with pytest.raises(ValueError, match="chosen by the method"):
        make_config(model=model)


def test_settings_are_frozen(make_config):
    with pytest.raises(FrozenInstanceError):
        make_config().epochs = 5
