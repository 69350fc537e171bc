"""The race: contestants learn for their minutes, whenever they are stopped."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from train import race, records
from train.presets import PRESETS
from train.race import CONTESTANTS, Contestant, Options
from train.race_record import Point, Race, table
from train.records import RecordError
from train.run_dir import RunDir, RunError

SECOND = 1 / 60


@pytest.fixture(autouse=True)
def no_folder_of_data(monkeypatch):
    monkeypatch.delenv("LEBM_DATA", raising=False)


def small(out: Path, **changes) -> Options:
    settings = {"contestants": ("amortised", "vae"), "minutes": 0.5 * SECOND, "features": "none"}
    settings |= {"preset": "digits", "every": 0.25 * SECOND, "test_examples": 20, "out": out}
    return Options(**settings | changes)


def test_every_contestant_has_settings():
    assert tuple(CONTESTANTS) == get_args(Contestant)
    assert set(Options().contestants) <= set(CONTESTANTS)


def test_contestants_share_the_generator_and_differ_in_how_they_learn():
    configs = [make(PRESETS["mnist"][1]) for make in CONTESTANTS.values()]
    assert all(config.model == configs[0].model for config in configs)
    assert all(config.optimizer == configs[0].optimizer for config in configs)
    assert len({repr(config) for config in configs}) == len(configs)


def test_a_race_ends_when_each_has_had_its_minutes(tmp_path, capsys):
    record = race.run(small(tmp_path))
    assert list(record.points) == ["amortised", "vae"]
    for name, points in record.points.items():
        assert points[0].minutes >= 0.25 * SECOND - 0.001
        assert points[-1].minutes >= 0.5 * SECOND - 0.001
        assert all(a.iterations < b.iterations for a, b in pairwise(points))
        assert all(0 < point.test_mse < 1 for point in points)
        state = RunDir(tmp_path / name).load_state()
        assert state is not None
        assert state["step"] == points[-1].iterations
    written = records.load(tmp_path / "race.json")
    assert written.kind == "race"
    assert written.as_type(Race) == record
    assert "| vae |" in (tmp_path / "race.md").read_text()
    assert (tmp_path / "race.svg").read_text().startswith("<svg")
    assert capsys.readouterr().out.count("iterations") == sum(map(len, record.points.values()))


def test_the_same_command_goes_on_and_more_minutes_continue(tmp_path, monkeypatch):
    whole, turns = race._measure, []

    def killed(trainer, *rest):
        turns.append(trainer.step)
        if len(turns) == 2:
            raise KeyboardInterrupt
        return whole(trainer, *rest)

    monkeypatch.setattr(race, "_measure", killed)
    with pytest.raises(KeyboardInterrupt):
        race.run(small(tmp_path))
    monkeypatch.setattr(race, "_measure", whole)
    record = race.run(small(tmp_path))
    assert record.points["vae"][0].iterations == turns[1]  # nothing was learned again
    longer = race.run(small(tmp_path, minutes=0.75 * SECOND))
    for name, points in longer.points.items():
        assert points[-1].minutes >= 0.75 * SECOND - 0.001
        assert points[: len(record.points[name])] == record.points[name]


def test_another_race_in_the_folder_is_not_mixed_in(tmp_path):
    race.run(small(tmp_path, minutes=0.25 * SECOND))
    with pytest.raises(RunError, match="holds a race with seed 0, not 1: choose another --out"):
        race.run(small(tmp_path, seed=1))
    (tmp_path / "race.json").write_text("{")
    with pytest.raises(RecordError, match="no record"):
        race.run(small(tmp_path))


def test_who_diverges_is_out_and_the_others_go_on(tmp_path, monkeypatch):
    original = race._config

    def config(name, options):
        made = original(name, options)
        if name == "vae":
            return made
        chain = replace(made.prior_sampler, max_radius=1e-3)
        return replace(made, prior_sampler=chain, posterior_sampler=chain)

    monkeypatch.setattr(race, "_config", config)
    record = race.run(small(tmp_path))
    assert "diverged at step 1" in record.ended["amortised"]
    assert record.points["vae"][-1].minutes >= 0.5 * SECOND - 0.001
    assert "amortised: diverged" in table(record)


def test_the_table_says_when_each_was_as_good_as_the_first():
    slow = [Point(m, 10 * m, 0.1 / m, 100.0 / m) for m in (1, 2, 4)]
    fast = [Point(m, 30 * m, 0.06 / m, 300.0 / m) for m in (1, 2, 4)]
    record = Race("mnist", 0, 100, 500, "far", {"a": slow, "b": fast})
    a, b = (line for line in table(record).splitlines() if line[:4] in ("| a ", "| b "))
    assert "minutes to a's MSE | far | minutes to a's distance" in table(record)
    assert a.split(" | ")[3:] == ["0.025", "4", "25", "4 |"]
    assert b.split(" | ")[3:] == ["0.015", "4", "75", "not reached |"]


def test_samples_are_told_where_their_distance_was_measured():
    without, measured = (Race("mnist", 0, 100, 500, distance) for distance in ("", "far"))
    assert table(without).splitlines()[0] == "mnist, seed 0; 100 held-out examples reconstructed"
    assert "reconstructed, 500 samples on each side of a distance" in table(measured)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--minutes", "0"], "minutes must be above 0, not 0.0"),
        (["--minutes", "0.5"], "minutes must be at least every, 1, for one measurement, not 0.5"),
        (["--every", "inf"], "every must be above 0, not inf"),
        (["--samples", "1"], "samples must be at least 2"),
        (["--features", "nowhere.pth"], "nowhere.pth: no such file"),
    ],
)
def test_bad_options_get_a_sentence(arguments, sentence, tmp_path, monkeypatch, capsys):
    command = ["race", "--preset", "digits", "--out", str(tmp_path / "race"), *arguments]
    monkeypatch.setattr(sys, "argv", command)
    try:
        status = race.main()
    except SystemExit as stop:  # of the parser
        status = stop.code
    assert status
    printed = " ".join("".join(capsys.readouterr()).replace("│", " ").split())
    assert sentence in printed
