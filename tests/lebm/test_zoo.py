"""The models that come with the library."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from lebm import langevin, zoo
from lebm.checkpoint import CheckpointError, ModelCard, save
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig

FACTS = {"data", "command", "minutes", "hardware", "seed", "iterations"}


@pytest.mark.parametrize("name", zoo.paths())
def test_a_model_loads_and_its_card_says_how_it_was_made(name):
    model, card = zoo.load_model(name)
    assert card.name == name
    assert card.facts.keys() >= FACTS
    assert str(card.facts["command"]).startswith("python -m train ")
    assert card.prior_sampler.n_steps > 0
    assert card.reconstruction_sampler.n_steps > 0
    assert not model.training


@pytest.mark.parametrize("path", zoo.paths().values(), ids=lambda path: path.stem)
def test_a_model_is_a_small_download(path):
    assert path.stat().st_size <= 5_000_000


@pytest.mark.parametrize("name", zoo.paths())
def test_a_model_s_own_chains_stay_finite(name, rng):
    model, card = zoo.load_model(name)
    start = model.prior.sample_base(4, generator=rng)
    density, sampler = model.prior.unnorm_log_prob, card.prior_sampler
    end = langevin.sample(density, start, sampler, generator=rng)
    assert end.norm(dim=-1).max() < sampler.max_radius
    x = model.generate(end)
    assert x.shape[1:] == model.config.data_shape
    assert model.reconstruct(x, card.reconstruction_sampler, generator=rng).isfinite().all()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A zoo of two files: one model, and one that is none."""
    sampler = LangevinConfig(1, 0.1)
    model = LatentEBM(ModelConfig(2, (2,), width=2, prior_hidden=2))
    save(tmp_path / "b.safetensors", model, ModelCard("b", sampler, sampler, sampler))
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    (tmp_path / "README.md").write_text("no model")
    monkeypatch.setattr(zoo, "_FOLDER", tmp_path)
    return tmp_path


def test_paths_are_the_models_by_name(folder):
    assert zoo.paths() == {name: folder / f"{name}.safetensors" for name in ("a", "b")}
    assert list(zoo.paths()) == ["a", "b"]


def test_a_model_is_loaded_by_name(folder):
    model, card = zoo.load_model("b")
    assert card.name == "b"
    assert model.generate(torch.zeros(1, 2)).shape == (1, 2)


def test_an_unknown_name_lists_the_known(folder):
    with pytest.raises(ValueError, match=r"no model 'c'.* a, b"):
        zoo.load_model("c")


@pytest.mark.parametrize("name", ["../b", "b.safetensors", "", "/etc/passwd"])
def test_a_name_is_no_path(folder, name):
    with pytest.raises(ValueError, match="no model"):
        zoo.load_model(name)


def test_a_damaged_model_is_a_checkpoint_error(folder):
    with pytest.raises(CheckpointError, match=r"a\.safetensors"):
        zoo.load_model("a")


def test_loading_a_model_does_not_load_a_compiler():
    script = "import sys; from lebm import zoo; zoo.load_model('digits'); print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", script], text=True).split()
    assert "lebm.zoo" in modules
    assert "torch._dynamo" not in modules
