"""Comparing two chains in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

IN_PLAYER = """async (arg) => {
  const hosts = [...document.querySelectorAll('*')].map((element) => element.shadowRoot);
  const root = hosts.find((shadow) => shadow?.querySelector('.player'));
  %s
}"""


def _grids(page: Any) -> list[str]:
    """Both grids of decoded pictures."""
    body = "return [...root.querySelectorAll('.many canvas')].map((c) => c.toDataURL());"
    return page.evaluate(IN_PLAYER % body)


def test_both_sides_start_alike_and_part(open_page: Callable[..., Any]) -> None:
    page = open_page("compare?model=digits")
    at_end = _grids(page)
    assert at_end[0] != at_end[1]
    page.click("button.start")
    page.wait_for_selector('output.counter[data-step="0"]')
    at_start = _grids(page)
    assert at_start[0] == at_start[1]
    page.get_by_text(re.compile("^Step 0: .* are 0.00 apart")).wait_for()
    page.get_by_text("log Z(λ), nats").first.wait_for(state="attached")


def test_another_question_changes_b_alone(open_page: Callable[..., Any]) -> None:
    page = open_page("compare?model=digits")
    before = _grids(page)
    page.get_by_role("radio", name="no noise").or_(
        page.get_by_role("button", name="no noise")
    ).first.click()
    page.get_by_text("temperature 1 → 0").wait_for()
    page.wait_for_function(
        IN_PLAYER % "return root.querySelectorAll('.many canvas')[1].toDataURL() !== arg;",
        arg=before[1],
    )
    assert _grids(page)[0] == before[0]
    page.wait_for_url(re.compile("with=no"))


def test_the_address_brings_the_comparison_back(open_page: Callable[..., Any]) -> None:
    query = "compare?model=digits&n=16&with=Metropolis+test&step=12&chain=5"
    first, again = open_page(query), open_page(query)
    assert first.locator("output.counter").get_attribute("data-step") == "12"
    assert _grids(first) == _grids(again)


@pytest.mark.parametrize(("scheme", "width"), [("light", 400), ("dark", 1280)])
def test_nothing_is_cut_off(open_page: Callable[..., Any], scheme: str, width: int) -> None:
    viewport = {"width": width, "height": 900}
    page = open_page("compare?model=digits&n=16", color_scheme=scheme, viewport=viewport)
    script = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(script) <= 0
    body = "const box = root.querySelector('.player'); return box.scrollWidth - box.clientWidth;"
    assert page.evaluate(IN_PLAYER % body) <= 0
