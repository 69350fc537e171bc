"""A disk that is full while a run is writing: one sentence, and the last state is whole."""

from __future__ import annotations

import errno
import os
import resource
from contextlib import contextmanager

import pytest

import lebm
from train.run_dir import RunDir, RunError
from train.trainer import Progress


@pytest.fixture
def disk(monkeypatch):
    """A switch: once `disk.full()` is called, no file reaches the disk until `disk.empty()`."""

    class Disk:
        def full(self, _: object = None) -> None:
            def fsync(_: int) -> None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            monkeypatch.setattr(os, "fsync", fsync)

        def empty(self) -> None:
            monkeypatch.undo()

    return Disk()


@contextmanager
def files_limited_to(n_bytes: int):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def refused(trainer, watch=None) -> str:
    with pytest.raises(RunError) as caught:
        trainer.fit(watch)
    assert str(caught.value).isprintable()
    return str(caught.value)


def temporary_files(run: RunDir) -> list[str]:
    return [path.name for path in run.path.rglob(".*")]


def test_a_full_disk_during_a_save_leaves_the_last_state(
    start, resume, make_config, points, tmp_path, disk, same_run
):
    config = make_config()
    start(config, points, tmp_path / "whole").fit()
    trainer = start(config, points, tmp_path / "run")
    message = refused(trainer, lambda p: disk.full() if p.step == 10 else None)
    assert message.startswith("step 15:")
    assert "No space left" in message
    assert f"python -m train resume {tmp_path / 'run'}" in message
    assert trainer.run.load_state()["step"] == 10
    assert temporary_files(trainer.run) == []
    assert lebm.load(trainer.run.checkpoints()[-1])
    disk.empty()
    resume(config, points, tmp_path / "run").fit()
    assert same_run(tmp_path / "whole", tmp_path / "run")


def test_a_disk_that_fills_between_checkpoint_and_state_leaves_the_last_state(
    start, resume, make_config, points, tmp_path, monkeypatch, same_run
):
    config = make_config()
    start(config, points, tmp_path / "whole").fit()
    trainer = start(config, points, tmp_path / "run")
    save_state = RunDir.save_state

    def full_at_10(run: RunDir, state: dict) -> None:
        if state["step"] == 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save_state(run, state)

    monkeypatch.setattr(RunDir, "save_state", full_at_10)
    assert refused(trainer).startswith("step 10:")
    monkeypatch.undo()
    assert trainer.run.load_state()["step"] == 5
    resume(config, points, tmp_path / "run").fit()
    assert same_run(tmp_path / "whole", tmp_path / "run")


def test_a_full_disk_when_a_row_is_logged_is_one_sentence(
    start, resume, make_config, points, tmp_path, same_run
):
    config = make_config(save_every=100)
    start(config, points, tmp_path / "whole").fit()
    trainer = start(config, points, tmp_path / "run")
    log = tmp_path / "run" / "metrics.csv"

    def fill(progress: Progress) -> None:
        if progress.step == 3:
            limit = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 20, limit[1]))

    with files_limited_to(resource.getrlimit(resource.RLIMIT_FSIZE)[0]):
        message = refused(trainer, fill)
    assert message.startswith("step 4:")
    resume(config, points, tmp_path / "run").fit()
    assert same_run(tmp_path / "whole", tmp_path / "run")


def test_a_full_disk_when_a_run_is_resumed_is_one_sentence(
    start, resume, make_config, points, tmp_path, disk
):
    config = make_config()
    trainer = start(config, points, tmp_path / "run")
    trainer.fit(lambda p: trainer.stop() if p.step == 10 else None)
    before = (tmp_path / "run" / "metrics.csv").read_bytes()
    resumed = resume(config, points, tmp_path / "run")
    disk.full()
    refused(resumed)
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == before


def test_a_full_disk_when_a_run_begins_is_one_sentence(make_config, tmp_path, disk):
    disk.full()
    with pytest.raises(RunError, match="No space left"):
        RunDir(tmp_path / "run").create(make_config())
