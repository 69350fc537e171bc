from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from app.models import MAX_OPENED, Opened, list_models
from lebm import zoo
from lebm.checkpoint import CheckpointError, ModelCard, load, save
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig

IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
SAMPLER = LangevinConfig(n_steps=6, step_size=0.05)


def test_the_zoo_and_the_newest_checkpoint_of_every_run_are_listed(
    save_run: Callable[..., Path], tmp_path: Path
) -> None:
    save_run("one", step=5)
    newest = save_run("one", step=20)
    entries = list_models(tmp_path / "runs")
    assert set(entries) == {*zoo.paths(), "runs/one"}
    assert entries["runs/one"].path == newest
    assert "20" in entries["runs/one"].note


def test_a_run_without_a_checkpoint_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "young").mkdir()
    (tmp_path / "young" / "config.json").write_text("{}")
    assert "runs/young" not in list_models(tmp_path)


def test_a_missing_folder_lists_the_zoo_alone(tmp_path: Path) -> None:
    assert set(list_models(tmp_path / "nowhere")) == set(zoo.paths())


def test_the_chosen_run_lists_every_checkpoint(
    save_run: Callable[..., Path], tmp_path: Path
) -> None:
    oldest = save_run("one", step=5)
    save_run("one", step=20)
    save_run("two", step=7)
    ids = {"runs/one", "runs/one@000005", "runs/one@000020", "runs/two"}
    for chosen in ("runs/one", "runs/one@000005", "runs/one@gone"):
        entries = list_models(tmp_path / "runs", chosen)
        assert set(entries) - set(zoo.paths()) == ids
        assert entries["runs/one@000005"].path == oldest
    ids = {"runs/one", "runs/two"}
    assert set(list_models(tmp_path / "runs", "runs/../one")) == {*zoo.paths(), *ids}


def file_of(build: Callable[[ModelConfig], LatentEBM], tmp_path: Path) -> bytes:
    card = ModelCard("mine", SAMPLER, SAMPLER, SAMPLER)
    save(tmp_path / "mine.safetensors", build(IMAGES), card)
    return (tmp_path / "mine.safetensors").read_bytes()


def test_an_opened_file_is_a_model(build, tmp_path: Path) -> None:
    opened = Opened()
    model_id = opened.add("mine.safetensors", file_of(build, tmp_path))
    assert model_id == "upload/mine.safetensors"
    model, card = load(opened.entries[model_id].path)
    assert model.config == IMAGES
    assert card.name == "mine"


def test_a_checkpoint_of_the_authors_says_what_was_found(build, tmp_path: Path) -> None:
    config = ModelConfig(3, (3, 32, 32), width=1, prior_hidden=6, prior_activation="gelu")
    model = build(config)
    states: dict[str, dict] = {"netE": {}, "netG": {}}
    for key, value in model.state_dict().items():
        network, _, layer, kind = key.split(".")
        part, name = ("netE", "ebm") if network == "prior" else ("netG", "gen")
        number = layer if network == "prior" else str(int(layer) // 2 * 3)
        states[part][f"{name}.{number}.{kind}"] = value
    torch.save(states, tmp_path / "ckpt.pth")
    opened = Opened()
    model_id = opened.add("ckpt.pth", (tmp_path / "ckpt.pth").read_bytes())
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    read, _ = load(opened.entries[model_id].path)
    torch.testing.assert_close(read.prior.neg_energy(z), -model.prior.neg_energy(z))
    assert "All 14 weights" in opened.findings[model_id][0]


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.exe", "../../a.safetensors", ""])
def test_a_file_that_is_no_model_is_one_sentence_and_keeps_nothing(name: str) -> None:
    opened = Opened()
    with pytest.raises(CheckpointError):
        opened.add(name, b"\x80\x04nonsense")
    assert opened.entries == {}


def test_a_session_keeps_a_few_files_and_the_newest(build, tmp_path: Path) -> None:
    opened, data = Opened(), file_of(build, tmp_path)
    ids = [opened.add(f"{i}.safetensors", data) for i in range(MAX_OPENED + 2)]
    assert list(opened.entries) == ids[2:]
    folder = next(iter(opened.entries.values())).path.parent
    assert len(list(folder.iterdir())) == 1  # one content, one file
    opened.add("again.safetensors", data)
    assert all(entry.path.exists() for entry in opened.entries.values())


def test_names_are_only_shown(build, tmp_path: Path) -> None:
    opened = Opened()
    model_id = opened.add("../../x/\n<b>.safetensors", file_of(build, tmp_path))
    entry = opened.entries[model_id]
    assert "\n" not in model_id
    assert set(entry.path.stem) <= set("0123456789abcdef")


def test_the_folder_goes_with_the_session(build, tmp_path: Path) -> None:
    opened = Opened()
    path = opened.entries[opened.add("a.safetensors", file_of(build, tmp_path))].path
    assert path.exists()
    del opened
    gc.collect()
    assert not path.parent.exists()
