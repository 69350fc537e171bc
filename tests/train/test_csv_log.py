"""CSV logs: written row by row, cut back to where a run resumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.run_dir import CsvLog


def row(step: int) -> dict[str, float]:
    return {"step": step, "epoch": step / 10, "mse": 0.5 / step}


def write(path: Path, steps: list[int], keep_until: int) -> None:
    with CsvLog(path, keep_until) as log:
        for step in steps:
            log.add(row(step))


def read(path: Path) -> list[list[str]]:
    return [line.split(",") for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "metrics.csv"


def test_a_new_log_has_a_header_and_its_rows(path):
    write(path, [1, 2], keep_until=0)
    assert read(path) == [["step", "epoch", "mse"], ["1", "0.1", "0.5"], ["2", "0.2", "0.25"]]


def test_a_row_is_in_the_file_as_soon_as_it_is_added(path):
    with CsvLog(path, 0) as log:
        log.add(row(1))
        assert len(read(path)) == 2


@pytest.mark.parametrize("keep_until", [1, 3, 5])
def test_rows_after_the_step_are_dropped(path, keep_until):
    write(path, [1, 2, 3, 4, 5], keep_until=0)
    write(path, [], keep_until)
    assert [line[0] for line in read(path)[1:]] == [str(k) for k in range(1, keep_until + 1)]


def test_a_continued_log_is_byte_for_byte_the_uninterrupted_one(path, tmp_path):
    write(path, [1, 2, 3, 4], keep_until=0)
    write(path, [3, 4, 5], keep_until=2)
    write(tmp_path / "whole.csv", [1, 2, 3, 4, 5], keep_until=0)
    assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_last_row_that_a_kill_cut_short_is_dropped(path, cut):
    """The state is saved after the row, so a row that was cut is always later than the state."""
    write(path, [1, 2], keep_until=0)
    path.write_bytes(path.read_bytes()[:-cut])
    write(path, [2, 3], keep_until=1)
    rows = [[str(value) for value in row(k).values()] for k in (1, 2, 3)]
    assert read(path) == [["step", "epoch", "mse"], *rows]


@pytest.mark.parametrize("cut", [b"2", b"2,0.2"])
def test_a_row_that_lacks_columns_is_dropped_whatever_its_step(path, cut):
    write(path, [1], keep_until=0)
    path.write_bytes(path.read_bytes() + cut)
    write(path, [3], keep_until=10)
    assert [line[0] for line in read(path)] == ["step", "1", "3"]


def test_a_header_cut_short_is_replaced(path):
    path.write_text("step,epo")
    write(path, [1], keep_until=0)
    assert read(path)[0] == ["step", "epoch", "mse"]


def test_a_log_started_anew_forgets_the_old_columns(path):
    path.write_text("step,other\n1,2\n")
    write(path, [1], keep_until=0)
    assert read(path) == [["step", "epoch", "mse"], ["1", "0.1", "0.5"]]


def test_a_log_that_only_resumes_stays_as_it_is(path):
    write(path, [1, 2], keep_until=0)
    before = path.read_bytes()
    write(path, [], keep_until=2)
    assert path.read_bytes() == before
