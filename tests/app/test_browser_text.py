"""Models of sentences in a real Chromium: type one and read its restarts, cross the landscape."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from explorer import IDLE

TYPED = "posterior of a typed sentence"


def _wait_for_address(page: Any, **said: str) -> None:
    """Wait until the address says these; it changes a moment after the page."""
    says = "([name, text]) => new RegExp(text).test(new URLSearchParams(location.search).get(name))"
    page.wait_for_function(f"(said) => Object.entries(said).every({says})", arg=said)


def _type(page: Any, key: str, text: str) -> None:
    page.wait_for_selector(IDLE)
    box = page.locator(f".st-key-{key} input")
    box.fill(text)
    box.press("Enter")


def test_a_typed_sentence_is_explained_and_stepped(open_page: Callable[..., Any]) -> None:
    page = open_page("posterior?model=text", wait_for="h3")
    page.get_by_role("heading", name="9 restarts after 60 steps").wait_for()
    page.get_by_text("Typed", exact=True).click()
    page.locator(".st-key-typed input").wait_for()
    assert page.locator(".st-key-typed input").input_value().startswith("every day , the farmer")
    _wait_for_address(page, typed="^every day")
    _type(page, "typed", "The zebra served two cakes.")
    page.get_by_text("zebra → <unk>").wait_for()
    page.get_by_text("Restart 0, step 60").wait_for()
    slider = page.locator(".st-key-step").get_by_role("slider")
    slider.focus()
    slider.press("ArrowLeft")
    page.get_by_text("Restart 0, step 59").wait_for()
    _wait_for_address(page, typed="^The zebra served two cakes.$", words_from="Typed", step="59")
    said = page.locator(".st-key-step-shown").inner_text()
    page.reload()
    page.get_by_text("Restart 0, step 59").wait_for()
    assert page.locator(".st-key-step-shown").inner_text() == said


def test_what_cannot_be_read_is_one_sentence_and_html_stays_text(
    open_page: Callable[..., Any],
) -> None:
    page = open_page("posterior?model=text&words_from=Typed", wait_for=".st-key-typed")
    page.get_by_text("Type a sentence: words with spaces").wait_for()
    _type(page, "typed", "the " * 30)
    page.get_by_text("the model takes at most 19").wait_for()
    _type(page, "typed", "<img src=x> ![a](b://c)")
    page.get_by_text("The model reads:").wait_for()
    assert page.locator('[data-testid=stMain] img[src="x"], img[src^="b:"]').count() == 0


def test_a_path_between_two_typed_sentences(open_page: Callable[..., Any]) -> None:
    query = f"landscape?model=text&show=Paths&a={TYPED}&b={TYPED}&at=the+sailor+watched+the+waves+."
    page = open_page(query, wait_for=".st-key-bt")
    _type(page, "bt", "the cook baked two cakes .")
    lists = page.get_by_text(re.compile(r"\d+ different sentences in a row"))
    lists.nth(2).wait_for()
    assert lists.count() == 3
    page.get_by_text("Three ways from A to B").first.wait_for()
    _wait_for_address(page, bt="^the cook baked two cakes .$")


def test_a_click_into_the_plane_reads_the_sentence_there(open_page: Callable[..., Any]) -> None:
    page = open_page("landscape?model=text&show=Plane", wait_for=".st-key-selected")
    page.wait_for_selector(".st-key-plane .nsewdrag")
    before = page.locator(".st-key-selected").inner_text()
    box = page.locator(".st-key-plane .nsewdrag").bounding_box()
    page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + 0.3 * box["height"])
    page.wait_for_function(
        "(before) => document.querySelector('.st-key-selected').innerText !== before", arg=before
    )
    _wait_for_address(page, u=r"\d", v=r"\d")


@pytest.mark.parametrize("query", ["posterior?model=text", "landscape?model=text&show=Paths"])
def test_nothing_is_cut_off_on_a_phone(open_page: Callable[..., Any], query: str) -> None:
    phone = {"width": 400, "height": 860}
    page = open_page(query, wait_for=".js-plotly-plot", viewport=phone)
    main = "() => { const m = document.querySelector('[data-testid=stMain]');"
    assert page.evaluate(f"{main} return m.scrollWidth - m.clientWidth; }}") <= 0
