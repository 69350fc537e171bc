"""One process a run, and a folder that says how its last process ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from train import run_lock
from train.run_dir import End, RunDir, RunError

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from train import run_lock
with run_lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_names_its_holder_and_keeps_others_out(tmp_path, holder):
    owner = run_lock.owner(tmp_path)
    assert (owner.pid, owner.here) == (holder.pid, True)
    with (
        pytest.raises(RunError, match=f"process {holder.pid} on .*: stop that one first"),
        run_lock.hold(tmp_path),
    ):
        pass


def test_a_killed_holder_leaves_the_run_free_and_its_number_counts_no_more(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert str(holder.pid) in (tmp_path / "lock").read_text()
    assert run_lock.owner(tmp_path) is None
    with run_lock.hold(tmp_path):
        assert run_lock.owner(tmp_path).pid == os.getpid()
    assert run_lock.owner(tmp_path) is None


def test_a_lock_is_handed_on_to_a_child_and_outlives_the_parents_copy(tmp_path):
    with run_lock.locked(tmp_path) as file:
        child = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path)],
            env=os.environ | {"PYTHONPATH": str(ROOT), run_lock.INHERITED: str(file.fileno())},
            pass_fds=[file.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        run_lock.write_owner(file, child.pid)
    with child:
        assert run_lock.owner(tmp_path).pid == child.pid  # from the first moment on
        assert child.stdout.readline() == "held\n"
        assert run_lock.owner(tmp_path).pid == child.pid
        child.stdin.close()
    assert child.returncode == 0
    assert run_lock.owner(tmp_path) is None


def test_a_descriptor_of_another_file_is_not_taken_for_the_lock(tmp_path, monkeypatch):
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    monkeypatch.setenv(run_lock.INHERITED, str(other))
    (tmp_path / "lock").touch()
    with run_lock.hold(tmp_path):
        assert run_lock.owner(tmp_path).pid == os.getpid()
    assert (tmp_path / "other").read_bytes() == b""


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"pid": "x"}'])
def test_a_damaged_lock_is_nobodys(tmp_path, content):
    (tmp_path / "lock").write_text(content)
    assert run_lock.owner(tmp_path) is None
    assert run_lock.owner(tmp_path / "nowhere") is None


def test_the_end_of_a_run_is_kept_and_forgotten(tmp_path):
    run = RunDir(tmp_path)
    assert run.end() is None
    run.save_end(End("diverged", 7, "f_gap is not finite"))
    assert run.end() == End("diverged", 7, "f_gap is not finite")
    (tmp_path / "end.json").write_text("damaged")
    assert run.end() is None
    run.forget_end()
    run.forget_end()
    assert not (tmp_path / "end.json").exists()
