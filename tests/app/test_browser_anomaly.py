"""The Anomaly page in a real Chromium: weigh, cut, click, link."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from explorer import IDLE

TITLE = "text=/Its score, taken apart/"


def _area(page: Any) -> str:
    metric = page.get_by_test_id("stMetric").filter(has_text="AUPRC here")
    return metric.get_by_test_id("stMetricValue").inner_text()


def test_it_opens_on_a_run_and_a_click_takes_a_picture_apart(
    open_page: Callable[..., Any],
) -> None:
    page = open_page("anomaly", wait_for=TITLE)
    assert float(_area(page)) > 0.6
    for title in ("Scores", "Precision and recall", "ROC", "AUPRC at every checkpoint"):
        page.get_by_text(re.compile(f"^{title}")).first.wait_for()
    gallery = page.locator(".st-key-anomaly-least .plotly .nsewdrag").first
    gallery.scroll_into_view_if_needed()
    page.get_by_text(re.compile("is an anomaly, number 1 of 505")).wait_for()
    box = gallery.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.4)
    page.wait_for_timeout(300)
    page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.4)
    page.get_by_text(re.compile(r"number (49\d|50\d|48\d) of 505")).wait_for()
    page.wait_for_url(re.compile(r"[?&]item=\d+"))


def test_weights_and_threshold_answer_at_once(open_page: Callable[..., Any]) -> None:
    page = open_page("anomaly?run=the+example", wait_for=TITLE)
    before = _area(page)
    slider = page.locator(".st-key-w_reconstruction").get_by_role("slider")
    slider.focus()
    for _ in range(10):
        slider.press("ArrowLeft")
    page.wait_for_url(re.compile(r"w_reconstruction="))
    page.wait_for_function(
        "before => ![...document.querySelectorAll('[data-testid=stMetricValue]')]"
        ".some(e => e.innerText === before)",
        arg=before,
    )
    page.wait_for_selector(IDLE)
    threshold = page.locator(".st-key-flag").get_by_role("slider")
    threshold.focus()
    threshold.press("End")
    page.get_by_text("recall 100.0%").wait_for()


def test_a_link_opens_what_was_seen(open_page: Callable[..., Any]) -> None:
    page = open_page("anomaly?item=5&flag=0&restarts=4&score=Typicality", wait_for=TITLE)
    page.get_by_text(re.compile("Example 5 is a normal example")).wait_for()
    page.get_by_text("Nothing is flagged").wait_for()
    assert page.locator(".st-key-w_tilt").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_phone(open_page: Callable[..., Any], scheme: str) -> None:
    phone = {"color_scheme": scheme, "viewport": {"width": 400, "height": 860}}
    page = open_page("anomaly", wait_for=TITLE, **phone)
    overflow = "() => { const m = document.querySelector('[data-testid=stMain]');"
    assert page.evaluate(f"{overflow} return m.scrollWidth - m.clientWidth; }}") <= 0
