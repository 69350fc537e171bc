"""The command line, in this process: help, refusals, a run, a continued run, divergence."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

import lebm
from train import data, run_lock
from train.data import Dataset, toys
from train.presets import PRESETS
from train.run_dir import End, RunDir

OPTIONS = {
    "epochs": 1,
    "batch-size": 2000,
    "log-every": 2,
    "threads": 1,
    "accelerator": "cpu",
    "model.latent-dim": 3,
    "model.width": 4,
    "model.prior-hidden": 4,
    "prior-sampler.n-steps": 2,
    "posterior-sampler.n-steps": 2,
    "reconstruction.n-steps": 2,
}
TINY = [f"--{name}={value}" for name, value in OPTIONS.items()]


def test_help_lists_every_preset_and_resume(command):
    status, text = command("--help")
    assert status == 0
    assert all(name in text for name in [*PRESETS, "resume"])


def test_help_of_a_preset_lists_its_options(command):
    status, text = command("digits", "--help")
    assert status == 0
    for option in ("--batch-size", "--epochs", "--seed", "--out", "--data-root", "--precision"):
        assert option in text
    for option in ("--model.latent-dim", "--model.noise-std", "--prior-sampler.step-size"):
        assert option in text
    for option in ("--posterior-sampler.n-steps", "--optimizer.lr-prior", "--posterior-chains"):
        assert option in text


def test_help_says_which_data_are_downloaded_and_which_are_looked_for(command):
    _, text = command("ptb", "--help")
    said = " ".join(text.replace("│", " ").split())
    assert "images are downloaded into ./data" in said
    assert "sentences of ptb, snli and yahoo are looked for there" in said


def test_help_of_resume_says_what_it_takes(command):
    status, text = command("resume", "--help")
    assert status == 0
    assert "--epochs" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ring", "--batch-size", "0"], "batch_size must be at least 1, not 0"),
        (["ring", "--seed", "-1"], "seed must be from 0 to"),
        (["ring", "--optimizer.lr-prior", "2"], "optimizer.lr_prior must lie in (0, 1), not 2"),
        (["ring", "--optimizer.lr-prior", "fast"], "fast"),
        (["ring", "--model.noise-std", "0"], "noise_std must be"),
        (["ring", "--prior-sampler.step-size", "-1"], "step_size must be above 0"),
        (["ring", "--posterior-chains", "long"], "long"),
        (["ring", "--no-such-option", "1"], "no-such-option"),
        (["ring", "--model.latent-dim", "0"], "Error parsing model: latent_dim must be from 1"),
        (["ring", "--batch-size", "0"], "see python -m train ring --help"),
        (["ring", "--bach-size", "9"], "Perhaps you meant: --batch-size INT"),
        (["cifar"], "there is no preset cifar: did you mean cifar10? `python -m train --help`"),
        (["minst"], "did you mean mnist?"),
        (["rewynd", "runs/ring"], "did you mean rewind?"),
        (["nothing"], "there is no preset nothing: `python -m train --help` lists them"),
        (["--nothing"], "nothing"),
        ([], "ring"),
        (["resume"], "Missing from python -m train resume: PATH The run's directory."),
        (["rewind", "nowhere", "--lr-scale", "0"], "lr_scale must be above 0, not 0"),
        (["resume", "nowhere"], "nowhere holds no run"),
        (["ring", "--model.data-shape", "3"], "--model.data-shape"),
        (["mnist", "--data-root", "nowhere"], "no whole copy under nowhere"),
        (["image-folder"], "--data-root"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_in_words_and_a_status(arguments, said, command, tmp_path):
    status, text = command(*arguments)
    assert status != 0
    assert said in " ".join(text.replace("│", " ").split())
    assert "Traceback" not in text
    assert not (tmp_path / "runs").exists()


def test_a_mistake_in_one_preset_s_options_names_no_other_preset(command):
    _, text = command("digits", "--bach-size", "9")
    assert not any(f" {name} " in text for name in PRESETS if name != "digits")


def test_a_run_trains_and_says_where_its_model_is(command, tmp_path):
    status, text = command("ring", *TINY)
    assert status == 0
    last = "runs/ring/checkpoints/step-000005.safetensors"
    assert text.splitlines()[-1] == f"done: {last}"
    _, card = lebm.load(tmp_path / last)
    assert card.facts["command"] == f"python -m train ring {' '.join(TINY)}"


def test_a_second_run_has_its_own_folder_and_a_given_one_is_not_overwritten(command, tmp_path):
    assert command("ring", *TINY)[0] == 0
    status, text = command("ring", *TINY)
    assert status == 0
    assert "runs/ring-2" in text
    status, text = command("ring", *TINY, "--out", "runs/ring")
    assert status == 1
    assert "already holds a run" in text


@pytest.fixture
def rival(command, monkeypatch, make_config) -> RunDir:
    """A run that another process begins while this one's data are read."""
    run, load, config = RunDir(Path("runs/ring")), data.load, make_config(seed=7)

    def begin_and_load(*arguments, **options):
        run.create(config)
        return load(*arguments, **options)

    monkeypatch.setattr(data, "load", begin_and_load)
    return run


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ([], 0, "done: runs/ring-2/checkpoints"),
        (["--out", "runs/ring"], 1, "error: runs/ring already holds a run"),
    ],
)
def test_a_run_that_another_process_begins_meanwhile_is_left_alone(
    options, status, said, command, rival
):
    got, text = command("ring", *TINY, *options)
    assert (got, said in text) == (status, True)
    assert rival.config().seed == 7
    assert not (rival.path / "metrics.csv").exists()


