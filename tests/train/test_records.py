"""Measurements that are written and read back with where they came from."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import pytest
import torch
import tyro

from train import (
    anomaly,
    benchmark,
    evaluate,
    long_run,
    records,
    report,
    rescore,
    scale,
    transitions,
)
from train.contest import Row
from train.records import RecordError


def test_a_record_says_what_when_and_where(tmp_path, monkeypatch):
    typed = ["--threads", "1", "a b", "/data/weights/a.pth", "/data", "/data2/b.pth"]
    monkeypatch.setattr(sys, "argv", ["benchmark", *typed])
    monkeypatch.setenv("LEBM_DATA", "/data/")
    rows = [Row("prior", "steps/s", 1.0, 2.5, 2.5, aim=None)]
    records.save(tmp_path / "a.json", "benchmark", rows, torch.device("cpu"))
    record = records.load(tmp_path / "a.json")
    assert record.command == (
        'python -m train.benchmark --threads 1 \'a b\' "$LEBM_DATA/weights/a.pth" "$LEBM_DATA" '
        "/data2/b.pth"
    )
    assert record.date == date.today().isoformat()
    assert "thread" in record.hardware
    assert record.as_type(list[Row]) == rows


@pytest.mark.parametrize("text", ["", "[1]", '{"kind": "benchmark"}', "\xff"])
def test_what_is_no_record_is_a_sentence(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    with pytest.raises(RecordError, match=r"a\.json is no record of measurements"):
        records.load(tmp_path / "a.json")


def test_results_of_another_kind_are_a_sentence(tmp_path):
    records.save(tmp_path / "a.json", "evaluate", {"a": 1}, torch.device("cpu"))
    with pytest.raises(RecordError, match="does not fit"):
        records.load(tmp_path / "a.json").as_type(list[Row])


def test_what_a_person_says_of_a_record_lies_beside_it(tmp_path):
    records.save(tmp_path / "a.json", "faults", {"kills": 1}, torch.device("cpu"))
    assert records.load(tmp_path / "a.json").note == ""
    (tmp_path / "a.md").write_text("Seed 0 alone: é.\n", encoding="utf-8")
    record = records.load(tmp_path / "a.json")
    assert record.note == "Seed 0 alone: é."
    assert report.render(record).endswith("| 1 |\n\nSeed 0 alone: é.\n")
    records.write(tmp_path / "b.json", record)
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "a.json").read_bytes()


#: What measures for long before it writes, and what it is asked to measure.
COMMANDS: dict[str, tuple[Callable[[], int], list[str]]] = {
    "anomaly": (anomaly.main, ["nowhere"]),
    "benchmark": (partial(tyro.cli, benchmark.main), []),
    "evaluate": (evaluate.main, ["nowhere"]),
    "long_run": (long_run.main, ["nowhere"]),
    "rescore": (rescore.main, ["nowhere"]),
    "scale": (scale.main, ["digits"]),
    "transitions": (transitions.main, ["nowhere"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_place_for_numbers_is_looked_at_before_they_are_measured(
    name, tmp_path, monkeypatch, capsys
):
    command, arguments = COMMANDS[name]
    monkeypatch.chdir(tmp_path)
    for path, said in (("new/a.json", "make the folder new first"), (".", "is a folder")):
        monkeypatch.setattr(sys, "argv", [name, *arguments, f"--json={path}"])
        assert command() == 1
        printed = capsys.readouterr()
        assert said in printed.err
        assert printed.out == ""


def test_what_is_written_into_an_existing_folder_is_let_through(tmp_path):
    records.check_place(None)
    records.check_place(Path("a.json"))
    records.check_place(tmp_path / "a.json")
