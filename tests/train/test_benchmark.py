"""The benchmark: what it prints and writes, and whether bfloat16 moves what chains find."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from train import benchmark, contest, precision, records
from train.contest import HEADER, Contest, timed, weighed

CPU = torch.device("cpu")


@pytest.fixture
def takes(monkeypatch) -> Callable[[float], Callable[[], None]]:
    """A task that takes so many seconds by the clock that contests look at."""
    now = [0.0]
    monkeypatch.setattr(contest.time, "perf_counter", lambda: now[0])

    def task(seconds: float) -> Callable[[], None]:
        def run() -> None:
            now[0] += seconds

        return run

    return task


def test_rates_and_ratios_are_those_of_the_times(takes):
    row = timed(Contest("nap", 6, "naps", takes(3), takes(1), limit=takes(0.5), aim=2.0), CPU, 3)
    assert (row.plain, row.ours, row.ratio, row.over_limit) == (2, 6, 3, 2)
    assert row.unit == "naps/s"


def test_memory_is_that_of_the_peak():
    """Megabytes of ones; each page is touched, and all is freed before the call returns."""
    small, large = (partial(torch.ones, megabytes * 250_000) for megabytes in (40, 160))
    row = weighed(Contest("ones", 1, "MB", large, small), CPU)
    assert row.plain == pytest.approx(160, abs=16)  # other threads take some, too
    assert row.ours == pytest.approx(40, abs=16)


def test_a_row_has_a_cell_for_each_column():
    row = timed(Contest("little", 1, "calls", partial(sum, range(99)), list), CPU, 1)
    assert str(row).count("|") == HEADER.splitlines()[0].count("|")


def test_the_command_prints_and_writes_every_row(monkeypatch, tmp_path, capsys):
    task = partial(torch.ones, 10_000_000)
    one = Contest("a", 1, "MB", task, task)
    for kind in ("_prior_contests", "_posterior_contests", "_memory_contests"):
        monkeypatch.setattr(benchmark, kind, lambda device: [one])
    few = {"persistent": benchmark.ITERATIONS["persistent"]}
    monkeypatch.setattr(benchmark, "ITERATIONS", few)
    model, x, config = precision.zoo_examples(2)
    short = type(config)(2, config.step_size)
    monkeypatch.setattr(precision, "zoo_examples", lambda n: (model, x, short))
    assert benchmark.main(tmp_path / "report.json", repetitions=1) == 0
    report = records.load(tmp_path / "report.json").as_type(benchmark.Benchmark)
    assert len(report.rows) == 4
    assert "iteration, persistent" in report.rows[2].name
    printed = capsys.readouterr().out
    assert all(str(row) in printed for row in report.rows)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"repetitions": 0}, "repetitions must be at least 1"),
        ({"threads": -1}, "threads at least 0"),
        ({"device": "cuda"}, "there is no GPU here"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_work(options, said, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert benchmark.main(**options) == 1
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""


def test_bfloat16_moves_reconstructions_less_than_the_seed_does():
    model, x, config = precision.zoo_examples(16)
    compared = precision.compare(model, x, type(config)(30, config.step_size), seeds=range(4))
    assert compared.shift < 1
    assert compared.bfloat16 != compared.float32
