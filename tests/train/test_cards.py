"""Cards of models as a table."""

from __future__ import annotations

import pytest

from lebm.checkpoint import ModelCard, save
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from train.cards import main, table
from train.run_dir import RunDir

SAMPLER = LangevinConfig(1, 0.1)


def card(**facts) -> ModelCard:
    return ModelCard("name", SAMPLER, SAMPLER, SAMPLER, facts=facts)


@pytest.fixture
def files(tmp_path):
    model = LatentEBM(ModelConfig(2, (2,), width=2, prior_hidden=2))
    paths = tuple(tmp_path / f"{name}.safetensors" for name in ("one", "two"))
    for i, path in enumerate(paths):
        save(path, model, card(seed=i, minutes=1.5))
    return paths


def test_a_table_has_a_column_a_model_and_a_row_a_fact():
    text = table({"a": card(seed=1, iterations=12_000), "b": card(seed=2, **{"log p(x|z)": "x|y"})})
    assert text.splitlines() == [
        "|  | a | b |",
        "| --- | --- | --- |",
        "| seed | 1 | 2 |",
        "| iterations | 12,000 |  |",
        "| log p(x\\|z) |  | x\\|y |",
    ]


def test_files_are_printed_by_name(files, capsys):
    assert main(files) == 0
    assert capsys.readouterr().out.startswith("|  | one | two |")


def test_files_of_one_name_are_printed_by_their_paths(files, tmp_path, capsys):
    twin = tmp_path / "other" / "one.safetensors"
    twin.parent.mkdir()
    twin.write_bytes(files[0].read_bytes())
    assert main((*files, twin, twin)) == 0
    assert capsys.readouterr().out.startswith(f"|  | {files[0]} | two | {twin} |\n")


def test_a_run_is_its_last_checkpoint(files, tmp_path, capsys):
    run = RunDir(tmp_path / "run")
    for step, file in enumerate(files):
        run.checkpoint_path(step).parent.mkdir(parents=True, exist_ok=True)
        run.checkpoint_path(step).write_bytes(file.read_bytes())
    assert main((run.path,)) == 0
    said = capsys.readouterr().out
    assert said.startswith("|  | run |\n")
    assert "| seed | 1 |" in said
    assert main((tmp_path,)) == 1
    assert capsys.readouterr().err == f"error: {tmp_path} holds no checkpoint: train it first\n"


def test_a_file_that_is_no_model_is_an_error_line(tmp_path, capsys):
    assert main((tmp_path / "none.safetensors",)) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {tmp_path / 'none.safetensors'} cannot be read")
    assert len(printed.err.splitlines()) == 1
