"""Pages run as Streamlit runs them, without a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from explorer import arrived, waits
from streamlit.testing.v1 import AppTest

from app.jobs import Job
from app.studies.chain_run import ChainRun
from lebm import zoo
from lebm.langevin import LangevinConfig
from lebm.model import ModelConfig

MAIN = Path(__file__).parents[2] / "app" / "main.py"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AppTest:
    monkeypatch.setenv("LEBM_RUNS", str(tmp_path / "runs"))
    return AppTest.from_file(str(MAIN), default_timeout=60)


@pytest.fixture
def small(app: AppTest) -> AppTest:
    """The explorer on a small model, where any will do."""
    app.query_params["model"] = "digits"
    return app


def _run(app: AppTest) -> ChainRun:
    assert not app.exception
    if waits(app):
        arrived(app)
    return app.session_state["chains.runs"][0]


def test_the_first_page_opens_on_a_chain_of_the_zoo(app: AppTest) -> None:
    run = _run(app.run())
    assert run.settings.n_chains == 64
    assert run.n_taken > 0
    assert not app.error


@pytest.mark.parametrize("name", sorted(zoo.paths().keys() - {"text"}))
def test_every_zoo_model_opens(app: AppTest, name: str) -> None:
    app.query_params["model"] = name
    run = _run(app.run())
    model, card = zoo.load_model(name)
    assert run.model.config == model.config
    assert run.settings.step_size == card.prior_sampler.step_size


def test_the_zoos_sentences_open(app: AppTest) -> None:
    app.query_params["model"] = "text"
    app.run()
    assert not app.exception
    assert not app.error
    assert len(app.dataframe[0].value["sentence"]) == 16


def test_settings_change_the_chain(small: AppTest) -> None:
    app = small
    before = _run(app.run())
    app.sidebar.number_input(key="seed").set_value(5)
    app.sidebar.number_input(key="K").set_value(7)
    after = _run(app.run())
    assert after.n_taken == 7
    assert after.id != before.id


def test_the_same_settings_keep_the_chain(small: AppTest) -> None:
    first = _run(small.run())
    assert _run(small.run()) is first


def test_first_steps_are_stopped_on_the_way_and_keep_what_there_is(
    page_of: Callable[..., AppTest], hold_chains: Callable[[], None]
) -> None:
    app = page_of("chains", model="digits", n="100", K="500", step="470")
    hold_chains()
    app.run()
    assert "chains.runs" not in app.session_state
    _, job = app.session_state["chains.wait"]
    app.button(key="chains.wait.stop").click().run()
    assert job.finished.wait(60)
    stopped = _run(app.run())
    assert stopped.n_taken < 500
    assert app.info[0].value == f"Stopped after {stopped.n_taken} of 500 steps."
    assert app.session_state["chains.view"].step == stopped.n_taken
    next(button for button in app.button if button.label == "Take all steps").click()
    whole = _run(app.run())
    assert whole.n_taken == 500
    assert torch.equal(whole.trajectory.z[: stopped.n_taken + 1], stopped.trajectory.z)
    assert not app.info


def test_another_step_size_goes_on_from_the_last_step(app: AppTest) -> None:
    app.query_params["K"] = "8"
    before = _run(app.run())
    app.sidebar.number_input(key="s").set_value(0.01)
    after = _run(app.run())
    assert [segment.start for segment in after.segments] == [0, 8]
    assert torch.equal(after.trajectory.z, before.trajectory.z)
    assert "From step 9 on: s = 0.01" in app.info[0].value
    assert app.query_params["before"] == "0.08_1_0_8"
    next(button for button in app.button if button.label == "Start over").click()
    anew = _run(app.run())
    assert [segment.start for segment in anew.segments] == [0]
    assert anew.settings.step_size == 0.01
    assert not app.info


def test_the_address_replays_changes_and_fork(app: AppTest) -> None:
    address = {"K": "5", "before": "0.08_1_0_6", "s": "0.02", "fork": "3", "fT": "0", "step": "9"}
    for name, value in address.items():
        app.query_params[name] = value
    run = _run(app.run())
    assert [(s.start, s.settings.step_size) for s in run.segments] == [(0, 0.08), (6, 0.02)]
    main, fork = app.session_state["chains.runs"]
    assert main.n_taken == fork.n_taken == 9
    assert fork.segments[-1].start == 3
    assert fork.settings.temperature == 0


def test_a_fork_is_made_changed_and_dropped(small: AppTest) -> None:
    app = small
    app.query_params["step"] = "20"
    _run(app.run())
    next(button for button in app.button if button.label == "Fork here").click()
    main, fork = _run(app.run()) and app.session_state["chains.runs"]
    assert fork.leaves(main, 20, replace(main.settings, seed=1))
    app.sidebar.slider(key="fT").set_value(0.3)
    _run(app.run())
    assert app.session_state["chains.runs"][1].settings.temperature == 0.3
    next(button for button in app.button if button.label == "Drop the fork").click()
    _run(app.run())
    assert len(app.session_state["chains.runs"]) == 1
    assert "fork" not in app.query_params


@pytest.fixture
def job_of_fork(app: AppTest, hold_chains: Callable[[], None]) -> Job:
    """What makes a fork of 100 steps on the page, and is held up."""
    for name, value in {"model": "digits", "K": "100", "step": "0", "n": "4"}.items():
        app.query_params[name] = value
    _run(app.run())
    hold_chains()
    next(button for button in app.button if button.label == "Fork here").click()
    app.run()
    return app.session_state["chains.fork_wait"][1]


def test_a_fork_on_its_way_is_watched_and_can_be_stopped(app: AppTest, job_of_fork: Job) -> None:
    assert len(app.session_state["chains.runs"]) == 1  # the original is there meanwhile
    app.button(key="chains.fork_wait.stop").click().run()
    assert job_of_fork.finished.wait(60)
    _run(app.run())
    main, fork = app.session_state["chains.runs"]
    assert fork.n_taken < main.n_taken == 100


def test_a_fork_that_is_dropped_is_not_computed(app: AppTest, job_of_fork: Job) -> None:
    next(button for button in app.button if button.label == "Drop the fork").click()
    app.run()
    assert job_of_fork.cancelled.is_set()
    assert job_of_fork.finished.wait(60)
    assert job_of_fork.progress < 1
    assert len(app.session_state["chains.runs"]) == 1


def test_the_metropolis_test_needs_noise(small: AppTest) -> None:
    app = small
    app.query_params["mala"] = "true"
    assert _run(app.run()).settings.adjusted
    app.sidebar.slider(key="T").set_value(0.0)
    assert not _run(app.run()).settings.adjusted
    assert "raise the temperature" in app.warning[0].value


def test_the_address_sets_the_controls(app: AppTest) -> None:
    for name, value in {"K": "9", "seed": "4", "n": "16", "T": "0.5"}.items():
        app.query_params[name] = value
    settings = _run(app.run()).settings
    assert (settings.n_steps, settings.seed, settings.n_chains) == (9, 4, 16)
    assert settings.temperature == 0.5


def test_nonsense_in_the_address_falls_back(app: AppTest) -> None:
    chain, fork = ["K", "seed", "n", "T", "s", "mala"], ["fork", "fs", "fT", "fseed", "fmala"]
    for name in ["model", *chain, "before", *fork, "step", "chain", "curve"]:
        app.query_params[name] = "../../etc/passwd"
    assert _run(app.run()).settings.n_chains == 64


@pytest.mark.parametrize("endless", ["1e400", "-inf", "Infinity"])
def test_infinite_numbers_in_the_address_fall_back(app: AppTest, endless: str) -> None:
    for name in ("K", "seed", "s", "T", "fseed", "step"):
        app.query_params[name] = endless
    app.query_params["n"] = "16"
    run = _run(app.run())
    assert (run.settings.seed, run.settings.n_chains) == (0, 16)


def test_a_run_can_be_chosen_and_brings_its_own_sampler(
    app: AppTest, save_run: Callable[..., Path]
) -> None:
    save_run("mine")
    app.query_params["model"] = "runs/mine"
    run = _run(app.run())
    assert (run.settings.n_steps, run.settings.step_size) == (6, 0.05)


def test_another_model_resets_steps_and_step_size(
    app: AppTest, save_run: Callable[..., Path]
) -> None:
    save_run("mine")
    app.run()
    app.sidebar.number_input(key="K").set_value(33).run()
    app.sidebar.selectbox(key="model").set_value("runs/mine").run()
    assert _run(app).settings.n_steps == 6


def test_a_model_that_has_no_picture_is_one_sentence(
    app: AppTest, save_run: Callable[..., Path]
) -> None:
    save_run("solid", ModelConfig(latent_dim=3, data_shape=(2,), width=4, prior_hidden=4))
    app.query_params["model"] = "runs/solid"
    app.run()
    assert not app.exception
    assert "3 latent ones" in app.error[0].value


def test_a_model_with_unusual_settings_opens(app: AppTest, save_run: Callable[..., Path]) -> None:
    save_run("odd", sampler=LangevinConfig(n_steps=700, step_size=3e-6))
    app.query_params["model"] = "runs/odd"
    settings = _run(app.run()).settings
    assert (settings.n_steps, settings.step_size) == (700, 3e-6)


def test_stray_files_in_a_run_disturb_nobody(app: AppTest, save_run: Callable[..., Path]) -> None:
    path = save_run("mine")
    path.with_name("step-best.safetensors").write_bytes(b"?")
    path.with_name("step-000009.safetensors").symlink_to("gone")
    app.query_params["model"] = "runs/mine"
    assert _run(app.run()).settings.n_steps == 6


def test_a_damaged_checkpoint_is_one_sentence(app: AppTest, save_run: Callable[..., Path]) -> None:
    path = save_run("broken")
    path.write_bytes(path.read_bytes()[:100])
    app.query_params["model"] = "runs/broken"
    app.run()
    assert not app.exception
    assert len(app.error) == 1
    assert "cut short" in app.error[0].value


def _tilted_prior_script() -> None:
    from app.views import tilted_prior

    tilted_prior.page()


@pytest.mark.parametrize("name", ["digits", "pinwheel", "text"])
def test_the_tilt_slider_shows_each_prior(app: AppTest, name: str) -> None:
    page = AppTest.from_function(_tilted_prior_script, default_timeout=60)
    page.query_params["model"] = name
    for _ in range(600):
        page.run()
        assert not page.exception
        if page.metric:
            break
        time.sleep(0.1)
    page.select_slider(key="tilt").set_value(0.0).run()
    assert not page.exception
    assert page.metric[0].value == "0.00 ± 0.00"
    assert page.metric[2].value == "100.0%"


def _amortised(save_run: Callable[..., Path]) -> None:
    config = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
    save_run("learned", replace(config, amortised=True))


def test_chains_start_from_the_learned_sampler_on_request(
    app: AppTest, save_run: Callable[..., Path]
) -> None:
    _amortised(save_run)
    app.query_params["model"] = "runs/learned"
    plain = _run(app.run())
    app.sidebar.toggle(key="amortised").set_value(True)
    learned = _run(app.run())
    start = learned.model.learned_start(plain.trajectory.z[0])
    assert torch.equal(learned.trajectory.z[0], start)
    assert learned.n_taken == plain.n_taken
    assert any("draws of q_ψ(z), learned" in caption.value for caption in app.caption)


def test_the_address_asks_for_the_learned_sampler_where_there_is_one(
    app: AppTest, save_run: Callable[..., Path]
) -> None:
    _amortised(save_run)
    app.query_params["amortised"] = "true"
    app.query_params["model"] = "runs/learned"
    assert _run(app.run()).settings.learned_start
    app.sidebar.selectbox(key="model").set_value("digits")
    assert not _run(app.run()).settings.learned_start
    assert not [toggle for toggle in app.toggle if toggle.key == "amortised"]
