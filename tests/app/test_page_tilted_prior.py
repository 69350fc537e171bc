"""The Tilted prior page as Streamlit runs it, without a browser."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
import streamlit as st
from explorer import with_lines
from streamlit.testing.v1 import AppTest

from app.sidebar import plain


@pytest.fixture
def page(page_of: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> AppTest:
    page = page_of("tilted_prior")
    page.query_params["model"] = "pinwheel"
    return page


def test_the_first_view_waits_for_no_annealing(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("app.views.tilted_prior")
    monkeypatch.setattr(module, "_PATIENCE", 60)
    begun, go_on = threading.Event(), threading.Event()

    def held_up(job, *settings) -> None:
        publish = job.publish

        def once(*result) -> None:
            publish(*result)
            begun.set()
            assert go_on.wait(60)

        job.publish = once
        build(job, *settings)

    build = module.tilt.build
    monkeypatch.setattr(module.tilt, "build", held_up)
    page.query_params["rows"] = "3.17"
    st.cache_resource.clear()  # another test may have had this model annealed
    try:
        page.run()
        assert begun.is_set()
        assert not page.exception
        assert page.metric[0].value == "0.00 ± 0.00"  # λ = 0, where annealing begins
        assert page.query_params["rows"] == "3.17"  # they are waited for
        assert not page.code
    finally:
        go_on.set()
    with_lines(page)
    assert "z[[3, 17]]" in page.code[0].value
    assert page.metric[0].value != "0.00 ± 0.00"


def test_circled_points_of_the_address_are_decoded(page: AppTest) -> None:
    page.query_params["rows"] = "3.17.900"
    with_lines(page)
    assert "z[[3, 17, 900]]" in page.code[0].value
    compile(page.code[0].value, "<copied>", "exec")
    page.select_slider(key="tilt").set_value(0.5)
    with_lines(page)  # samples of another λ are others
    assert "z[[3, 17, 900]]" not in page.code[0].value
    assert "rows" not in page.query_params


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
