"""The form's fields: whatever the dataclasses hold, the command says and tyro reads back."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest

from app.studies import options
from app.studies.options import Option, arguments, changed, field_docs
from train.command_line import parse
from train.config import OptimizerConfig, TrainConfig
from train.presets import PRESETS


@dataclass(frozen=True, slots=True)
class Inner:
    """Settings within settings."""

    rate: float = 0.1
    """How fast,
    per second."""
    shape: tuple[int, ...] = (2,)
    on: bool = False
    """A switch."""


@dataclass(frozen=True, slots=True)
class Odd:
    """Kinds of fields that may come some day."""

    inner: Inner
    """The inner ones."""
    off: bool = True
    method: Literal["plain", "fancy"] = "plain"
    limit: int | None = None
    pair: tuple[float, str] = (0.5, "a")
    where: Path | None = None
    maybe: Literal["a", "b"] | None = None
    level: Literal[1, 2] = 1
    others: Inner = field(default_factory=Inner)

    def __post_init__(self) -> None:
        if self.limit == 13:
            raise ValueError("limit cannot be 13")


def read_back(preset: TrainConfig | Odd, config: TrainConfig | Odd):
    return parse(type(preset), default=preset, args=arguments(preset, config))


def other(option: Option, value, rng: random.Random):
    """Another value than this one that the option may have."""
    if option.choices:
        return rng.choice([c for c in option.choices if c != value])
    if option.type is bool:
        return not value
    if value is None and option.type in (int, float):
        return option.type(rng.randrange(1, 5))
    if isinstance(value, int):
        return value + rng.randrange(1, 5)
    if isinstance(value, float):
        return value * rng.uniform(0.1, 0.9)
    if option.path[-1] == "betas":
        return (rng.uniform(0, 1), 0.99)
    if option.path[-1] == "data_shape" and len(value) == 1:
        return (value[0] + 1,)
    return {"data_shape": (3, 16, 16), "data_root": Path("my pictures") / "a"}.get(
        option.path[-1], Path("runs/x")
    )


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_as_it_is_needs_no_arguments(name: str) -> None:
    _, preset = PRESETS[name]
    assert arguments(preset, preset) == []
    known = [o for o in options.options(TrainConfig) if o.belongs_to(preset)]
    shown = {o.path: o.parse(options.words(o.of(preset))) for o in known}
    assert changed(preset, shown) == preset  # what the form shows is what the preset holds


@pytest.mark.parametrize("name", PRESETS)
def test_the_command_line_reads_back_as_the_form(name: str) -> None:
    """Each option by itself, then many at once: exactly the same config on the other side."""
    _, preset = PRESETS[name]
    rng = random.Random(name)
    elsewhere = {("model", name) for name in ("prior", "latent_layers", "amortised")}  # or refused
    elsewhere |= {("model", "text", "vocabulary", "words")}
    if preset.model.text is not None:
        elsewhere |= {("method",)}  # few learn sentences
    known = [
        option
        for option in options.options(TrainConfig)
        if option.path not in elsewhere and option.belongs_to(preset)
    ]
    assert len(known) > 25
    for some in [*([o] for o in known), *(rng.sample(known, 8) for _ in range(5)), known]:
        values = {o.path: other(o, o.of(preset), rng) for o in some}
        config = changed(preset, values)
        assert all(option.of(config) == values[option.path] for option in some)
        texts = {o.path: o.parse(options.words(o.of(config))) for o in some}
        assert changed(preset, texts) == config
        assert read_back(preset, config) == config


@pytest.mark.parametrize(
    "change",
    [
        {"off": False, "limit": 7},
        {"inner": Inner(on=True, shape=(1, 2, 3), rate=1e-7)},
        {"pair": (-1.5, "b"), "where": Path("x/y"), "maybe": "b", "level": 2},
        {"others": Inner(shape=(), on=True)},
    ],
)
def test_fields_that_do_not_exist_yet_will_be_options_too(change) -> None:
    preset = Odd(Inner(), limit=3)
    config = replace(preset, **change)
    assert read_back(preset, config) == config
    back = {o.path: o.parse(options.words(o.of(config))) for o in options.options(Odd)}
    assert changed(preset, back) == config
    assert read_back(config, preset) == preset


def test_docstrings_under_fields_are_their_help() -> None:
    assert field_docs(Inner) == {"rate": "How fast, per second.", "on": "A switch."}
    assert all(option.help for option in options.options(TrainConfig))
    assert set(field_docs(OptimizerConfig)) == set(OptimizerConfig.__dataclass_fields__)


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("batch_size", "many", "--batch-size cannot be 'many': expected"),
        ("optimizer.betas", "0.5", "--optimizer.betas cannot be '0.5': expected"),
        ("optimizer.lr_prior", "", "--optimizer.lr-prior cannot be '': expected"),
        ("posterior_chains", "long", "--posterior-chains cannot be 'long': invalid"),
    ],
)
def test_a_text_of_another_kind_is_one_sentence(path: str, text: str, said: str) -> None:
    (option,) = [o for o in options.options(TrainConfig) if ".".join(o.path) == path]
    with pytest.raises(ValueError, match=said):
        option.parse(text)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("batch_size", 0, "batch_size must be at least 1, not 0"),
        ("optimizer.lr_prior", 2.0, "optimizer.lr_prior must lie in"),
        ("prior_sampler.n_steps", -1, "prior_sampler: n_steps must be at least 0, not -1"),
        ("model.data_shape", (1, 2), "model: data_shape must be"),
    ],
)
def test_a_value_out_of_range_is_the_dataclass_own_sentence(path: str, value, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        changed(PRESETS["digits"][1], {tuple(path.split(".")): value})
