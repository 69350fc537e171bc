"""Long chains of a model that learned with short ones, judged on the command line."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lebm import checkpoint, langevin, zoo
from lebm.checkpoint import ModelCard
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.noise import ChainNoise
from train import long_run, records, report
from train.long_run import Judged, Options

SAMPLER = LangevinConfig(n_steps=5, step_size=0.1)
PLANE = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)


@pytest.fixture
def save(tmp_path):
    """A model's file; keywords replace fields of its config."""

    def make(sampler: LangevinConfig = SAMPLER, **changes) -> Path:
        torch.manual_seed(0)
        card = ModelCard("toy", sampler, sampler, sampler)
        checkpoint.save(tmp_path / "toy.safetensors", LatentEBM(replace(PLANE, **changes)), card)
        return tmp_path / "toy.safetensors"

    return make


@pytest.fixture
def command(monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["long_run", "--accelerator", "cpu", *arguments])
        return long_run.main(), *capsys.readouterr()

    return run


def test_chains_are_judged_where_one_long_run_ends(save, command, tmp_path, monkeypatch):
    """In batches of 3, of 8 chains: each has the noise of its number."""
    monkeypatch.setattr(long_run, "_BATCH", 3)
    file, json = save(), tmp_path / "long.json"
    status, said, _ = command(str(file), "--chains=8", "--steps=450", "--seed=3", f"--json={json}")
    assert status == 0
    (judged,) = records.load(json).as_type(list[Judged])
    assert said.strip() == long_run.table([judged])
    assert said.strip() in report.render(records.load(json))
    model, _ = checkpoint.load(file)
    density, noise = model.prior_density(), ChainNoise(3, range(8), 2)
    start = langevin.init(density, noise.at(0))
    whole = langevin.run(density, start, replace(SAMPLER, n_steps=450), noise=noise)
    norm = whole.z.norm(dim=-1)[5:]
    assert judged.mixing["norm"].mean == pytest.approx(float(norm.mean()), rel=1e-5)
    shift = (norm[-1].median() - norm[0].median()) / norm[0].std()
    assert judged.verdict.norm_shift == pytest.approx(float(shift), rel=1e-4)
    assert (judged.chains, judged.diverged, judged.short_step) == (8, 0, 5)


def test_chains_of_the_zoo_are_steady(command):
    """As the explorer's page finds them; too few steps say nothing of mixing."""
    digits = zoo.paths()["digits"]
    status, said, _ = command(str(digits), "--chains=64", "--steps=300")
    assert status == 0
    assert "| steady |" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"models": ()}, "name at least one model"),
        ({"chains": 1}, "chains must be from 2 to 4,000, not 1"),
        ({"seed": -1}, "seed must be from 0"),
    ],
)
def test_settings_outside_their_range_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Options(**{"models": (Path("toy"),)} | options)


def test_models_without_long_chains_are_a_sentence(save, command, tmp_path):
    status, _, errors = command(str(save()), "--steps=5")
    assert (status, "--steps must be more, not 5" in errors) == (1, True)
    status, _, errors = command(str(save(prior="gaussian")))
    assert (status, "draws from its prior exactly" in errors) == (1, True)
    (tmp_path / "run").mkdir()
    status, _, errors = command(str(tmp_path / "run"))
    assert (status, "holds no checkpoint" in errors) == (1, True)
    status, _, errors = command(str(tmp_path / "nothing"))
    assert (status, "nothing" in errors) == (1, True)


def test_diverged_chains_are_counted_and_left_out_or_a_sentence(save, command):
    wild = replace(SAMPLER, step_size=50.0)
    status, _, errors = command(str(save(wild)), "--chains=4", "--steps=50")
    assert (status, "4 of 4 chains diverged" in errors) == (1, True)
