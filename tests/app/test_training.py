"""Real training processes: started, found again, stopped, killed, resumed, rewound."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import training
from app.training import EXAMPLE, Run
from train import run_lock
from train.run_dir import End, RunDir, RunError

OPTIONS = {
    "batch-size": 1000,
    "epochs": 100000,
    "log-every": 1,
    "save-every": 5,
    "threads": 1,
    "accelerator": "cpu",
    "model.latent-dim": 3,
    "model.width": 4,
    "model.prior-hidden": 4,
    "prior-sampler.n-steps": 3,
    "posterior-sampler.n-steps": 3,
    "reconstruction.n-steps": 3,
}
ENDLESS = ["ring", *(f"--{name}={value}" for name, value in OPTIONS.items())]
PATIENCE = 120  # seconds


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Path]:
    """A folder for runs; whatever trains there in the end is killed."""
    yield tmp_path
    for folder in tmp_path.iterdir():
        if (owner := run_lock.owner(folder)) is not None and owner.pid != os.getpid():
            os.kill(owner.pid, signal.SIGKILL)


def look(folder: Path) -> Run:
    return training.look(folder.name, folder)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def step(folder: Path) -> int:
    """The last whole row of metrics.csv."""
    try:
        rows = (folder / "metrics.csv").read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return 0
    whole = [row for row in rows[1:] if row.endswith("\n")]
    return int(whole[-1].split(",")[0]) if whole else 0


def start(runs: Path, at_least: int = 6) -> Path:
    training.start(runs, "tiny", ENDLESS)
    folder = runs / "tiny"
    wait_for(lambda: step(folder) >= at_least or not look(folder).goes_on)
    return folder


def test_a_run_is_started_stopped_and_resumed(runs: Path) -> None:
    training.start(runs, "tiny", ENDLESS)
    assert look(runs / "tiny").status == "starting"  # from the first moment on
    with pytest.raises(RunError, match="tiny is being trained by process"):
        training.start(runs, "tiny", ENDLESS)
    assert training.free_name(runs, "tiny") == "tiny-2"
    folder = runs / "tiny"
    wait_for(lambda: step(folder) >= 6)
    run = look(folder)
    owner = run_lock.owner(folder)
    assert run.status == "training"
    assert owner is not None
    assert os.getsid(owner.pid) == owner.pid != os.getsid(0)  # a session of its own

    training.stop(run)
    assert look(folder).status in ("stopping", "stopped")
    training.stop(run)  # asked twice, it still saves
    wait_for(lambda: not look(folder).goes_on)
    reached = step(folder)
    assert RunDir(folder).end() == End("stopped", reached)
    assert look(folder).can_resume
    assert f"$ {training.shown(training.with_out(ENDLESS, folder))}" in training.log_tail(folder)
    assert f"stopped at iteration {reached}" in training.log_tail(folder)

    training.resume(look(folder))
    assert look(folder).status == "starting"
    wait_for(lambda: step(folder) > reached)
    training.stop(look(folder))
    wait_for(lambda: look(folder).status == "stopped")


def test_a_killed_run_was_interrupted_and_can_be_rewound(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = start(runs)
    owner = run_lock.owner(folder)
    assert owner is not None
    os.kill(owner.pid, signal.SIGKILL)
    wait_for(lambda: not look(folder).goes_on)
    run = look(folder)
    assert run.status == "interrupted"
    assert run.can_resume
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", lambda *_: pytest.fail("somebody else's process"))
        training.stop(run)  # its number stands in the lock still

    # The same folder, as if it had diverged: it is rewound into a folder of its own.
    RunDir(folder).save_end(End("diverged", 99, "diverged at step 99: f_gap is not finite"))
    run = look(folder)
    assert (run.status, run.can_resume) == ("diverged", False)
    assert run.sentence == "diverged at step 99: f_gap is not finite"
    name = training.rewind(run, ["--seed", "5", "--lr-scale", "0.1"])
    assert name == "tiny-2"
    saved = int(RunDir(folder).checkpoints()[-1].stem.removeprefix("step-"))
    wait_for((runs / name / "config.json").exists)  # written when the history has been copied
    wait_for(lambda: step(runs / name) > saved)
    config = RunDir(runs / name).config()
    assert config.seed == 5
    assert config.optimizer.lr_prior == pytest.approx(
        RunDir(folder).config().optimizer.lr_prior * 0.1
    )


def test_a_run_on_another_machine_is_watched_but_not_signalled(runs: Path, monkeypatch) -> None:
    folder = runs / "far"
    with run_lock.hold(folder):
        (folder / "config.json").write_text("{}")
        (folder / "metrics.csv").write_text("step\n1\n")
        monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
        assert look(folder).status == "training"
        with pytest.raises(RunError, match=r"is trained on .*: stop it there"):
            training.stop(look(folder))


def test_a_run_that_cannot_begin_says_why(runs: Path) -> None:
    folder = runs / "tiny"
    training.start(runs, "tiny", [*ENDLESS, "--model.data-shape", "3"])
    wait_for(lambda: not look(folder).goes_on)
    run = look(folder)
    assert run.status == "failed"
    assert run.sentence.startswith("ring has examples of shape (2,), the model expects (3,)")
    assert not run.can_resume
    assert training.free_name(runs, "tiny") == "tiny"  # the name can be used again


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", ".hidden", "a b", "-x", "x" * 65, "ä"])
def test_a_name_that_is_no_plain_folder_is_refused(runs: Path, name: str) -> None:
    with pytest.raises(RunError, match="A run's name is made of"):
        training.start(runs, name, ENDLESS)
    assert list(runs.iterdir()) == []


def test_no_more_than_a_few_runs_train_at_once(runs: Path) -> None:
    held = [run_lock.hold(runs / f"r{i}") for i in range(training.MAX_AT_ONCE)]
    for i, lock in enumerate(held):
        lock.__enter__()
        (runs / f"r{i}" / "log.txt").touch()
    with pytest.raises(RunError, match="runs train already"):
        training.start(runs, "tiny", ENDLESS)
    for lock in held:
        lock.__exit__(None, None, None)


def test_runs_are_listed_the_newest_first_and_the_example_last(runs: Path) -> None:
    for i, name in enumerate(["old", "new"]):
        RunDir(runs / name).path.mkdir()
        (runs / name / "config.json").write_text("{}")
        os.utime(runs / name, (i, i))
    (runs / "no-run").mkdir()
    listed = training.list_runs(runs)
    assert list(listed) == ["new", "old", EXAMPLE]
    assert listed["old"].status == "interrupted"
    example = listed[EXAMPLE]
    assert example.status == "finished"
    assert not example.can_resume
    assert len(RunDir(example.path).checkpoints()) > 5
    assert RunDir(example.path).config().dataset == "pinwheel"
