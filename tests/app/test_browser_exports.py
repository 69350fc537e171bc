"""Taking chains away and opening one's own files in a real Chromium."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explorer import IDLE, press
from PIL import Image

from app.studies.examples import Example
from app.studies.recipe import file_stem
from lebm import archive, zoo
from lebm.recipe import ChainRecipe


def _download(page: Any, key: str) -> bytes:
    """What the button gives; like a person, clicks again where a redrawing page lost the click."""
    from playwright.sync_api import TimeoutError as NothingCame

    button = f".st-key-{key.replace('.', '-')} button"
    for patience in (10_000, 20_000, 40_000):
        page.wait_for_selector(IDLE)
        try:
            with page.expect_download(timeout=patience) as download:
                page.click(button)
        except NothingCame:
            continue
        return Path(download.value.path()).read_bytes()
    raise AssertionError(f"{button} was clicked three times and nothing came")


def _copied(page: Any, key: str) -> dict[str, Any]:
    """What the lines define that the button shows."""
    code = page.locator('[data-testid="stCode"]')
    press(page, page.locator(f".st-key-{key.replace('.', '-')} button"), code)
    names: dict[str, Any] = {}
    exec(code.inner_text(), names)
    return names


def _open_box(page: Any, title: str) -> None:
    page.get_by_text(f"{title}, or make it again in Python").click()


def _assert_same(ours: Any, exported: np.ndarray) -> None:
    """To rounding: the server may add up on another number of threads than this process."""
    np.testing.assert_allclose(ours.numpy(), exported, rtol=0, atol=1e-3)


def test_every_export_is_of_the_chain_that_is_shown(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits&n=9&K=20&seed=4")
    page.click("button.ten")
    page.wait_for_selector('output.counter[data-step="30"]')
    page.click("button.back")
    page.wait_for_url(re.compile("step=29"))  # written once exports know the step
    _open_box(page, "Export")
    chain = archive.loads(_download(page, "chains.0.npz"))
    model, _ = zoo.load_model("digits")
    assert chain.recipe.segments[0].seed == 4
    _assert_same(chain.replay(model).z, chain.arrays["z"])
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
    names = _copied(page, "chains.0.python")
    chain = archive.loads(_download(page, "chains.0.npz"))
    _assert_same(names["chain"].z, chain.arrays["z"])


def test_posterior_chains_of_an_upload_are_taken_away_and_made_again(
    open_page: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page("posterior?model=digits&x_from=Upload&n1=4&K1=20", ".st-key-example-file")
    picture = io.BytesIO()
    Image.linear_gradient("L").save(picture, "PNG")
    upload = {"name": "a.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    page.locator('.st-key-example-file input[type="file"]').set_input_files(upload)
    page.get_by_text("4 restarts after 20 steps").wait_for()
    _open_box(page, "Export")
    data = _download(page, "posterior.npz")
    chain = archive.loads(data)
    assert chain.recipe.example == "a picture of one's own"
    assert chain.x.mean(-1).diff().min() > 0  # the gradient, from dark to light
    png = Image.open(io.BytesIO(_download(page, "posterior.png")))
    assert ChainRecipe.from_json(png.text["settings"]) == chain.recipe
    assert Image.open(io.BytesIO(_download(page, "posterior.gif"))).n_frames == 21
    assert _download(page, "posterior.mp4")[4:8] == b"ftyp"
    assert b"log_likelihood" in _download(page, "posterior.csv").splitlines()[1]

    name = file_stem(chain.recipe, Example(chain.x, "picture"))
    (tmp_path / f"{name}.npz").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    names = _copied(page, "posterior.python")
    _assert_same(names["chain"].z, chain.arrays["z"])
    _assert_same(names["x"], chain.x.numpy())


def test_what_chains_say_is_taken_away(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=text&n=4&K=20&seed=4", wait_for=".js-plotly-plot")
    _open_box(page, "Export")
    comment, header, *rows = _download(page, "chains.0.csv").decode().splitlines()
    recipe = ChainRecipe.from_json(comment.removeprefix("# settings: "))
    assert (recipe.model, recipe.segments[0].seed) == ("text", 4)
    assert header == "step,chain,energy,half_sq_norm,sentence"
    assert len(rows) == 21 * 4
    model, _ = zoo.load_model("text")
    said = model.config.text.vocabulary.decode(model.generate(recipe.run(model).z[-1]))
    assert [row.split(",", 4)[4].strip('"') for row in rows[-4:]] == said


def test_a_wrong_file_is_one_sentence_and_a_right_one_opens(open_page: Callable[..., Any]) -> None:
    page = open_page("?model=digits")
    page.get_by_text("Open your own").click()
    uploader = page.locator('[data-testid="stFileUploaderDropzoneInput"]')
    uploader.set_input_files({"name": "a.pth", "mimeType": "x/y", "buffer": b"\x80junk"})
    page.get_by_text("nothing in it was run").wait_for()
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    good = zoo.paths()["pinwheel"].read_bytes()
    uploader.set_input_files({"name": "mine.safetensors", "mimeType": "x/y", "buffer": good})
    page.get_by_text("opened here, by you alone").wait_for()
    page.wait_for_url(re.compile("model=upload"))
    page.get_by_text("nothing in it was run").wait_for(state="detached")
    page.reload()
    page.get_by_text("is not open here").wait_for()


def test_a_long_run_is_exported_with_all_its_steps(open_page: Callable[..., Any]) -> None:
    page = open_page("long-run?model=digits&n=4&long=300", wait_for="text=Verdict:")
    _open_box(page, "Export")
    chain = archive.loads(_download(page, "long.npz"))
    model, _ = zoo.load_model("digits")
    assert len(chain.arrays["steps"]) == 301
    _assert_same(chain.replay(model).z, chain.arrays["z"])
    assert Image.open(io.BytesIO(_download(page, "long.gif"))).n_frames == 4
