"""A run that diverged goes on from where it saved last, in a folder of its own."""

from __future__ import annotations

import csv
import errno
import os
from pathlib import Path

import pytest
import torch

from train.run_dir import RunDir

OPTIONS = {
    "epochs": 3,
    "batch-size": 2000,
    "log-every": 1,
    "save-every": 2,
    "threads": 1,
    "accelerator": "cpu",
    "model.latent-dim": 3,
    "model.width": 4,
    "model.prior-hidden": 4,
    "prior-sampler.n-steps": 2,
    "posterior-sampler.n-steps": 2,
    "reconstruction.n-steps": 2,
    "posterior-chains": "persistent",
    "optimizer.lr-decay": 0.5,
}
TINY = [f"--{name}={value}" for name, value in OPTIONS.items()]
OLD, NEW = RunDir(Path("runs/ring")), RunDir(Path("runs/ring-2"))


def rates(state: dict) -> list[float]:
    names = ("prior_optimizer", "generator_optimizer")
    return [state[name]["param_groups"][0]["lr"] for name in names]


def steps(run: RunDir) -> list[int]:
    rows = csv.DictReader((run.path / "metrics.csv").read_text().splitlines())
    return [int(row["step"]) for row in rows]


@pytest.fixture
def diverged(command, monkeypatch):
    """A run of 15 iterations that diverged in its eighth, after a save at 6."""
    from train.trainer import Trainer

    iterate = Trainer._iterate

    def spoiled(trainer):
        iteration = iterate(trainer)
        if trainer.step == 7:
            iteration["f_gap"] = torch.tensor(torch.nan)
        return iteration

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_iterate", spoiled)
        status, text = command("ring", *TINY)
    assert status == 1
    assert "diverged at step 8: f_gap is not finite" in text
    return OLD.load_state()


def test_a_class_that_is_held_out_stays_divided_as_it_was(command, monkeypatch):
    """Else the new seed would make test examples of what the old run has learned from."""
    assert command("digits-anomaly", *TINY)[0] == 0
    monkeypatch.setattr("train.trainer.Trainer.fit", lambda trainer, watch: False)
    assert command("rewind", "runs/digits-anomaly")[0] == 0
    old, new = (RunDir(Path(f"runs/digits-anomaly{n}")).config() for n in ("", "-2"))
    assert new.seed != old.seed
    assert new.split == old.split


def test_it_stands_where_the_old_run_saved_last(command, diverged, monkeypatch):
    monkeypatch.setattr("train.trainer.Trainer.fit", lambda trainer, watch: False)
    assert command("rewind", "runs/ring")[0] == 0
    state = NEW.load_state()
    assert state["step"] == diverged["step"] == 6
    assert all(map(torch.equal, state["model"].values(), diverged["model"].values()))
    assert torch.equal(state["memory"], diverged["memory"])
    assert not torch.equal(state["rng"], diverged["rng"])
    assert rates(state) == pytest.approx([rate / 2 for rate in rates(diverged)])
    assert state["command"] == "python -m train rewind runs/ring"
    old, new = OLD.config(), NEW.config()
    assert (new.seed, new.optimizer.lr_prior) == (old.seed + 1, old.optimizer.lr_prior / 2)


def test_it_keeps_the_history_and_goes_on_to_the_end(command, diverged):
    kept = OLD.path / "metrics.csv"
    before = kept.read_bytes()
    status, text = command("rewind", "runs/ring", "--seed", "9", "--lr-scale", "0.1")
    assert status == 0
    assert "runs/ring-2: ring, 10000 examples, 9 iterations to go" in text
    assert steps(NEW) == list(range(1, 16))
    assert [f.stem for f in NEW.checkpoints()] == [f"step-{n:06d}" for n in (*range(2, 15, 2), 15)]
    assert (NEW.path / "samples" / "prior-000004.png").exists()
    assert kept.read_bytes() == before
    assert NEW.config().seed == 9
    decayed = OLD.config().optimizer.lr_prior * 0.1 * 0.5**3
    assert rates(NEW.load_state())[0] == pytest.approx(decayed)


def test_a_rewound_run_can_be_resumed(command, diverged):
    command("rewind", "runs/ring")
    assert command("resume", "runs/ring-2", "--epochs", "4")[0] == 0
    assert steps(NEW)[-1] == 20


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--lr-scale", "1e6"], "optimizer.lr_prior must lie in (0, 1), not"),
        (["--seed", "-1"], "seed must be from 0 to"),
        (["--out", "runs/ring"], "already holds a run"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(options, said, command, diverged):
    status, text = command("rewind", "runs/ring", *options)
    assert status == 1
    assert said in text
    assert not NEW.path.exists()


def test_a_state_that_does_not_fit_is_the_old_run_s(command, diverged):
    OLD.save_state(diverged | {"n_examples": 3})
    status, text = command("rewind", "runs/ring")
    assert status == 1
    assert text.startswith("error: runs/ring was trained on 3 examples, the data set now has 10000")
    assert not NEW.path.exists()


def test_a_full_disk_is_one_sentence_and_leaves_no_run(command, diverged, monkeypatch):
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    status, text = command("rewind", "runs/ring")
    assert status == 1
    assert text == "error: [Errno 28] No space left on device: 'runs/ring-2/state.pt'\n"
    assert not (NEW.path / "config.json").exists()


def test_a_run_that_saved_nothing_cannot_be_rewound(command, diverged):
    (OLD.path / "state.pt").unlink()
    status, text = command("rewind", "runs/ring")
    assert status == 1
    assert text == "error: runs/ring saved nothing to go back to: start it anew\n"
