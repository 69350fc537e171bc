"""The Posterior page in a real Chromium: choose, draw, upload, scrub."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.studies import own_picture

DIGITS = "posterior?model=digits"
INK = """() => {
  const hosts = [...document.querySelectorAll('*')].map((element) => element.shadowRoot);
  const canvas = hosts.find((shadow) => shadow?.querySelector('.draw')).querySelector('canvas');
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return data.reduce((sum, value, i) => sum + (i % 4 === 0 ? value : 0), 0);
}"""


def _canvas(page: Any) -> dict[str, float]:
    canvas = page.locator(".draw canvas")
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    return canvas.bounding_box()


def _stroke(page: Any, *places: tuple[float, float]) -> None:
    """Draw with the mouse through these shares of the canvas's width and height."""
    box = _canvas(page)
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=6)
    page.mouse.up()


def _drawn(page: Any) -> np.ndarray | None:
    """The picture in the page's address, `(side, side)`."""
    found = re.search(r"[?&]x=([\w-]+)", page.url)
    pixels = own_picture.from_address(found.group(1)) if found else None
    return None if pixels is None else pixels[0].numpy()


def _wait_for_address(page: Any, before: str) -> None:
    page.wait_for_function("(before) => location.href !== before", arg=before)


def _png(width: int = 60, height: int = 40) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(buffer, "PNG")
    return buffer.getvalue()


def test_it_opens_on_restarts_of_a_test_example(open_page: Callable[..., Any]) -> None:
    page = open_page(DIGITS)
    page.get_by_text("9 restarts after 100 steps").wait_for()
    assert page.locator("output.counter").get_attribute("data-step") == "100"
    page.locator("th", has_text="Force ‖∇log p(x|z)‖").first.wait_for()
    for title in ("Where the restarts end", "Distances between", "Terms of −log p"):
        page.get_by_text(re.compile(title)).first.wait_for()
    page.click("button.start")
    page.wait_for_selector('output.counter[data-step="0"]')


def test_drawing_with_the_mouse_starts_chains(open_page: Callable[..., Any]) -> None:
    page = open_page(f"{DIGITS}&x_from=Drawing", wait_for=".draw canvas")
    page.get_by_text("Draw something").wait_for()
    _stroke(page, (0.5, 0.2), (0.5, 0.8))
    page.get_by_text("9 restarts after").wait_for()
    page.wait_for_url(re.compile("[?&]x="))
    pixels = _drawn(page)
    assert pixels is not None
    assert pixels[2:6, 3:5].mean() > 60
    assert pixels[:, [0, 7]].max() == 0
    page.locator(".st-key-input-x img").wait_for()


def test_a_drawing_is_undone_wiped_and_erased(open_page: Callable[..., Any]) -> None:
    page = open_page(f"{DIGITS}&x_from=Drawing", wait_for=".draw canvas")
    assert page.locator("button.undo").is_disabled()
    _stroke(page, (0.2, 0.5), (0.8, 0.5))
    one = page.evaluate(INK)
    _stroke(page, (0.5, 0.2), (0.5, 0.8))
    assert page.evaluate(INK) > one > 0
    page.click("button.undo")
    assert page.evaluate(INK) == one
    page.click("button.rubber")
    _stroke(page, (0.1, 0.5), (0.5, 0.5))
    assert 0 < page.evaluate(INK) < one
    page.click("button.clear")
    assert page.evaluate(INK) == 0
    page.get_by_text("Draw something").wait_for()


def test_a_finger_draws_and_a_reload_keeps_the_drawing(open_page: Callable[..., Any]) -> None:
    phone = {"viewport": {"width": 400, "height": 860}, "has_touch": True}
    page = open_page(f"{DIGITS}&x_from=Drawing", wait_for=".draw canvas", **phone)
    box = _canvas(page)
    touch = page.context.new_cdp_session(page)
    at = [(box["x"] + box["width"] * x, box["y"] + box["height"] * 0.5) for x in (0.2, 0.5, 0.8)]
    scrolled = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTop")
    for kind, places in (("touchStart", at[:1]), ("touchMove", at[1:2]), ("touchMove", at[2:])):
        points = [{"x": x, "y": y} for x, y in places]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_url(re.compile("[?&]x="))
    before = _drawn(page)
    assert before is not None
    assert before[3:5, 2:6].mean() > 60
    after = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTop")
    assert after == scrolled  # drawing does not scroll the page
    page.reload()
    page.wait_for_selector(".draw canvas")
    page.wait_for_selector("output.counter:not(:empty)")
    assert page.evaluate(INK) > 0
    np.testing.assert_array_equal(_drawn(page), before)


def test_a_wrong_upload_is_a_sentence_and_a_right_one_is_fitted(
    open_page: Callable[..., Any],
) -> None:
    page = open_page(f"{DIGITS}&x_from=Upload", wait_for=".st-key-example-file")
    chooser = page.locator('.st-key-example-file input[type="file"]')
    chooser.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": _png()})
    page.get_by_text("60 × 40 picture").wait_for()
    page.get_by_text("9 restarts after").wait_for()
    kept = _drawn(page)
    assert kept is not None
    assert (kept == 255).all()
    bad = {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 no picture"}
    chooser.set_input_files(bad)
    page.get_by_text("choose a PNG").wait_for()
    assert page.get_by_text("9 restarts after").is_visible()
    np.testing.assert_array_equal(_drawn(page), kept)


def test_points_of_the_plane_have_their_exact_posterior(open_page: Callable[..., Any]) -> None:
    page = open_page("posterior?model=pinwheel&point=Coordinates&x1=1&x2=-0.5")
    page.get_by_text("the exact posterior density").wait_for()
    page.get_by_text("The point and its reconstructions").first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_phone(open_page: Callable[..., Any], scheme: str) -> None:
    page = open_page(
        f"{DIGITS}&x_from=Drawing",
        wait_for=".draw canvas",
        color_scheme=scheme,
        viewport={"width": 400, "height": 860},
    )
    overflow = "() => { const m = document.querySelector('[data-testid=stMain]');"
    assert page.evaluate(f"{overflow} return m.scrollWidth - m.clientWidth; }}") <= 0
    assert page.locator(".draw canvas").bounding_box()["width"] <= 360


def test_settings_of_prior_chains_stay_with_them(open_page: Callable[..., Any]) -> None:
    page = open_page("compare?model=digits")
    page.get_by_test_id("stTopNavLink").filter(has_text="Posterior").click()
    page.get_by_role("heading", name="9 restarts after 100 steps").wait_for()
