"""The Tilted prior page as Streamlit runs it, without a browser."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable

import pytest
from explorer import with_lines
from streamlit.testing.v1 import AppTest


@pytest.fixture
def page(page_of: Callable[[str], AppTest], monkeypatch: pytest.MonkeyPatch) -> AppTest:
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
