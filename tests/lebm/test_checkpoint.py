"""Checkpoints: what is saved comes back, and a save that fails leaves what was there."""

from __future__ import annotations

import errno
import math
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import lebm
from lebm.checkpoint import PARTIAL, ModelCard, atomic_write, load, loads, save
from lebm.decoder import TextConfig
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.vocabulary import Vocabulary

CARD = ModelCard(
    name="tiny",
    prior_sampler=LangevinConfig(60, 0.08, temperature=0.5, max_radius=50.0),
    posterior_sampler=LangevinConfig(20, 0.005),
    reconstruction_sampler=LangevinConfig(40, 0.005),
    facts={"command": "python -m train tiny", "minutes": 1.5, "seed": 3},
)
CONFIGS = [
    ModelConfig(2, (2,), width=4, prior_hidden=4),
    ModelConfig(3, (5,), width=4, noise_std=0.1, prior_hidden=4, prior_activation="gelu"),
    ModelConfig(4, (1, 8, 8), width=2, prior_hidden=4),
    ModelConfig(4, (3, 32, 32), width=1, prior_hidden=4),
    ModelConfig(3, (6,), width=2, prior="gaussian"),
    ModelConfig(3, (7,), width=2, prior="mixture", mixture_components=4),
    ModelConfig(6, (8,), width=2, prior="gaussian", latent_layers=3, prior_hidden=4),
    ModelConfig(3, (9,), width=2, prior_hidden=4, amortised=True),
    ModelConfig(3, (5,), width=4, text=TextConfig(4, 9, Vocabulary(("don't", '"', "caf\u00e9")))),
]


def fill_the_disk(monkeypatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: str(c.data_shape))
def test_a_model_comes_back_bit_for_bit(config, tmp_path, rng):
    model, path = LatentEBM(config), tmp_path / "tiny.safetensors"
    save(path, model, CARD)
    again, card = load(path)
    weights = model.state_dict()
    assert again.config == config
    assert card == CARD
    assert again.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[name]) for name, value in again.state_dict().items())
    z = torch.randn(2, config.latent_dim, generator=rng)
    torch.testing.assert_close(again.generator(z), model.generator(z), rtol=0, atol=1e-6)
    assert torch.equal(again.prior.unnorm_log_prob(z), model.prior.unnorm_log_prob(z))


def test_a_loaded_model_is_ready_for_sampling(tmp_path, rng):
    save(tmp_path / "tiny.safetensors", LatentEBM(CONFIGS[2]), CARD)
    model, card = load(tmp_path / "tiny.safetensors")
    assert not model.training
    assert not any(p.requires_grad or p.is_meta for p in model.parameters())
    x = torch.zeros(2, 1, 8, 8)
    assert model.reconstruct(x, card.posterior_sampler, generator=rng).isfinite().all()


def test_saving_again_gives_a_file_that_says_the_same(tmp_path):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save(first, LatentEBM(CONFIGS[0]), CARD)
    model, card = load(first)
    save(second, model, card)
    again, again_card = load(second)
    assert (again.config, again_card) == (model.config, card)
    assert all(map(torch.equal, again.state_dict().values(), model.state_dict().values()))


def test_bytes_load_as_the_file_does(tmp_path):
    save(tmp_path / "tiny.safetensors", LatentEBM(CONFIGS[0]), CARD)
    model, card = loads((tmp_path / "tiny.safetensors").read_bytes())
    assert card == CARD
    assert model.config == CONFIGS[0]


def test_saving_leaves_the_model_as_it_was(tmp_path):
    model = LatentEBM(CONFIGS[0])
    save(tmp_path / "tiny.safetensors", model, CARD)
    assert model.training
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "σ\n\"'", "facts": {"é": "\u2028"}},
        {"facts": {"test MSE": math.nan, "log p(x)": -math.inf}},
    ],
    ids=["odd characters", "facts that are not finite"],
)
def test_every_card_that_can_be_saved_can_be_loaded(changes, tmp_path):
    card = replace(CARD, **changes)
    save(tmp_path / "tiny.safetensors", LatentEBM(CONFIGS[0]), card)
    _, again = load(tmp_path / "tiny.safetensors")
    assert again.name == card.name
    assert again.facts.keys() == card.facts.keys()


def test_an_endless_radius_is_refused_and_the_largest_one_comes_back(tmp_path):
    """JSON has no infinity."""
    with pytest.raises(ValueError, match="max_radius must be above 0 and finite, not inf"):
        LangevinConfig(1, 0.1, max_radius=math.inf)
    largest = LangevinConfig(1, 0.1, max_radius=sys.float_info.max)
    card = replace(CARD, prior_sampler=largest)
    save(tmp_path / "tiny.safetensors", LatentEBM(CONFIGS[0]), card)
    assert load(tmp_path / "tiny.safetensors")[1] == card


def test_a_full_disk_leaves_the_old_checkpoint_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "tiny.safetensors"
    save(path, LatentEBM(CONFIGS[0]), CARD)
    before = path.read_bytes()
    fill_the_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        save(path, LatentEBM(CONFIGS[0]), CARD)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_at_the_first_save_leaves_nothing(tmp_path, monkeypatch):
    fill_the_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path / "tiny.safetensors", LatentEBM(CONFIGS[0]), CARD)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_writing_leaves_no_rest(tmp_path, monkeypatch):
    def fsync(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_data_are_on_disk_before_the_name_points_to_them(tmp_path, monkeypatch):
    """At the moment of fsync the old content is still there under the name."""
    path, seen = tmp_path / "file", []
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(path.read_bytes()))
    atomic_write(path, b"new")
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"


def test_a_missing_folder_is_an_os_error_that_names_the_file_asked_for(tmp_path):
    path = tmp_path / "nowhere" / "tiny.safetensors"
    with pytest.raises(OSError, match="No such file") as caught:
        save(path, LatentEBM(CONFIGS[0]), CARD)
    assert caught.value.filename == str(path)
    assert PARTIAL not in str(caught.value)


def test_the_package_offers_what_reads_and_writes_its_files():
    assert "archive" in lebm.__all__
    assert lebm.load is load
    assert lebm.save is save
    assert Path(lebm.__file__).parent.name == "lebm"
