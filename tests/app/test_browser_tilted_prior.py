"""The Tilted prior page in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
import torch
from explorer import IDLE, run_lines

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

METRIC = "[data-testid=stMetricValue]"
Open = Callable[..., Any]
#: All four: log Z alone is the same to two decimals on either side of where it is lowest.
NUMBERS = (
    "() => [...document.querySelectorAll('[data-testid=stMetricValue]')]"
    ".map(e => e.innerText).join()"
)
PLOT = ".js-plotly-plot .nsewdrag"


def _settled(page: Any) -> Any:
    """The page once the aggregate posterior is there too."""
    legend = page.locator(".legendtext").get_by_text("aggregate posterior")
    legend.wait_for(timeout=120_000)
    page.get_by_text("Inferring").wait_for(state="detached")
    return page


def _circle_all(page: Any) -> None:
    """Draw a line round the middle of the frame with the mouse; again where a redraw took it."""
    note = page.get_by_text(re.compile("selected points, the first"))
    for _ in range(3):
        page.wait_for_selector(IDLE)
        plot = page.locator(".nsewdrag").first.bounding_box()
        page.mouse.move(plot["x"] + 5, plot["y"] + 5)
        page.mouse.down()
        for x, y in ((0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.02)):
            page.mouse.move(plot["x"] + x * plot["width"], plot["y"] + y * plot["height"], steps=5)
        page.mouse.up()
        try:
            note.wait_for(timeout=15_000)
        except sync_api.TimeoutError:
            continue
        return
    raise AssertionError("points were circled three times and none was decoded")


def test_circled_points_decode_and_stand_in_the_address(open_page: Open) -> None:
    options = {"viewport": {"width": 1280, "height": 1000}}
    page = _settled(open_page("tilted-prior?model=digits&tilt=0.8", wait_for=PLOT, **options))
    _circle_all(page)
    page.wait_for_url(re.compile(r"rows=\d+\.\d+"))
    rows = [int(row) for row in re.search(r"rows=([\d.]+)", page.url)[1].split(".")]
    picture = page.locator("[data-testid=stImage] img").first.get_attribute("src")
    names = run_lines(page)
    torch.testing.assert_close(names["z"][rows], names["path"].particles[8][rows])
    assert page.locator(METRIC).first.inner_text().startswith(f"{names['log_z']:.2f}")
    again = open_page(page.url.rpartition("/")[2], wait_for=PLOT, **options)
    again.get_by_text("36 selected points").wait_for()
    assert again.locator("[data-testid=stImage] img").first.get_attribute("src") == picture


def test_umap_is_fitted_on_request_and_says_what_it_loses(open_page: Open) -> None:
    page = _settled(open_page("tilted-prior?model=digits", wait_for=PLOT))
    assert page.get_by_text(re.compile(r"of the variance, trustworthiness 0\.\d\d")).is_visible()
    page.get_by_role("radio", name="UMAP").or_(
        page.get_by_role("button", name="UMAP")
    ).first.click()
    page.get_by_text("Fitting UMAP").wait_for()
    page.get_by_text("UMAP of p₀ and p_α together").wait_for(timeout=240_000)
    page.get_by_text("Fitting UMAP").wait_for(state="detached")
    page.wait_for_url(re.compile("frame=UMAP"))
    assert page.get_by_text("UMAP 1").first.is_visible()


def test_layers_have_a_place_in_the_address(open_page: Open) -> None:
    page = _settled(open_page("tilted-prior?model=digits&contours=true", wait_for=PLOT))
    legend = page.locator(".legendtext")
    assert legend.get_by_text("contours of").is_visible()
    for label in ("Colour by energy", "Chains"):
        page.locator("label").filter(has_text=label).first.click()
    page.wait_for_url(re.compile("(?=.*energies=true)(?=.*paths=true)"))
    legend.get_by_text("6 chains").wait_for()
    page.get_by_text("−f(z)").first.wait_for()


def test_nonsense_in_the_address_falls_back(open_page: Open) -> None:
    page = open_page("tilted-prior?model=digits&tilt=9&frame=../x&paths=7", wait_for=PLOT)
    assert page.get_by_text("samples of p_λ, decoded").is_visible()
    assert not page.get_by_role("alert").count()


def test_another_tilt_is_there_at_once(open_page: Open) -> None:
    """Key to new numbers; prints the median, bounds the quickest: the machine may be busy."""
    page = _settled(open_page("tilted-prior?model=pinwheel&tilt=0.2", wait_for=PLOT))
    page.get_by_role("slider").first.focus()
    times = []
    for _ in range(9):
        before = page.evaluate(NUMBERS)
        start = page.evaluate("() => performance.now()")
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"(before) => ({NUMBERS})() !== before", arg=before)
        times.append(page.evaluate("() => performance.now()") - start)
    print(f"another tilt: median {median(times):.0f} ms of {len(times)}")
    assert min(times) < 800


def test_a_narrow_page_is_not_cut_off(open_page: Open) -> None:
    options = {"color_scheme": "dark", "viewport": {"width": 400, "height": 900}}
    page = _settled(open_page("tilted-prior?model=pinwheel", wait_for=PLOT, **options))
    assert page.evaluate("() => document.body.scrollWidth - document.body.clientWidth") <= 0
