"""Logs that grow while they are read, and how fast a run goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.studies.run_log import GrowingCsv, pace, sample_steps
from train.run_dir import CsvLog, RunDir


def test_each_read_adds_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    reader = GrowingCsv(path)
    assert reader.read() == {}
    with CsvLog(path, 0) as log:
        for step in range(1, 50):
            log.add({"step": step, "mse": 1 / step})
            if step % 7 == 0:
                columns = reader.read()
                assert columns["step"].tolist() == list(range(1, step + 1))
                assert columns["mse"][-1] == 1 / step
    whole = np.genfromtxt(path, delimiter=",", names=True)
    np.testing.assert_array_equal(reader.read()["mse"], whole["mse"])


def test_a_row_that_is_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    reader = GrowingCsv(path)
    path.write_text("step,mse\n1,0.5\n2,0.")
    assert reader.read()["step"].tolist() == [1]
    path.write_text("step,mse\n1,0.5\n2,0.25\n")
    assert reader.read()["mse"].tolist() == [0.5, 0.25]


def test_a_log_that_was_cut_back_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step\n1\n2\n3\n")
    reader = GrowingCsv(path)
    reader.read()
    with CsvLog(path, 2) as log:  # another file at the same place
        log.add({"step": 5})
    assert reader.read()["step"].tolist() == [1, 2, 5]
    path.write_text("step\n7\n")  # the same file, shorter
    assert reader.read()["step"].tolist() == [7]
    path.write_text("step\n1\n2\n3\n")  # longer, but not what followed
    assert reader.read()["step"].tolist() == [1, 2, 3]


def test_what_is_no_number_is_nan(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"step,a,b\n1,x,2\n2,3\n3,\xff,4,5\n")
    columns = GrowingCsv(path).read()
    assert columns["step"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(columns["a"], [np.nan, 3, np.nan])
    np.testing.assert_array_equal(columns["b"], [2, np.nan, 4])


def test_pace_is_that_of_the_last_rows(tmp_path: Path) -> None:
    step = np.arange(20.0, 2020, 20)
    seconds = np.where(step <= 1000, step / 2, 500 + (step - 1000) / 10)
    metrics = {"step": step, "epoch": step / 100, "seconds": seconds}
    now = pace(metrics, epochs=30)
    assert (now.step, now.n_steps, now.share) == (2000, 3000, 2 / 3)
    assert now.rate == pytest.approx(10)
    assert now.seconds_left == pytest.approx(100)
    assert pace({}, epochs=30).n_steps == 0
    assert pace(metrics, epochs=30, minutes=12.5).n_steps == 2500
    assert pace(metrics, epochs=30, minutes=60).n_steps == 3000


def test_sample_steps_are_those_with_all_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    assert sample_steps(RunDir(tmp_path)) == []
    folder.mkdir()
    for kind in ("gaussian", "prior", "reconstruction"):
        for step in (500, 1000):
            (folder / f"{kind}-{step:06d}.png").touch()
    (folder / "prior-001500.png").touch()
    (folder / "prior-best.png").touch()
    assert sample_steps(RunDir(tmp_path)) == [500, 1000]