def test_a_finished_run_is_trained_for_longer(command, tmp_path):
    command("ring", *TINY)
    status, text = command("resume", "runs/ring", "--epochs", "2")
    assert status == 0
    assert "5 iterations to go" in text
    rows = list(csv.DictReader((tmp_path / "runs/ring/metrics.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["2", "4", "5", "6", "8", "10"]
    _, card = lebm.load(RunDir(tmp_path / "runs/ring").checkpoints()[-1])
    assert card.facts["command"].endswith(" && python -m train resume runs/ring --epochs 2")
    assert card.facts["command"].startswith("python -m train ring ")


def test_a_finished_run_has_nothing_to_go_on_with(command, tmp_path):
    command("ring", *TINY)
    before = (tmp_path / "runs/ring/state.pt").read_bytes()
    status, text = command("resume", "runs/ring")
    assert status == 0
    assert "0 iterations to go" in text
    assert (tmp_path / "runs/ring/state.pt").read_bytes() == before


def test_fewer_epochs_than_were_trained_are_refused(command, tmp_path):
    """A run that was stopped in its second epoch without a checkpoint, resumed to end at one."""
    command("ring", *TINY)
    run = RunDir(Path("runs/ring"))
    for path in run.checkpoints():
        path.unlink()
    run.save_state(run.load_state() | {"step": 7})
    before = (tmp_path / "runs/ring/config.json").read_bytes()
    status, text = command("resume", "runs/ring")
    assert status == 1
    assert "has done 7 iterations" in text
    assert (tmp_path / "runs/ring/config.json").read_bytes() == before


def test_a_run_stopped_just_before_its_end_is_not_asked_to_end_there(command):
    """It has no checkpoint yet, and no iteration to go in which to save one."""
    command("ring", *TINY)
    for path in RunDir(Path("runs/ring")).checkpoints():
        path.unlink()
    status, text = command("resume", "runs/ring")
    assert status == 1
    assert "has done 5 iterations, --epochs 1 ends at 5: give more --epochs" in text


def test_fewer_minutes_than_were_spent_are_refused(command, tmp_path):
    """Of a run that was stopped before its first checkpoint, and of one that has a model."""
    command("ring", *TINY)
    run = RunDir(Path("runs/ring"))
    run.save_state(run.load_state() | {"step": 3, "seconds": 150.0})
    before = (tmp_path / "runs/ring/config.json").read_bytes()
    for _ in range(2):
        status, text = command("resume", "runs/ring", "--minutes", "1")
        assert status == 1
        assert "has learned for 2.5 minutes, --minutes 1 is over: give more --minutes" in text
        for path in run.checkpoints():
            path.unlink()
    assert (tmp_path / "runs/ring/config.json").read_bytes() == before
    status, text = command("resume", "runs/ring", "--minutes", "3")
    assert (status, "1 iteration to go" in text) == (0, True)


def test_a_run_whose_minutes_are_over_has_nothing_to_go_on_with(command):
    """Its last iteration ended a moment after them."""
    command("ring", *TINY)
    run = RunDir(Path("runs/ring"))
    command("resume", "runs/ring", "--minutes", "5")
    run.save_state(run.load_state() | {"step": 3, "seconds": 500.0})
    for more in ([], ["--minutes", "5"]):
        status, text = command("resume", "runs/ring", *more)
        assert (status, " 0 iterations to go" in text) == (0, True)


@pytest.mark.parametrize("way", ["resume", "rewind"])
def test_a_run_of_another_version_s_settings_is_not_gone_on_with(way, command):
    command("ring", *TINY)
    file = Path("runs/ring/config.json")
    settings = json.loads(file.read_text())
    settings["amortised"]["refine_steps"] = 5
    file.write_text(json.dumps(settings | {"sharpness": 2.0}))
    status, text = command(way, "runs/ring")
    assert status == 1
    assert text.startswith("error: runs/ring was started with sharpness, amortised.refine_steps,")
    assert json.loads(file.read_text())["sharpness"] == 2.0


@pytest.mark.parametrize("name", ["config.json", "state.pt"])
def test_a_damaged_run_is_refused_in_one_line(name, command, tmp_path):
    command("ring", *TINY)
    (tmp_path / "runs/ring" / name).write_bytes(b"damaged")
    status, text = command("resume", "runs/ring")
    assert status == 1
    assert text.startswith("error: ")
    assert name in text
    assert len(text.splitlines()) == 1


def test_a_run_says_how_it_ended(command, monkeypatch):
    run = RunDir(Path("runs/ring"))
    command("ring", *TINY)
    assert run.end() == End("finished", 5)
    monkeypatch.setattr("train.trainer.Trainer.fit", lambda trainer, watch: False)
    command("resume", "runs/ring", "--epochs", "2")
    assert run.end() == End("stopped", 5)


def test_a_run_that_another_process_trains_is_left_alone(command):
    command("ring", *TINY)
    before = RunDir(Path("runs/ring")).config()
    with run_lock.hold(Path("runs/ring")):
        status, text = command("resume", "runs/ring", "--epochs", "2")
    assert status == 1
    assert "error: runs/ring is being trained by process" in text
    assert RunDir(Path("runs/ring")).config() == before


def test_divergence_is_one_line_and_status_1(command):
    status, text = command("ring", *TINY, "--prior-sampler.step-size", "1e6", "--log-every", "1")
    assert status == 1
    header, error = text.splitlines()
    assert header.startswith("runs/ring: ring, 10000 examples, 5 iterations to go")
    assert error.startswith("error: diverged at step 1:")
    end = RunDir(Path("runs/ring")).end()
    assert (end.how, error) == ("diverged", f"error: {end.sentence}")


def test_digits_train_too(command):
    status, text = command("digits", *TINY, "--model.width", "1")
    assert status == 0
    assert "digits, 1500 examples, 1 iteration to go" in text


def test_a_run_on_data_that_are_not_finite_never_begins(command, tmp_path, monkeypatch):
    """As a generator of points with a fault would give them."""

    def faulty(name, points):
        points[17] = float("nan")
        return Dataset(name, torch.from_numpy(points[:100]), torch.from_numpy(points[100:]))

    monkeypatch.setattr(toys, "_points", faulty)
    status, said = command("ring", *TINY)
    assert status == 1
    assert said.startswith("error: ring: training example 17 (counted from 0)")
    assert list(tmp_path.iterdir()) == []
