"""From page to page in a real Chromium: what goes along, and what stays where it was set."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from explorer import press

SET = "model=digits&seed=5&K=33&n=16&T=0.5&mala=true"


def _turn_to(page: Any, name: str, until: Any) -> None:
    press(page, page.get_by_test_id("stTopNavLink").filter(has_text=name), until)


def test_settings_go_along_and_stay_in_the_address(open_page: Callable[..., Any]) -> None:
    page = open_page(f"?{SET}")
    for _ in range(2):  # on the direct way, and on a detour over a page without them
        _turn_to(page, "Compare", page.get_by_text("B is the same with"))
        page.wait_for_url(
            re.compile(r"compare\?(?=.*model=digits)(?=.*seed=5)(?=.*K=33)(?=.*n=16)")
        )
        assert page.get_by_role("spinbutton", name="Steps K").first.input_value() == "33"
        _turn_to(page, "Learn", page.get_by_text("In the library"))
    _turn_to(page, "Posterior", page.get_by_text("9 restarts after 100 steps"))
    page.wait_for_url(re.compile(r"posterior\?(?=.*model=digits)(?=.*seed=5)(?!.*T=0.5)"))


def test_the_first_page_is_found_by_its_name_too(open_page: Callable[..., Any]) -> None:
    page = open_page(f"chains?{SET}")
    page.wait_for_selector('output.counter[data-step="33"]')
    page.wait_for_url(re.compile(r":\d+/\?(?=.*model=digits)(?=.*seed=5)(?=.*K=33)(?=.*mala=true)"))
    assert page.get_by_role("dialog").count() == 0
    _turn_to(page, "Learn", page.get_by_text("In the library"))
    _turn_to(page, "Chains", page.locator('output.counter[data-step="33"]'))


def test_lessons_keep_their_settings_to_themselves(open_page: Callable[..., Any]) -> None:
    page = open_page("posterior?model=digits&K1=77&n1=4")
    _turn_to(page, "Learn", page.get_by_text("In the library"))
    press(
        page,
        page.get_by_role("radio", name=re.compile("Posterior")).or_(
            page.get_by_role("button", name=re.compile("Posterior"))
        ),
        page.get_by_text("Which z made this x?"),
    )
    assert page.get_by_role("slider", name="Step k").input_value() == "40"


def test_the_address_tells_all_after_a_visit_elsewhere(open_page: Callable[..., Any]) -> None:
    page = open_page("posterior?model=digits&n1=4&K1=30")
    for step in (29, 28):
        page.click("button.back")
        page.wait_for_selector(f'output.counter[data-step="{step}"]')
    page.wait_for_url(re.compile("step=28"))
    _turn_to(page, "Learn", page.get_by_text("In the library"))
    _turn_to(page, "Posterior", page.locator('output.counter[data-step="28"]'))
    page.wait_for_url(re.compile(r"posterior\?(?=.*step=28)(?=.*K1=30)(?=.*n1=4)"))
    again = open_page(page.url.rpartition("/")[2])
    assert again.locator("output.counter").get_attribute("data-step") == "28"
    picture = "canvas => canvas.toDataURL()"
    pictures = [p.locator("figure.many canvas").evaluate(picture) for p in (page, again)]
    assert pictures[0] == pictures[1]


def test_the_time_machine_shows_its_pictures_after_a_visit_elsewhere(
    open_page: Callable[..., Any],
) -> None:
    page = open_page("time-machine?run=the+example&n=4")
    page.click("button.back")
    page.wait_for_selector('output.counter[data-step="10"]')
    page.wait_for_url(re.compile("at=2200"))
    picture = "canvas => canvas.toDataURL()"
    before = page.locator("figure.many canvas").evaluate(picture)
    _turn_to(page, "Learn", page.get_by_text("In the library"))
    _turn_to(page, "Time machine", page.locator('output.counter[data-step="10"]'))
    assert page.locator("figure.many canvas").evaluate(picture) == before


def test_an_endless_number_in_the_address_is_passed_over(
    open_page: Callable[..., Any],
) -> None:
    page = open_page("posterior?model=digits&n1=4&seed=1e400&i=inf&K1=9")
    assert page.get_by_text("4 restarts after 9 steps").is_visible()
    assert not page.get_by_role("alert").count()
    assert "seed" not in page.url


def test_back_leads_to_the_page_before_as_it_was(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits&n=4&K=9")
    page.click("button.back")
    page.wait_for_url("**step=8**")
    _turn_to(page, "Compare", page.get_by_text("B is the same with"))
    page.wait_for_url(re.compile(r"compare\?(?=.*model=digits)(?=.*K=9)"))
    _turn_to(page, "Learn", page.get_by_text("In the library"))
    page.go_back()
    page.get_by_text("B is the same with").wait_for()
    page.wait_for_url(re.compile(r"compare\?(?=.*model=digits)(?=.*K=9)"))
    page.go_back()
    page.wait_for_selector('output.counter[data-step="8"]')
    page.wait_for_url(re.compile(r"/\?(?=.*model=digits)(?=.*K=9)(?=.*step=8)"))


def test_the_keyboard_alone_turns_pages_and_steps_chains(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits&n=4&K=9")
    link = page.get_by_test_id("stTopNavLink").filter(has_text="Compare")
    _tab_to(page, link)
    assert link.evaluate("link => getComputedStyle(link).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.get_by_text("B is the same with").wait_for()
    page.wait_for_selector('output.counter[data-step="9"]')
    _tab_to(page, page.locator("section.player"))
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**step=8**")


def _tab_to(page: Any, goal: Any) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if goal.evaluate("goal => goal.matches(':focus')"):
            return
    raise AssertionError("the keyboard does not come there")
