"""Run directories: settings that come back, folders that are not overwritten, damage."""

from __future__ import annotations

import io
import json
import pickle
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lebm.langevin import LangevinConfig
from train.config import TrainConfig
from train.presets import PRESETS
from train.run_dir import RunDir, RunError, make_first_free


def create(config: TrainConfig, preset: str = "ring") -> RunDir:
    run = RunDir.choose(config.out, preset)
    run.create(config)
    return run


@pytest.fixture
def run(tmp_path, make_config) -> RunDir:
    return create(make_config(out=tmp_path / "run"))


def refused(function) -> str:
    with pytest.raises(RunError) as caught:
        function()
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize("name", PRESETS)
def test_settings_of_every_preset_come_back(name, tmp_path):
    config = replace(PRESETS[name][1], out=tmp_path / "a", data_root=Path("some/where"), seed=7)
    create(config, name)
    assert RunDir(tmp_path / "a").config() == config


def test_settings_without_paths_come_back(tmp_path, monkeypatch, make_config):
    monkeypatch.chdir(tmp_path)
    assert create(make_config()).config() == make_config()


def test_the_largest_radius_comes_back(tmp_path, make_config):
    """An endless one is no setting of a chain."""
    largest = LangevinConfig(3, 0.1, max_radius=sys.float_info.max)
    config = make_config(out=tmp_path / "run", prior_sampler=largest)
    assert create(config).config() == config


def test_default_folders_are_numbered(tmp_path, monkeypatch, make_config):
    monkeypatch.chdir(tmp_path)
    runs = [create(make_config()).path for _ in range(3)]
    assert runs == [Path("runs/ring"), Path("runs/ring-2"), Path("runs/ring-3")]
    assert create(make_config(), "digits").path == Path("runs/digits")


def test_whoever_asks_has_a_folder_of_its_own(tmp_path):
    """A link that leads nowhere is in the way, too."""
    (tmp_path / "ring-2").symlink_to("nowhere")
    made = [make_first_free(tmp_path / "ring") for _ in range(2)]
    assert made == [tmp_path / "ring", tmp_path / "ring-3"]
    assert all(path.is_dir() for path in made)
    (tmp_path / "runs").symlink_to("nowhere")
    with pytest.raises(RunError, match="runs/ring cannot be made: File exists"):
        make_first_free(tmp_path / "runs" / "ring")


def test_a_folder_that_holds_a_run_is_refused(run, make_config):
    before = (run.path / "config.json").read_bytes()
    message = refused(lambda: create(make_config(out=run.path, seed=9)))
    assert f"python -m train resume {run.path}" in message
    assert (run.path / "config.json").read_bytes() == before


def test_an_existing_folder_without_a_run_is_taken(tmp_path, make_config):
    (tmp_path / "notes.txt").write_text("mine")
    create(make_config(out=tmp_path))
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "checkpoints").is_dir()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, make_config):
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "run"
    assert str(out) in refused(lambda: create(make_config(out=out)))


def test_checkpoints_are_in_order_of_steps(run):
    for step in (500, 20, 100_000):
        run.checkpoint_path(step).touch()
    (run.path / "checkpoints" / ".step-000001.safetensors.tmp").touch()
    steps = [int(path.stem.removeprefix("step-")) for path in run.checkpoints()]
    assert steps == [20, 500, 100_000]


def test_checkpoints_beyond_a_million_steps_are_still_in_order(run):
    for step in (999_500, 1_000_000):
        run.checkpoint_path(step).touch()
    assert run.checkpoints()[-1] == run.checkpoint_path(1_000_000)


def test_a_folder_without_a_run_has_no_settings(tmp_path):
    assert "holds no run" in refused(RunDir(tmp_path).config)


BAD_SETTINGS = {
    "empty": b"",
    "cut short": b'{"dataset": "ring", "mod',
    "a list": b"[]",
    "not UTF-8": b"\xff" * 20,
    "nested lists": b"[" * 100_000,
    "nested objects": b'{"model":' * 100_000,
}


@pytest.mark.parametrize("text", BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
def test_damaged_settings_are_refused(text, run):
    (run.path / "config.json").write_bytes(text)
    assert "config.json" in refused(run.config)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 0},
        {"batch_size": "8"},
        {"dataset": "mnist\nand more"},
        {"model": None},
        {"out": 5},
        {"prior_sampler": {"n_steps": -1, "step_size": 0.1}},
    ],
    ids=str,
)
def test_settings_outside_their_range_are_refused(change, run):
    settings = json.loads((run.path / "config.json").read_text())
    (run.path / "config.json").write_text(json.dumps(settings | change))
    assert "config.json" in refused(run.config)


def test_a_state_comes_back(run):
    state = {"step": 3, "weights": {"a": torch.arange(3.0)}, "memory": None, "command": "x"}
    run.save_state(state)
    again = run.load_state()
    assert torch.equal(again["weights"]["a"], state["weights"]["a"])
    assert (again["step"], again["memory"], again["command"]) == (3, None, "x")


def test_a_run_that_never_saved_has_no_state(run):
    assert run.load_state() is None


@pytest.fixture
def saved(run) -> bytes:
    run.save_state({"step": 3, "weights": torch.arange(1000.0)})
    return (run.path / "state.pt").read_bytes()


@pytest.mark.parametrize("length", [0, 1, 10, 500, 2000])
def test_a_state_cut_short_is_refused(length, run, saved):
    (run.path / "state.pt").write_bytes(saved[:length])
    assert "state.pt" in refused(run.load_state)


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_no_state(seed, run):
    (run.path / "state.pt").write_bytes(random.Random(seed).randbytes(500))
    assert "state.pt" in refused(run.load_state)


def test_a_mutated_state_loads_or_is_refused(run, saved):
    rng, errors = random.Random(0), []
    for _ in range(100):
        data = bytearray(saved)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        (run.path / "state.pt").write_bytes(data)
        try:
            run.load_state()
        except RunError as error:
            errors.append(str(error))
    assert errors
    assert all(message.isprintable() for message in errors)


def dump_plain(obj: object) -> bytes:
    return pickle.dumps(obj, protocol=2)


def dump_torch(obj: object) -> bytes:
    buffer = io.BytesIO()
    torch.save({"step": obj}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("dump", [dump_plain, dump_torch])
def test_a_malicious_state_is_refused_and_nothing_runs(dump, run, tmp_path):
    marker = tmp_path / "payload-ran"

    class Payload:
        def __reduce__(self):
            return Path.touch, (marker,)

    (run.path / "state.pt").write_bytes(dump(Payload()))
    refused(run.load_state)
    assert not marker.exists()


@pytest.mark.parametrize("obj", [[1, 2], 7, None], ids=str)
def test_a_state_that_is_no_dictionary_is_refused(obj, run):
    torch.save(obj, run.path / "state.pt")
    refused(run.load_state)
