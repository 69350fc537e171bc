"""Opening one's own model, on a page run as Streamlit runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

MAIN = Path(__file__).parents[2] / "app" / "main.py"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AppTest:
    monkeypatch.setenv("LEBM_RUNS", str(tmp_path / "runs"))
    return AppTest.from_file(str(MAIN), default_timeout=60)


def _upload(app: AppTest, name: str, data: bytes) -> AppTest:
    assert not app.exception
    return app.sidebar.file_uploader[0].set_value((name, data, "application/octet-stream")).run()


def test_an_opened_file_is_chosen_and_shown(app: AppTest, save_run: Callable[..., Path]) -> None:
    data = save_run("mine").read_bytes()
    _upload(app.run(), "mine.safetensors", data)
    assert not app.exception
    assert app.sidebar.selectbox(key="model").value == "upload/mine.safetensors"
    assert app.session_state["chains.runs"][0].model.config.data_shape == (1, 8, 8)
    assert app.query_params["model"] == "upload/mine.safetensors"


def test_a_wrong_file_is_one_sentence_and_the_model_stays(app: AppTest) -> None:
    _upload(app.run(), "mine.safetensors", b"\x80\x04 not a model")
    assert not app.exception
    assert app.sidebar.selectbox(key="model").value == "mnist"
    assert "nothing in it was run" in app.error[0].value


def test_a_right_file_after_a_wrong_one_takes_the_sentence_away(
    app: AppTest, save_run: Callable[..., Path]
) -> None:
    _upload(app.run(), "mine.pth", b"junk")
    assert len(app.error) == 1
    _upload(app, "mine.safetensors", save_run("mine").read_bytes())
    assert not app.error


def test_an_opened_file_of_another_tab_is_one_sentence(app: AppTest) -> None:
    app.query_params["model"] = "upload/mine.safetensors"
    app.run()
    assert not app.exception
    assert "is not open here" in app.info[0].value
    assert app.sidebar.selectbox(key="model").value == "mnist"
    app.run()
    assert "is not open here" in app.info[0].value
    app.sidebar.selectbox(key="model").set_value("digits").run()
    assert not app.info


def test_a_checkpoint_of_a_run_can_be_named(app: AppTest, save_run: Callable[..., Path]) -> None:
    save_run("mine", step=5)
    save_run("mine", step=20)
    app.query_params["model"] = "runs/mine@000005"
    app.run()
    assert not app.exception
    assert app.sidebar.selectbox(key="model").value == "runs/mine@000005"
    assert "iteration 5" in app.sidebar.caption[0].value
    app.sidebar.selectbox(key="model").set_value("runs/mine").run()
    assert "iteration 20" in app.sidebar.caption[0].value


def test_what_quotes_a_file_is_shown_letter_by_letter() -> None:
    from app.sidebar import plain

    assert plain("![x](http://a)") == r"\!\[x\]\(http\://a\)"
    assert plain(":red[a] $b$") == r"\:red\[a\] \$b\$"
