"""The explorer in a real Chromium, doing what a person does there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from explorer import press

# JavaScript in which `root` is the player's shadow root and `arg` the argument.
IN_PLAYER = """async (arg) => {
  const hosts = [...document.querySelectorAll('*')].map((element) => element.shadowRoot);
  const root = hosts.find((shadow) => shadow?.querySelector('.player'));
  const shown = () => root?.querySelector('.counter').dataset.step;
  %s
}"""


def _in_player(page: Any, body: str, arg: Any = None) -> Any:
    return page.evaluate(IN_PLAYER % body, arg)


def _wait_in_player(page: Any, condition: str, arg: Any = None) -> None:
    page.wait_for_function(IN_PLAYER % f"return {condition};", arg=arg)


def _step(page: Any) -> int:
    return int(page.locator("output.counter").get_attribute("data-step"))


def _wait_step(page: Any, step: int) -> None:
    page.wait_for_selector(f'output.counter[data-step="{step}"]')


def _pixels(page: Any, figure: str = "many") -> str:
    return _in_player(page, f"return root.querySelector('figure.{figure} canvas').toDataURL();")


def test_it_opens_on_a_real_chain_without_a_click(open_page: Callable[..., Any]) -> None:
    page = open_page()
    assert page.locator("output.counter").inner_text() == "step 60 of 60"
    assert page.get_by_text("Decoded g(z) of 64 chains at step 60").is_visible()
    assert len(_pixels(page)) > 5_000


def test_steps_by_hand_move_the_picture(open_page: Callable[..., Any]) -> None:
    page = open_page()
    before = _pixels(page)
    for button, step in (("one", 61), ("ten", 71), ("hundred", 171)):
        page.click(f"button.{button}")
        _wait_step(page, step)
    assert _pixels(page) != before
    page.click("button.start")
    _wait_step(page, 0)
    assert page.locator("output.counter").inner_text() == "step 0 of 171"


# The next message never leaves the browser.
LOSE_ONE = """() => {
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function () { WebSocket.prototype.send = send; };
}"""


def test_a_request_that_is_lost_is_made_again(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits&n=4")
    page.evaluate(LOSE_ONE)
    page.click("button.one")
    _wait_step(page, 61)


def test_a_view_that_is_lost_is_told_again(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits&n=4")
    page.evaluate(LOSE_ONE)
    page.click("button.back")
    _wait_step(page, 59)
    page.wait_for_url("**step=59**")


def test_keyboard_steps_and_plays(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.locator("section.player").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    _wait_step(page, 49)
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    _wait_in_player(page, "shown() > 5")
    page.keyboard.press(" ")
    stopped = _step(page)
    page.wait_for_timeout(300)
    assert _step(page) == stopped


def test_playing_goes_on_beyond_the_steps_taken(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.click("button.play")
    _wait_in_player(page, "shown() > 100")
    page.click("button.play")
    assert page.locator("button.play").inner_text() == "Play"


def test_scrubbing_asks_the_server_nothing(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.evaluate(
        """() => {
          window.sent = 0;
          const send = WebSocket.prototype.send;
          WebSocket.prototype.send = function (...parts) {
            window.sent += 1;
            return send.apply(this, parts);
          };
        }"""
    )
    _in_player(
        page,
        """const slider = root.querySelector('.scrub input');
        for (let k = 60; k >= 0; k--) {
          slider.value = k;
          slider.dispatchEvent(new Event('input'));
          await new Promise(requestAnimationFrame);
        }""",
    )
    assert page.evaluate("() => window.sent") == 0
    assert _step(page) == 0


def test_a_followed_chain_is_marked_and_described(open_page: Callable[..., Any]) -> None:
    page = open_page()
    box = page.locator("figure.many canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] * 0.05)
    page.locator(".one-chain figcaption").get_by_text("Chain 7", exact=True).wait_for()
    page.wait_for_url(re.compile("chain=7"))


def test_the_address_brings_back_step_and_chain(open_page: Callable[..., Any]) -> None:
    first = open_page("?model=digits&seed=3&n=16&step=17&chain=5")
    again = open_page("?model=digits&seed=3&n=16&step=17&chain=5")
    assert _step(first) == _step(again) == 17
    assert first.locator(".one-chain figcaption").inner_text() == "Chain 5"
    assert _pixels(first) == _pixels(again)


def test_another_page_and_back_keeps_step_and_chain(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits")
    page.click("button.ten")
    _wait_step(page, 70)
    box = page.locator("figure.many canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] * 0.05)
    page.wait_for_url(re.compile("step=70.*chain=7"))
    page.get_by_role("link", name="Long run").click()
    page.get_by_text("Verdict: ").wait_for(timeout=120_000)
    page.get_by_role("link", name="Chains").click()
    _wait_step(page, 70)
    assert page.locator(".one-chain figcaption").inner_text() == "Chain 7"


def test_the_address_may_name_a_step_beyond_the_first_ones(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits&step=123")
    assert page.locator("output.counter").inner_text() == "step 123 of 123"


def test_a_change_of_model_shows_its_own_chain(open_page: Callable[..., Any]) -> None:
    page = open_page()
    before = _pixels(page)
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="digits", exact=True).click()
    _wait_in_player(page, "root?.querySelector('figure.many canvas').toDataURL() !== arg", before)
    assert not page.get_by_text("Session State API").count()


def test_a_model_of_the_plane_shows_latents_and_points(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=pinwheel")
    assert page.get_by_text("shade: the exact prior density").is_visible()
    before = _pixels(page)
    page.click("button.back")
    assert _pixels(page) != before


def test_a_click_into_the_latents_follows_a_chain_and_arrows_are_explained(
    open_page: Callable[..., Any],
) -> None:
    page = open_page("?model=pinwheel&n=16")
    legend = page.locator(".latents .legend").inner_text()
    assert all(name in legend for name in ("−z", "∇f", "noise"))
    before = _pixels(page, "latents")
    box = page.locator(".latents canvas").bounding_box()
    for share in (0.2, 0.8):  # two corners of the plane cannot have the same nearest chain
        page.mouse.click(box["x"] + share * box["width"], box["y"] + share * box["height"])
    _wait_in_player(
        page, "root.querySelector('.one-chain figcaption').textContent.trim() !== 'Chain 0'"
    )
    assert _pixels(page, "latents") != before


def test_a_click_into_the_curve_moves_everything_to_that_step(
    open_page: Callable[..., Any],
) -> None:
    page = open_page("?model=digits&n=16")
    views = ("many", "latents", "one-chain", "curves")
    before = [_pixels(page, name) for name in views]
    energy = page.locator("tbody td").first.inner_text()
    chart = page.locator(".curves canvas")
    middle = 46 + (chart.bounding_box()["width"] - 56) / 2  # between the axes' ends
    chart.click(position={"x": middle, "y": 50})
    _wait_step(page, 30)
    assert all(_pixels(page, name) != old for name, old in zip(views, before, strict=True))
    assert page.locator("tbody td").first.inner_text() != energy


def test_another_curve_is_drawn_and_remembered(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits&n=16")
    before = _pixels(page, "curves")
    page.locator(".curves select").select_option("cosine_base_tilt")
    page.wait_for_url(re.compile("curve=cosine_base_tilt"))
    assert _pixels(page, "curves") != before
    again = open_page("?model=digits&n=16&curve=cosine_base_tilt")
    assert _pixels(again, "curves") == _pixels(page, "curves")


def test_a_fork_runs_beside_the_original(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits&n=16")
    _wait_step(page, 60)
    page.locator("section.player").focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowLeft")
    page.wait_for_url(re.compile("step=20"))
    page.get_by_role("button", name="Fork here").click()
    page.get_by_text("Fork at step 20: ").wait_for()
    pictures = """return [...root.querySelectorAll('figure.many canvas')]
        .map((canvas) => canvas.toDataURL());"""
    original, fork = _in_player(page, pictures)
    assert original == fork
    page.click("button.one")
    _wait_step(page, 21)
    original, fork = _in_player(page, pictures)
    assert original != fork
    page.click("button.hundred")
    _wait_step(page, 121)
    assert page.locator("output.counter").inner_text() == "step 121 of 121"
    page.wait_for_url(re.compile("step=121"))
    later = _in_player(page, pictures)
    again = open_page("?" + page.url.partition("/?")[2])
    again.get_by_text("Fork at step 20: ").wait_for()
    assert _in_player(again, pictures) == later
    page.get_by_role("button", name="Drop the fork").click()
    page.get_by_text("Fork at step 20: ").wait_for(state="detached")
    assert _step(page) == 121


def test_settings_change_on_the_way_and_the_address_knows(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits&n=16")
    before = _pixels(page)
    page.get_by_role("spinbutton", name="Step size s").fill("0.01")
    page.keyboard.press("Enter")
    page.get_by_text("From step 61 on: s = 0.01").wait_for()
    assert _step(page) == 60
    assert _pixels(page) == before
    page.click("button.ten")
    _wait_step(page, 70)
    page.wait_for_url(re.compile("step=70"))
    again = open_page("?" + page.url.partition("/?")[2])
    assert _step(again) == 70
    assert _pixels(again) == _pixels(page)
    page.get_by_role("button", name="Start over").click()
    page.get_by_text("From step 61 on").wait_for(state="detached")


def test_the_metropolis_test_says_how_many_steps_it_accepts(
    open_page: Callable[..., Any],
) -> None:
    page = open_page("?model=digits&n=16&mala=true&s=0.2")
    row = page.get_by_role("row", name=re.compile("Accepted so far"))
    assert 0 < float(row.locator("td").last.inner_text()) < 1


def test_a_long_run_is_shown_while_it_runs_and_judged(open_page: Callable[..., Any]) -> None:
    page = open_page("long-run?model=digits&n=16&long=1500", wait_for="text=Verdict:")
    page.get_by_text("at steps 0 to 1500").wait_for()
    page.get_by_text("Energy over the whole chain").first.wait_for()


def test_a_long_run_can_be_stopped_and_keeps_its_steps(open_page: Callable[..., Any]) -> None:
    page = open_page("long-run?model=digits&n=100&long=20000", wait_for=".st-key-stop button")
    page.get_by_text(re.compile("at steps 0 to")).wait_for()
    stop = page.get_by_role("button", name="Stop here")
    press(page, stop, page.get_by_text(re.compile("^Verdict: |say nothing on")))
    stop.wait_for(state="detached")
    page.get_by_text(re.compile(r"at steps 0 to \d+")).wait_for()


def test_a_damaged_file_is_one_sentence(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=runs/broken", wait_for="[data-testid=stAlert]")
    assert "nothing in it was run" in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_cut_off(open_page: Callable[..., Any], scheme: str, width: int) -> None:
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    body = "const box = root.querySelector('.player'); return box.scrollWidth - box.clientWidth;"
    assert _in_player(page, body) <= 0
    dark = scheme == "dark"
    script = "() => getComputedStyle(document.querySelector('.stApp')).backgroundColor"
    color = page.evaluate(script)
    channels = [int(c) for c in re.findall(r"\d+", color)[:3]]
    assert (sum(channels) < 200) == dark
