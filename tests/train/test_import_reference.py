"""Checkpoints in the layout of the public scripts, imported at the command line's function."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from lebm.checkpoint import load
from lebm.model import LatentEBM, ModelConfig
from train.import_reference import main


@pytest.fixture
def model() -> LatentEBM:
    torch.manual_seed(0)
    config = ModelConfig(3, (3, 32, 32), width=1, prior_hidden=6, prior_activation="gelu")
    return LatentEBM(config).requires_grad_(False)


@pytest.fixture
def file(model, tmp_path):
    """The model as the scripts save it: the energy is the output, layers are numbered by threes."""
    states: dict[str, dict[str, torch.Tensor]] = {"netE": {}, "netG": {}}
    for key, value in model.state_dict().items():
        network, _, layer, kind = key.split(".")
        if network == "prior":
            states["netE"][f"ebm.{layer}.{kind}"] = -value if layer == "4" else value
        else:
            states["netG"][f"gen.{int(layer) // 2 * 3}.{kind}"] = value
    path = tmp_path / "ckpt_000070.pth"
    torch.save(states, path)
    return path


def test_a_checkpoint_becomes_a_model_of_ours(file, model, tmp_path, capsys):
    out = tmp_path / "svhn.safetensors"
    assert main(file, out) == 0
    read, card = load(out)
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(read.prior.neg_energy(z), model.prior.neg_energy(z))
    assert torch.equal(read.generate(z), model.generate(z))
    assert card.prior_sampler.step_size == pytest.approx(0.08)  # δ = 0.4
    printed = capsys.readouterr().out
    assert "All 14 weights" in printed
    assert "The sign of f was not tested" in printed


def test_pictures_of_the_data_test_the_sign(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LEBM_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(24):
        Image.new("RGB", (32, 32), (10 * i, 0, 0)).save(folder / f"{i}.png")
    out = tmp_path / "svhn.safetensors"
    assert main(file, out, pictures=folder) == 0
    sentence = load(out)[1].facts["sign of f"]
    assert "is undecided by 22 pictures" in sentence
    assert sentence in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", None])
def test_a_file_that_is_none_is_one_sentence(tmp_path, capsys, content):
    path = tmp_path / "bad.pth"
    if content is not None:
        path.write_bytes(content)
    assert main(path, tmp_path / "out.safetensors") == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "out.safetensors").exists()
