"""The Landscape page in a real Chromium: each view, its pictures, its address."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from explorer import IDLE, press, run_lines

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

METRIC = '[data-testid="stMetricValue"]'
CHART = ".js-plotly-plot .main-svg"
DIGITS = "landscape?model=digits"


def _open(open_page: Callable[..., Any], query: str, **options: Any) -> Any:
    return open_page(query, wait_for=CHART, **options)


def _choose(page: Any, view: str, seen: str) -> None:
    """Turn to another view, which shows this text."""
    button = page.get_by_role("radio", name=view, exact=True).or_(
        page.get_by_role("button", name=view, exact=True)
    )
    press(page, button, page.get_by_text(re.compile(seen)))


def _pictures(page: Any) -> int:
    """Pictures that the charts have drawn."""
    page.wait_for_selector(".imagelayer image")
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
        _choose(page, view, seen)
        page.wait_for_url(re.compile(f"show={view}"))
    page.reload()
    page.get_by_text("Direction 1 through the mean").first.wait_for()


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
    page.wait_for_function(f"(before) => ![undefined, before].includes(({source})())", arg=before)


def _shown(page: Any) -> list[str]:
    """Numbers and picture of the point that is looked at."""
    picture = page.locator(".st-key-selected img")
    picture.wait_for()
    return [*page.locator(METRIC).all_inner_texts(), picture.get_attribute("src")]


def _click(page: Any, x: float, y: float) -> None:
    """Click these shares into the plane; again where a redraw swallowed the click."""
    before = page.url
    for _ in range(3):
        page.wait_for_selector(IDLE)
        plot = page.locator(".st-key-plane .nsewdrag").bounding_box()
        place = (plot["x"] + x * plot["width"], plot["y"] + y * plot["height"])
        page.mouse.move(*place, steps=4)
        page.wait_for_timeout(300)  # the place under the pointer is looked for after a rest
        page.mouse.click(*place)
        try:
            page.wait_for_function(
                "(before) => location.href !== before", arg=before, timeout=20_000
            )
        except sync_api.TimeoutError:
            continue
        page.wait_for_selector(IDLE)
        return
    raise AssertionError("three clicks into the plane changed nothing")


def test_a_click_into_the_plane_decodes_that_point(open_page: Callable[..., Any]) -> None:
    page = _open(open_page, f"{DIGITS}&show=Plane")
    seen = [_shown(page)]
    for x, y in ((0.3, 0.4), (0.6, 0.7)):
        _click(page, x, y)
        page.wait_for_function(
            f"(before) => document.querySelector('{METRIC}').innerText !== before", arg=seen[-1][0]
        )
        page.wait_for_selector(IDLE)
        seen.append(_shown(page))
    assert len(set(map(str, seen))) == 3
    at = {name: float(re.search(f"[?&]{name}=([-.\\d]+)", page.url)[1]) for name in "uv"}
    assert at["u"] > 0 > at["v"]
    names = run_lines(page)
    neg_energy = float(names["model"].prior.neg_energy(names["selected"][None]))
    assert float(seen[-1][0].replace("−", "-")) == pytest.approx(neg_energy, abs=0.05)
    again = _open(open_page, page.url.rpartition("/")[2])
    assert _shown(again)[:3] == seen[-1][:3]


def test_pictures_of_a_strip_are_legible_on_a_phone(open_page: Callable[..., Any]) -> None:
    phone = {"width": 400, "height": 860}
    for view in ("Line", "Paths"):
        page = _open(open_page, f"{DIGITS}&show={view}", viewport=phone)
        _pictures(page)
        strip = page.locator(".imagelayer image").first.bounding_box()
        assert strip["width"] / 13 > 40  # of thirteen pictures
        box = page.locator(".st-key-over-strips")
        box.evaluate("box => { box.scrollLeft = box.scrollWidth; }")
        right = strip["x"] + strip["width"]
        assert page.locator(".imagelayer image").first.bounding_box()["x"] < strip["x"]
        assert right > 400


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_phone(open_page: Callable[..., Any], scheme: str) -> None:
    phone = {"width": 400, "height": 860}
    page = _open(open_page, DIGITS, color_scheme=scheme, viewport=phone)
    overflow = "() => { const m = document.querySelector('[data-testid=stMain]');"
    assert page.evaluate(f"{overflow} return m.scrollWidth - m.clientWidth; }}") <= 0
    _choose(page, "Plane", "each at its place")
    assert page.evaluate(f"{overflow} return m.scrollWidth - m.clientWidth; }}") <= 0
