"""Settings are checked where they are made."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import pytest

from train.config import OptimizerConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("epochs", 0),
        ("epochs", -3),
        ("save_every", 0),
        ("log_every", 0),
        ("seed", -1),
        ("seed", 2**63),
        ("threads", -1),
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


def test_settings_are_frozen(make_config):
    with pytest.raises(FrozenInstanceError):
        make_config().epochs = 5
