"""Comparing, exporting and opening one's own files in a real Chromium."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lebm import archive, zoo
from lebm.recipe import ChainRecipe

IN_PLAYER = """async (arg) => {
  const hosts = [...document.querySelectorAll('*')].map((element) => element.shadowRoot);
  const root = hosts.find((shadow) => shadow?.querySelector('.player'));
  %s
}"""


def _grids(page: Any) -> list[str]:
    """Both grids of decoded pictures."""
    body = "return [...root.querySelectorAll('.many canvas')].map((c) => c.toDataURL());"
    return page.evaluate(IN_PLAYER % body)


def _download(page: Any, key: str) -> bytes:
    with page.expect_download(timeout=60_000) as download:
        page.click(f".st-key-{key.replace('.', '-')} button")
    return Path(download.value.path()).read_bytes()


def _open_box(page: Any, title: str) -> None:
    page.get_by_text(f"{title}, or make it again in Python").click()


def test_both_sides_start_alike_and_part(open_page: Callable[..., Any]) -> None:
    page = open_page("compare?model=digits")
    at_end = _grids(page)
    assert at_end[0] != at_end[1]
    page.click("button.start")
    page.wait_for_selector('output.counter[data-step="0"]')
    at_start = _grids(page)
    assert at_start[0] == at_start[1]
    page.get_by_text(re.compile("^Step 0: .* are 0.00 apart")).wait_for(timeout=30_000)
    page.get_by_text("log Z(λ), nats").first.wait_for(state="attached", timeout=60_000)


def test_another_question_changes_b_alone(open_page: Callable[..., Any]) -> None:
    page = open_page("compare?model=digits")
    before = _grids(page)
    page.get_by_role("radio", name="no noise").or_(
        page.get_by_role("button", name="no noise")
    ).first.click()
    page.get_by_text("temperature 1 → 0").wait_for(timeout=30_000)
    page.wait_for_function(
        IN_PLAYER % "return root.querySelectorAll('.many canvas')[1].toDataURL() !== arg;",
        arg=before[1],
        timeout=30_000,
    )
    assert _grids(page)[0] == before[0]
    page.wait_for_url(re.compile("with=no"))


def test_the_address_brings_the_comparison_back(open_page: Callable[..., Any]) -> None:
    query = "compare?model=digits&n=16&with=Metropolis+test&step=12&chain=5"
    first, again = open_page(query), open_page(query)
    assert first.locator("output.counter").get_attribute("data-step") == "12"
    assert _grids(first) == _grids(again)


def test_every_export_is_of_the_chain_that_is_shown(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits&n=9&K=20&seed=4")
    page.click("button.ten")
    page.wait_for_selector('output.counter[data-step="30"]')
    page.click("button.back")
    page.wait_for_url(re.compile("step=29"))
    page.wait_for_timeout(500)
    _open_box(page, "Export")
    chain = archive.loads(_download(page, "chains.0.npz"))
    model, _ = zoo.load_model("digits")
    assert chain.recipe.segments[0].seed == 4
    assert np.array_equal(chain.replay(model).z.numpy(), chain.arrays["z"])
    assert len(chain.arrays["steps"]) == 31
    png = Image.open(io.BytesIO(_download(page, "chains.0.png")))
    assert png.text["step"] == "29"
    assert ChainRecipe.from_json(png.text["settings"]) == chain.recipe
    assert Image.open(io.BytesIO(_download(page, "chains.0.gif"))).n_frames == 31
    assert _download(page, "chains.0.mp4")[4:8] == b"ftyp"
    assert _download(page, "chains.0.csv").count(b"\n") == 2 + 31 * 9


def test_the_lines_that_are_copied_make_the_chain(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits&n=9&K=20&seed=4")
    _open_box(page, "Export")
    page.click(".st-key-chains-0-python button")
    code = page.locator('[data-testid="stCode"]')
    code.wait_for(timeout=30_000)
    names: dict[str, Any] = {}
    exec(code.inner_text(), names)
    page.click(".st-key-chains-0-python button")
    chain = archive.loads(_download(page, "chains.0.npz"))
    assert np.array_equal(names["chain"].z.numpy(), chain.arrays["z"])


def test_a_wrong_file_is_one_sentence_and_a_right_one_opens(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits")
    page.get_by_text("Open your own").click()
    uploader = page.locator('[data-testid="stFileUploaderDropzoneInput"]')
    uploader.set_input_files({"name": "a.pth", "mimeType": "x/y", "buffer": b"\x80junk"})
    page.get_by_text("nothing in it was run").wait_for(timeout=30_000)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    good = zoo.paths()["pinwheel"].read_bytes()
    uploader.set_input_files({"name": "mine.safetensors", "mimeType": "x/y", "buffer": good})
    page.get_by_text("opened here, by you alone").wait_for(timeout=30_000)
    page.wait_for_url(re.compile("model=upload"))
    page.get_by_text("nothing in it was run").wait_for(state="detached")
    page.reload()
    page.get_by_text("is not open here").wait_for(timeout=30_000)


@pytest.mark.parametrize(("scheme", "width"), [("light", 400), ("dark", 1280)])
def test_nothing_is_cut_off(open_page: Callable[..., Any], scheme: str, width: int) -> None:
    viewport = {"width": width, "height": 900}
    page = open_page("compare?model=digits&n=16", color_scheme=scheme, viewport=viewport)
    script = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(script) <= 0
    body = "const box = root.querySelector('.player'); return box.scrollWidth - box.clientWidth;"
    assert page.evaluate(IN_PLAYER % body) <= 0
