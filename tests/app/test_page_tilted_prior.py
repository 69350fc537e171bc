"""The Tilted prior page as Streamlit runs it, without a browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from explorer import with_lines
from streamlit.testing.v1 import AppTest


@pytest.fixture
def page(page_of: Callable[[str], AppTest], monkeypatch: pytest.MonkeyPatch) -> AppTest:
    page = page_of("tilted_prior")
    page.query_params["model"] = "pinwheel"
    return page


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
