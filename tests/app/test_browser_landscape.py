"""The Landscape page in a real Chromium: each view, its pictures, its address."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

CHART = ".js-plotly-plot .main-svg"
DIGITS = "landscape?model=digits"


def _open(open_page: Callable[..., Any], query: str, **options: Any) -> Any:
    return open_page(query, wait_for=CHART, **options)


def _pictures(page: Any) -> int:
    """Pictures that the charts have drawn."""
    page.wait_for_selector(".imagelayer image", timeout=30_000)
    return page.locator(".imagelayer image").count()


def test_it_opens_on_a_line_with_what_it_decodes_to(open_page: Callable[..., Any]) -> None:
    page = _open(open_page, DIGITS)
    assert page.get_by_text("The line through A and B").first.is_visible()
    assert _pictures(page) == 1
    picture = page.locator(".imagelayer image").bounding_box()
    plot = page.locator(".nsewdrag").first.bounding_box()
    assert picture["width"] > 0.9 * plot["width"]
    assert picture["y"] > plot["y"]


def test_each_view_by_a_click_and_kept_in_the_address(open_page: Callable[..., Any]) -> None:
    page = _open(open_page, DIGITS)
    for view, seen in (
        ("Plane", "each at its place"),
        ("Paths", "Three ways from A to B"),
        ("Directions", "Direction 1 through the mean"),
    ):
        page.get_by_role("radio", name=view, exact=True).or_(
            page.get_by_role("button", name=view, exact=True)
        ).first.click()
        page.get_by_text(re.compile(seen)).first.wait_for(timeout=30_000)
        page.wait_for_url(re.compile(f"show={view}"))
    page.reload()
    page.get_by_text("Direction 1 through the mean").first.wait_for(timeout=60_000)


def test_paths_state_their_barriers(open_page: Callable[..., Any]) -> None:
    page = _open(open_page, "landscape?model=pinwheel&show=Paths")
    values = page.locator('[data-testid="stMetricValue"]').all_inner_texts()
    assert len(values) == 3
    climbs = [[float(x) for x in re.findall(r"[\d.]+", value)] for value in values]
    assert max(climbs[2]) <= max(climbs[0])  # low energy against straight
    page.get_by_text("The paths over").first.wait_for()


def test_another_point_changes_the_line(open_page: Callable[..., Any]) -> None:
    page = _open(open_page, f"{DIGITS}&b=origin")
    source = "() => document.querySelector('.imagelayer image')?.href.baseVal"
    _pictures(page)
    before = page.evaluate(source)
    assert before
    number = page.locator(".st-key-an input")
    number.fill("7")
    number.press("Enter")
    page.wait_for_url(re.compile("an=7"))
    page.wait_for_function(
        f"(before) => ![undefined, before].includes(({source})())", arg=before, timeout=30_000
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["Line", "Plane"])
def test_nothing_is_cut_off_on_a_phone(
    open_page: Callable[..., Any], scheme: str, view: str
) -> None:
    phone = {"width": 400, "height": 860}
    page = _open(open_page, f"{DIGITS}&show={view}", color_scheme=scheme, viewport=phone)
    overflow = "() => { const m = document.querySelector('[data-testid=stMain]');"
    assert page.evaluate(f"{overflow} return m.scrollWidth - m.clientWidth; }}") <= 0
