"""The Compare page, run as Streamlit runs it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lebm.model import ModelConfig

POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)


def _script() -> None:
    from app.views import compare

    compare.page()


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, save_run: Callable[..., Path]) -> AppTest:
    """The page, on a run of two checkpoints."""
    monkeypatch.setenv("LEBM_RUNS", str(tmp_path / "runs"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "app"]:
        monkeypatch.delitem(sys.modules, name)
    save_run("mine", step=5)
    save_run("mine", step=20)
    page = AppTest.from_function(_script, default_timeout=60)
    page.query_params["model"] = "runs/mine"
    page.query_params["n"] = "16"
    return page


def _sides(page: AppTest) -> tuple:
    page.run()
    assert not page.exception
    assert not page.error
    return page.session_state["compare.sides"]


def test_it_opens_on_the_prior_against_the_gaussian(page: AppTest) -> None:
    a, b = _sides(page)
    assert (a.run.settings.tilt, b.run.settings.tilt) == (1, 0)
    assert "**tilt λ** 1 → 0" in page.markdown[1].value


def test_the_numbers_come(page: AppTest) -> None:
    for _ in range(100):
        _sides(page)
        tables = [table.value for table in page.dataframe]
        if len(tables) == 2 and not tables[1].eq("…").any(axis=None):
            break
        time.sleep(0.1)
    assert tables[1]["B"].iloc[4] == "0.00 ± 0.00"


def test_another_question_runs_another_b_and_keeps_a(page: AppTest) -> None:
    a, _ = _sides(page)
    page.segmented_control(key="with").set_value("no noise")
    again, b = _sides(page)
    assert b.run.settings.temperature == 0
    assert again.run.root == a.run.root


def test_two_checkpoints_of_a_run(page: AppTest) -> None:
    page.query_params["with"] = "my choice"
    page.query_params["model2"] = "runs/mine@000005"
    _, b = _sides(page)
    assert b.entry.id == "runs/mine@000005"
    assert "runs/mine@000005" in page.markdown[1].value


def test_what_is_filled_in_for_b_is_all_that_differs(page: AppTest) -> None:
    for name, value in {
        "with": "my choice",
        "model2": "runs/mine",
        "s2": "0.02",
        "T2": "0.5",
    }.items():
        page.query_params[name] = value
    a, b = _sides(page)
    assert (b.run.settings.step_size, b.run.settings.temperature) == (0.02, 0.5)
    assert b.run.settings.seed == a.run.settings.seed


def test_a_model_of_another_size_says_what_cannot_be_compared(
    page: AppTest, save_run: Callable[..., Path]
) -> None:
    save_run("flat", POINTS)
    page.query_params["with"] = "my choice"
    page.query_params["model2"] = "runs/flat"
    _sides(page)
    assert "4 and 2 dimensions" in page.info[0].value


def test_nonsense_in_the_address_falls_back(page: AppTest) -> None:
    for name in ("with", "model2", "s2", "T2", "seed2", "tilt2", "mala2", "step", "chain", "K"):
        page.query_params[name] = "../../etc/passwd"
    _, b = _sides(page)
    assert b.run.settings.tilt == 0


def test_b_that_cannot_be_opened_is_one_sentence(
    page: AppTest, save_run: Callable[..., Path]
) -> None:
    broken = save_run("broken")
    broken.write_bytes(broken.read_bytes()[:99])
    page.query_params["with"] = "my choice"
    page.query_params["model2"] = "runs/broken"
    page.run()
    assert not page.exception
    assert "cut short" in page.error[0].value


def test_lines_of_each_side_are_shown_when_asked_for(page: AppTest) -> None:
    _, b = _sides(page)
    page.button(key="compare.B.python").click().run()
    assert not page.exception
    names: dict = {}
    exec(page.code[0].value, names)
    assert names["chain"].z.equal(b.run.trajectory.z)
