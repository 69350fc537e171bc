from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.models import list_models
from lebm import zoo


def test_the_zoo_and_the_newest_checkpoint_of_every_run_are_listed(
    save_run: Callable[..., Path], tmp_path: Path
) -> None:
    save_run("one", step=5)
    newest = save_run("one", step=20)
    entries = list_models(tmp_path / "runs")
    assert set(entries) == {*zoo.paths(), "runs/one"}
    assert entries["runs/one"].path == newest
    assert "20" in entries["runs/one"].note


def test_a_run_without_a_checkpoint_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "young").mkdir()
    (tmp_path / "young" / "config.json").write_text("{}")
    assert "runs/young" not in list_models(tmp_path)


def test_a_missing_folder_lists_the_zoo_alone(tmp_path: Path) -> None:
    assert set(list_models(tmp_path / "nowhere")) == set(zoo.paths())
