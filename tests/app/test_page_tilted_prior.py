"""The Tilted prior page as Streamlit runs it, without a browser."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import streamlit as st
from explorer import with_lines
from streamlit.testing.v1 import AppTest

from app.sidebar import plain
from lebm.model import ModelConfig


@pytest.fixture
def page(page_of: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> AppTest:
    page = page_of("tilted_prior")
    page.query_params["model"] = "pinwheel"
    return page


@contextmanager
def _held_up(page: AppTest, monkeypatch: pytest.MonkeyPatch, at: float) -> Iterator[AppTest]:
    """The page's first view while annealing waits at this λ; afterwards it goes on."""
    module = importlib.import_module("app.views.tilted_prior")
    monkeypatch.setattr(module, "_PATIENCE", 60)
    go_on = threading.Event()

    def held_up(job, *settings) -> None:
        publish = job.publish

        def up_to(view, progress) -> None:
            if view.reached(1.0) < at:
                return
            publish(view, progress)
            assert go_on.wait(60)

        job.publish = up_to
        build(job, *settings)

    build = module.tilt.build
    monkeypatch.setattr(module.tilt, "build", held_up)
    st.cache_resource.clear()  # another test may have had this model annealed
    try:
        yield page.run()
    finally:
        go_on.set()


def test_the_first_view_waits_for_no_annealing(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.query_params["rows"] = "3.17"
    with _held_up(page, monkeypatch, at=0):
        assert not page.exception
        assert [metric.value for metric in page.metric] == ["…"] * 4  # λ = 1 is not there yet
        assert page.query_params["rows"] == "3.17"  # they are waited for
        assert not page.code
    with_lines(page)
    assert "z[[3, 17]]" in page.code[0].value
    assert all(re.match(r"-?\d", metric.value) for metric in page.metric)


@pytest.mark.parametrize(
    ("model", "at", "named"),
    [("digits", 0, "p₀"), ("pinwheel", 0.3, "p_λ at λ = 0.3"), ("text", 0.3, "p_λ at λ = 0.3")],
)
def test_samples_on_the_way_are_called_what_they_are(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, model: str, at: float, named: str
) -> None:
    page.query_params.update({"model": model, "find": "the"})
    with _held_up(page, monkeypatch, at):
        assert not page.exception
        said = _captions(page)
        assert f"amples of {named}" in said
        assert "λ = 1.0 is to come" in said
        assert "circle points" not in said
        if model == "text":
            assert f"draws of {named}" in said
    with_lines(page)
    assert "amples of p_λ" in _captions(page)
    assert "circle points of p_λ (no other cloud's) to" in _captions(page)
    assert f"amples of {named}" not in _captions(page)


def test_where_no_step_was_proposed_none_was_accepted(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.query_params.update({"model": "digits", "tilt": "0.0"})
    with _held_up(page, monkeypatch, at=0):
        assert not page.exception
        shown = {metric.label: metric.value for metric in page.metric}
    assert shown["MALA acceptance"] == "–"
    assert shown["KL(p_λ ‖ p₀), nats"] == "0.00"
    page.select_slider(key="tilt").set_value(0.5)
    with_lines(page)
    (accepted,) = [m.value for m in page.metric if m.label == "MALA acceptance"]
    assert 30 < int(accepted.removesuffix("%")) < 100


def _captions(page: AppTest) -> str:
    """What the page says of its samples."""
    images = [*page.get("image"), *page.get("imgs")]  # one or the other, as Streamlit's version
    pictures = [each.proto.imgs[0].caption for each in images]
    texts = [m.value for m in (*page.caption, *page.markdown)]
    return "\n".join([*pictures, *texts])


def test_circled_points_of_the_address_are_decoded(page: AppTest) -> None:
    page.query_params["rows"] = "3.17.900"
    with_lines(page)
    assert "z[[3, 17, 900]]" in page.code[0].value
    compile(page.code[0].value, "<copied>", "exec")
    page.select_slider(key="tilt").set_value(0.5)
    with_lines(page)  # samples of another λ are others
    assert "z[[3, 17, 900]]" not in page.code[0].value
    assert "rows" not in page.query_params


def test_a_prior_that_is_a_mixture_is_annealed_to(page: AppTest, save_run: Callable) -> None:
    save_run("mixture", ModelConfig(4, (1, 8, 8), width=2, prior="mixture"))
    page.query_params["model"] = "runs/mixture"
    with_lines(page)
    assert not page.error


def test_nonsense_in_the_address_falls_back(page: AppTest) -> None:
    page.query_params["rows"] = "../../etc/passwd.-1.99999.1024"
    for name in ("tilt", "frame", "contours", "energies", "paths"):
        page.query_params[name] = "../../etc/passwd"
    with_lines(page)
    assert "z[[0, 28, 56, 84" in page.code[0].value


@pytest.fixture
def text_page(page_of: Callable[..., AppTest]) -> AppTest:
    page = page_of("tilted_prior")
    page.query_params["model"] = "text"
    return page


def _read_out(page: AppTest) -> list[str]:
    return [m.value for m in page.markdown if ":gray[sample" in m.value]


def test_samples_of_a_model_of_sentences_are_read_out(text_page: AppTest) -> None:
    with_lines(text_page)
    assert not text_page.error
    said = _read_out(text_page)
    assert len(said) == 36
    names: dict[str, Any] = {}
    exec(text_page.code[0].value, names)
    assert [line.partition("  ")[0] for line in said] == [plain(s) for s in names["sentences"]]


def test_words_are_found_counted_and_kept_in_the_address(text_page: AppTest) -> None:
    text_page.query_params["find"] = "THE teacher"
    with_lines(text_page)
    (counted,) = [m.value for m in text_page.markdown if "is said by" in m.value]
    assert counted.startswith("**THE teacher** is said by ")
    n = int(re.search(r"(\d+) of 256 draws of p_λ", counted)[1])
    said = _read_out(text_page)
    assert len(said) == min(n, 36) > 0
    assert all(":orange[**teacher**]" in line for line in said)
    text_page.text_input(key="find").set_value("[no](x) such *word*").run()
    assert not text_page.exception
    assert not _read_out(text_page)
    assert r"\[no\]\(x\) such \*word\*" in "".join(m.value for m in text_page.markdown)


def test_circled_sentences_are_those_of_the_address(text_page: AppTest) -> None:
    text_page.query_params.update({"rows": "3.17.900", "frame": "nonsense", "tilt": "0.5"})
    with_lines(text_page)
    assert [re.search(r"sample (\d+)", line)[1] for line in _read_out(text_page)] == [
        "3",
        "17",
        "900",
    ]
