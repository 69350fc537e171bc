"""The Anomaly page as Streamlit runs it, without a browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import app
from train import scores
from train.run_dir import RunDir

EXAMPLE = RunDir(Path(app.__file__).with_name("example_anomaly"))
LAST = scores.load(EXAMPLE.scores()[-1])


@pytest.fixture
def page(page_of: Callable[..., AppTest]) -> AppTest:
    return page_of("anomaly")


@pytest.fixture
def mine(tmp_path: Path) -> RunDir:
    """A copy of the example among the runs."""
    shutil.copytree(EXAMPLE.path, tmp_path / "runs" / "mine")
    return RunDir(tmp_path / "runs" / "mine")


def _metrics(page: AppTest) -> dict[str, str]:
    assert not page.exception
    return {metric.label: metric.value for metric in page.metric}


def _area(page: AppTest) -> float:
    return float(_metrics(page)["AUPRC here"])


def test_it_opens_on_the_example_that_comes_along(page: AppTest) -> None:
    page.run()
    shown = _metrics(page)
    own = scores.average_precision(LAST.is_anomaly, LAST.total())
    assert float(shown["AUPRC here"]) == pytest.approx(own, abs=6e-4)
    assert float(shown["Chance"]) == pytest.approx(LAST.prevalence, abs=6e-4)
    assert float(shown["Last 10 checkpoints"].split(" ± ")[0]) > 0.6
    counts = [int(shown[f"{kind} {sign}"]) for kind in ("True", "False") for sign in
              ("positives", "negatives")]  # fmt: skip
    assert sum(counts) == len(LAST.is_anomaly)
    assert not page.error
    assert not page.info
    item = int(LAST.total().argmax())
    assert any(f"Example {item} is an **anomaly**, number **1**" in m.value for m in page.markdown)
    assert any("Chains from 16 other starts" in m.value for m in page.markdown)


def test_weights_move_the_area_at_once(page: AppTest) -> None:
    page.run()
    for name in ("reconstruction", "tilt"):
        page.slider(key=f"w_{name}").set_value(0.0)
    page.run()
    base = scores.average_precision(LAST.is_anomaly, LAST.terms["base"])
    assert _area(page) == pytest.approx(base, abs=6e-4)
    page.segmented_control(key="score").set_value("Typicality").run()
    typical = scores.average_precision(LAST.is_anomaly, LAST.typicality())
    assert _area(page) == pytest.approx(typical, abs=6e-4)
    assert not [slider for slider in page.slider if slider.key.startswith("w_")]


def test_the_threshold_moves_the_confusion(page: AppTest) -> None:
    page.query_params["flag"] = "0"
    page.run()
    assert _metrics(page)["True positives"] == "0"
    page.slider(key="flag").set_value(100.0).run()
    assert _metrics(page)["False negatives"] == "0"
    assert any("recall 100.0%" in m.value for m in page.markdown)


def test_the_address_holds_the_state(page: AppTest) -> None:
    step = EXAMPLE.scores()[2].stem[5:].lstrip("0")
    state = {"at": step, "item": "3", "restarts": "4", "seed": "9", "flag": "50", "w_tilt": "0"}
    for name, value in state.items():
        page.query_params[name] = value
    page.run()
    assert page.selectbox(key="at").value == step
    assert page.number_input(key="item").value == 3
    assert page.slider(key="w_tilt").value == 0
    assert any("Chains from 4 other starts" in m.value for m in page.markdown)


def test_nonsense_in_the_address_falls_back(page: AppTest) -> None:
    names = ("run", "at", "score", "w_tilt", "flag", "among", "item", "restarts", "seed")
    for name in names:
        page.query_params[name] = "../../etc/passwd"
    page.run()
    assert _area(page) > 0.6
    page.query_params["item"] = "999999999"
    page.run()
    assert not page.exception


def test_a_run_of_one_s_own_is_listed_first_and_a_click_chooses_an_item(
    page: AppTest, mine: RunDir
) -> None:
    page.run()
    assert page.selectbox(key="run").options == ["mine", "the example"]
    assert page.selectbox(key="run").value == "mine"
    page.number_input(key="item").set_value(504).run()
    assert any("Example 504 is an **anomaly**" in m.value for m in page.markdown)
    page.segmented_control(key="among").set_value("Normal").run()
    assert not page.exception


def test_a_smaller_run_takes_an_item_that_it_has(page: AppTest, mine: RunDir) -> None:
    few = {name: values[300:400] for name, values in LAST.terms.items()}
    for file in mine.scores():
        kept = scores.Scores(few, LAST.reference, LAST.is_anomaly[300:400], "lebm", 1, 0)
        scores.save(file, kept)
    page.query_params["run"] = "the example"
    page.query_params["item"] = "500"
    page.run()
    page.selectbox(key="run").set_value("mine").run()
    assert page.number_input(key="item").value == 99
    assert "505 test examples here, 100 were scored" in page.info[0].value
    assert not page.exception


def test_each_thing_that_is_wrong_is_a_sentence(page: AppTest, mine: RunDir) -> None:
    last = mine.scores()[-1]
    mine.checkpoint_path(880).unlink()
    page.run()
    assert page.info[0].value.startswith("No restarts: step-000880.safetensors cannot be read")
    assert _area(page) > 0.6

    kept = last.read_bytes()
    last.write_bytes(kept[:-9])
    page.run()
    assert "is damaged, or no file of scores" in page.error[0].value
    page.selectbox(key="at").set_value(mine.scores()[0].stem[5:].lstrip("0")).run()
    assert not page.error
    assert _metrics(page)["Last 10 checkpoints"]
    last.write_bytes(kept)

    (mine.path / "config.json").write_text('{"dataset": 3}')
    page.run()
    assert "damaged" in page.error[0].value


def test_scores_that_are_not_finite_are_a_sentence(page: AppTest, mine: RunDir) -> None:
    broken = scores.load(mine.scores()[-1])
    broken.terms["base"][4] = float("nan")
    scores.save(mine.scores()[-1], broken)
    page.run()
    assert "not finite" in page.error[0].value
    assert not page.exception


def test_a_method_without_chains_has_no_restarts(page: AppTest, mine: RunDir) -> None:
    known = scores.load(mine.scores()[-1])
    for file in mine.scores():
        terms = {"reconstruction": known.terms["reconstruction"], "kl": known.terms["base"]}
        reference = {
            "reconstruction": known.reference["reconstruction"],
            "kl": known.reference["base"],
        }
        scores.save(file, scores.Scores(terms, reference, known.is_anomaly, "vae", 1, 0))
    page.run()
    assert any("no latent by chains" in caption.value for caption in page.caption)
    assert not any("other starts" in m.value for m in page.markdown)
    assert not page.exception
    assert "restarts = " not in page.code[0].value
