"""The Compare page, run as Streamlit runs it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from explorer import arrived
from streamlit.testing.v1 import AppTest

from app.sidebar import plain
from lebm.model import ModelConfig

POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)


def _script() -> None:
    from app.views import compare

    compare.page()


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, save_run: Callable[..., Path]) -> AppTest:
    """The page, on a run of two checkpoints."""
    monkeypatch.setenv("LEBM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("app.jobs.PATIENCE", 20)  # nothing polls here
    save_run("mine", step=5)
    save_run("mine", step=20)
    page = AppTest.from_function(_script, default_timeout=60)
    page.query_params["model"] = "runs/mine"
    page.query_params["n"] = "16"
    return page


def _sides(page: AppTest) -> tuple:
    arrived(page)
    assert not page.error
    return page.session_state["compare.sides"]


def test_it_opens_on_the_prior_against_the_gaussian(page: AppTest) -> None:
    a, b = _sides(page)
    assert (a.run.settings.tilt, b.run.settings.tilt) == (1, 0)
    assert "**tilt λ** 1 → 0" in page.markdown[1].value


def test_both_sides_are_stopped_at_the_same_step(
    page: AppTest, hold_chains: Callable[[], None]
) -> None:
    hold_chains()
    page.query_params["K"] = "500"
    page.run()
    _, job = page.session_state["compare.wait"]
    page.button(key="compare.wait.stop").click().run()
    assert job.finished.wait(60)
    a, b = _sides(page)
    assert a.run.n_taken == b.run.n_taken < 500
    assert a.recipe.n_steps == a.run.n_taken
    assert f"Stopped after {a.run.n_taken} of 500 steps." in [info.value for info in page.info]
    of_these, _ = page.session_state["compare.numbers"]
    next(button for button in page.button if button.label == "Take all steps").click().run()
    a, _ = _sides(page)
    assert a.run.n_taken == 500
    assert page.session_state["compare.numbers"][0] != of_these  # they are measured anew


def test_a_limit_of_the_page_is_told(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.studies.chain_run.MAX_STEPS", 40)
    page.query_params["K"] = "50"
    a, _ = _sides(page)
    assert a.run.n_taken == 40
    told = [info.value for info in page.info]
    assert "This page keeps 40 of the 50 steps; fewer chains may go further." in told
    assert "Take all steps" not in [button.label for button in page.button]


def test_the_numbers_come(page: AppTest) -> None:
    for _ in range(600):
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


def test_other_settings_are_shown_at_their_own_last_step(page: AppTest) -> None:
    page.query_params.update({"K": "20", "step": "12", "chain": "2", "curve": "force_tilt"})
    _sides(page)
    assert page.session_state["compare.view"].step == 12
    for n_steps in (60, 10):
        page.sidebar.number_input(key="K").set_value(n_steps)
        a, b = _sides(page)
        assert a.run.n_taken == b.run.n_taken == n_steps
        view = page.session_state["compare.view"]
        assert (view.step, view.chain, view.curve) == (n_steps, 2, "force_tilt")


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


@pytest.fixture
def text_page(page: AppTest) -> AppTest:
    page.query_params.update({"model": "text", "n": "4", "K": "20"})
    return page


def _read(page: AppTest, side: str) -> list[str]:
    lines = [m.value for m in page.markdown if f":gray[{side}, chain" in m.value]
    return [each.split("  \n")[0] for each in lines]


def test_sentences_stand_side_by_side(text_page: AppTest) -> None:
    a, b = _sides(text_page)
    assert a.run.examples.shape == (21, 4, 0)  # nothing is decoded before it is read
    for step in (20, 5):
        text_page.slider(key="step").set_value(step).run()
        for side in (a, b):
            z = side.run.trajectory.z[step]
            said = side.model.config.text.vocabulary.decode(side.model.generate(z))
            lines = [
                re.sub(r":orange\[\*\*(.*?)\*\*\]", r"\1", x) for x in _read(text_page, side.name)
            ]
            assert lines == [plain(sentence) for sentence in said]
    assert not any(":orange" in line for line in _read(text_page, "A"))
    assert any(":orange" in line for line in _read(text_page, "B"))
    assert any("of their words (median)" in caption.value for caption in text_page.caption)


def test_the_numbers_of_sentences_come(text_page: AppTest) -> None:
    for _ in range(600):
        _sides(text_page)
        tables = [table.value for table in text_page.dataframe]
        if len(tables) == 2 and not tables[1].eq("…").any(axis=None):
            break
        time.sleep(0.1)
    spread = [float(tables[1][side].iloc[2]) for side in "AB"]
    assert all(0 < value <= 1 for value in spread)
    assert tables[1]["A"].iloc[5].split(":")[0] in ("steady", "drifting", "collapsed")
    kinds = [button.proto.label for button in text_page.get("download_button")]
    assert kinds == ["NPZ", "CSV"] * 2


@pytest.mark.parametrize(
    ("a", "b", "said"), [("text", "digits", "A is"), ("digits", "text", "B is")]
)
def test_sentences_against_pictures_are_one_sentence(
    page: AppTest, a: str, b: str, said: str
) -> None:
    page.query_params.update({"model": a, "with": "my choice", "model2": b})
    page.run()
    assert not page.exception
    (sentence,) = [error.value for error in page.error]
    assert sentence.startswith(f"{said} a model of sentences")


def test_nonsense_in_the_address_of_sentences_falls_back(text_page: AppTest) -> None:
    text_page.query_params["step"] = "../../etc/passwd"
    _sides(text_page)
    assert text_page.slider(key="step").value == 20
