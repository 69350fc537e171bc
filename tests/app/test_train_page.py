"""The Train and Time machine pages as Streamlit runs them, without a browser."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from app.sidebar import plain
from train.command_line import parse_arguments
from train.config import TrainConfig
from train.presets import PRESETS
from train.run_dir import End, RunDir


def _train_script() -> None:
    from app.views import train

    train.page()


def _time_machine_script() -> None:
    from app.views import time_machine

    time_machine.page()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEBM_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("LEBM_DATA", raising=False)
    return tmp_path / "runs"


@pytest.fixture
def page(runs: Path) -> AppTest:
    return AppTest.from_function(_train_script, default_timeout=60)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Callable[[AppTest], TrainConfig]:
    """What the command line makes of the command that a page shows."""

    def parse(page: AppTest) -> TrainConfig:
        words = shlex.split(page.code[0].value)
        assert words[:3] == ["python", "-m", "train"]
        monkeypatch.setattr(sys, "argv", words[2:])
        config = parse_arguments()
        assert isinstance(config, TrainConfig)
        return config

    return parse


def test_it_opens_on_the_digits_ready_to_start(page: AppTest, runs: Path) -> None:
    page.run()
    assert not page.exception
    assert page.selectbox(key="preset").value == "digits"
    assert page.code[0].value == f"python -m train digits --out {runs}/digits"
    assert page.button(key="start").label == "Start"
    assert "1,800 iterations" in "".join(text.value for text in page.markdown)
    assert page.dataframe[0].value["run"].tolist() == ["the example"]
    assert not runs.exists()


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_command_is_read_back_as_the_preset(
    page: AppTest, parsed: Callable[[AppTest], TrainConfig], name: str, runs: Path
) -> None:
    page.query_params["preset"] = name
    page.run()
    assert not page.exception
    config = parsed(page)
    assert config.out == runs / name
    assert config == replace(PRESETS[name][1], out=config.out)


def test_what_is_set_is_what_the_command_says(
    page: AppTest, parsed: Callable[[AppTest], TrainConfig]
) -> None:
    page.run()
    page.number_input(key="--epochs").set_value(3)
    page.text_input(key="--optimizer.lr-prior").set_value("1e-5")
    page.text_input(key="--optimizer.betas").set_value("0 0.99")
    page.number_input(key="--prior-sampler.n-steps").set_value(40)
    page.selectbox(key="--posterior-chains").set_value("short-run")
    page.text_input(key="name").set_value("mine_1").run()
    config = parsed(page)
    assert (config.epochs, config.optimizer.lr_prior, config.prior_sampler.n_steps) == (3, 1e-5, 40)
    assert (config.optimizer.betas, config.posterior_chains) == ((0, 0.99), "short-run")
    assert str(config.out).endswith("/mine_1")


def test_another_preset_brings_its_own_values(
    page: AppTest, parsed: Callable[[AppTest], TrainConfig]
) -> None:
    page.run()
    page.number_input(key="--epochs").set_value(3).run()
    page.selectbox(key="preset").set_value("ring").run()
    assert not page.exception
    assert page.number_input(key="--epochs").value == 200
    config = parsed(page)
    assert (config.dataset, config.epochs, config.model.latent_dim) == ("ring", 200, 2)


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--batch-size", 0, "batch_size must be at least 1, not 0"),
        ("--optimizer.lr-decay", "2", "optimizer.lr_decay must lie in (0, 1], not 2.0"),
        ("--prior-sampler.step-size", "-1", "prior_sampler: step_size must be above 0, not -1.0"),
        ("--optimizer.betas", "fast", "--optimizer.betas cannot be 'fast'"),
        ("name", "../up", "A run's name is made of"),
        ("name", "![x](http://elsewhere/p.png)", "A run's name is made of"),
        ("--optimizer.betas", "[x](http://elsewhere)", "--optimizer.betas cannot be '[x](http"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_cannot_be_started(
    page: AppTest, flag: str, value: str | int, said: str
) -> None:
    page.run()
    widget = page.number_input if isinstance(value, int) else page.text_input
    widget(key=flag).set_value(value).run()
    assert not page.exception
    assert page.error[0].value.startswith(plain(said))
    assert "](" not in page.error[0].value  # an address can neither fetch a picture nor link
    assert "start" not in [button.key for button in page.button]


def test_the_address_sets_the_form_and_nonsense_falls_back(page: AppTest) -> None:
    values = {
        "preset": "pinwheel",
        "--epochs": "7",
        "--seed": "x",
        "--precision": "../..",
        "run": "../../etc",
        "at": "-1",
    }
    for name, value in values.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    assert "pinwheel --epochs 7 --out" in page.code[0].value


def test_a_folder_of_data_is_chosen_and_never_typed(
    page: AppTest, parsed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data" / "faces").mkdir(parents=True)
    monkeypatch.setenv("LEBM_DATA", str(tmp_path / "data"))
    page.query_params["--data-root"] = "/etc"
    page.run()
    box = page.selectbox(key="--data-root")
    assert box.options == ["as the data set has it", "faces"]
    assert parsed(page).data_root is None
    box.set_value("faces").run()
    assert parsed(page).data_root == tmp_path / "data" / "faces"


def test_the_example_run_can_be_looked_at(page: AppTest) -> None:
    page.query_params["run"] = "the example"
    page.run()
    assert not page.exception
    assert page.success[0].value == "Finished at iteration 2,400 of 2,400."
    assert [metric.label for metric in page.metric][:2] == ["Epoch", "Training MSE"]
    assert {b.key for b in page.button} & {"stop", "resume", "rewind", "start"} == set()
    page.select_slider(key="at").set_value(400).run()
    assert not page.exception


@pytest.fixture
def stopped(runs: Path) -> RunDir:
    """A run with settings and three logged iterations."""
    run = RunDir(runs / "mine")
    run.path.mkdir(parents=True)
    run.create(PRESETS["digits"][1])
    (run.path / "metrics.csv").write_text(
        "step,epoch,seconds,mse,f_gap\n12,1,1,0.1,0.5\n24,2,2,0.05,0.4\n36,3,3,0.02,0.3\n"
    )
    return run


@pytest.mark.parametrize(
    ("end", "said", "offered"),
    [
        (None, "Was interrupted at iteration 36 of 1,800", "resume"),
        (End("stopped", 36), "Stopped at iteration 36 of 1,800. Resume", "resume"),
        (End("failed", 36, "the disk is full"), "the disk is full", "resume"),
        (End("diverged", 40, "diverged at step 40: f_gap is not finite"), "diverged", "rewind"),
    ],
)
def test_each_end_of_a_run_is_said_and_what_to_do(
    page: AppTest, stopped: RunDir, end: End | None, said: str, offered: str
) -> None:
    if end is not None:
        stopped.save_end(end)
    page.query_params["run"] = "mine"
    page.run()
    assert not page.exception
    boxes = [*page.info, *page.warning, *page.error]
    assert boxes[0].value.startswith(plain(said))
    assert {b.key for b in page.button} & {"stop", "resume", "rewind"} == {offered}
    if offered == "rewind":
        assert page.code[0].value.endswith("/mine --seed 1 --lr-scale 0.5")


def test_a_link_names_the_run_whatever_its_folder_is_called(
    page: AppTest, save_run: Callable[..., Path]
) -> None:
    name = "a&b #1+50%"
    save_run(name)
    page.query_params["run"] = name
    page.run()
    assert not page.exception
    queries = [parse_qs(urlsplit(link.proto.url).query) for link in page.get("link_button")]
    assert queries == [{"model": [f"runs/{name}"]}] * 3 + [{"run": [name]}]


@pytest.mark.parametrize("name", ["config.json", "metrics.csv", "end.json", "lock"])
def test_a_damaged_run_is_shown_without_a_traceback(
    page: AppTest, stopped: RunDir, name: str
) -> None:
    (stopped.path / name).write_bytes(b"\x00\xff{,\n1,2,3\n")
    page.query_params["run"] = "mine"
    page.run()
    assert not page.exception


def test_the_time_machine_opens_on_a_run_that_came_along(runs: Path) -> None:
    page = AppTest.from_function(_time_machine_script, default_timeout=60)
    for name, value in {"n": "4", "at": "1200", "chain": "2", "run": "nonsense"}.items():
        page.query_params[name] = value
    for _ in range(600):
        page.run()
        assert not page.exception
        if "time_machine.view" in page.session_state:
            break
        time.sleep(0.1)
    view, machine = (page.session_state[f"time_machine.{name}"] for name in ("view", "machine"))
    assert machine.steps[view.step] == 1200
    assert view.chain == 2
    assert len(machine.stages) == 12
    page.sidebar.number_input(key="K").set_value(0).run()
    assert not page.exception
