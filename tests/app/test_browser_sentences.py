"""Models of sentences on the pages of priors, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from explorer import IDLE, PATIENCE, run_lines, serving

from lebm import checkpoint, zoo

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

Open = Callable[..., Any]
PLOT = ".js-plotly-plot .nsewdrag"
# The point of p_λ that is farthest from all others, so that the pointer finds no other: its place
# on the screen, and what it should say.
LONELY = """() => {
  const plot = document.querySelector('.js-plotly-plot');
  const { xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect();
  const groups = plot._fullData.filter((group) => group.hovertext);
  const places = groups.map((group) => Array.from(group.x, (x, i) => [
    box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(group.y[i])]));
  const all = places.flat();
  const tilted = groups.length - 1;
  const far = places[tilted].map(([x, y]) => Math.min(...all
    .map(([u, v]) => Math.hypot(u - x, v - y)).filter((d) => d > 0)));
  const i = far.indexOf(Math.max(...far));
  return { at: places[tilted][i], said: groups[tilted].hovertext[i] };
}"""

STAND_OUT = """(n) => {
  const groups = document.querySelector('.js-plotly-plot')._fullData.filter((g) => g.hovertext);
  return Array.from(groups.at(-1).marker.size).filter((size) => size > 5).length === n;
}"""


def _annealed(page: Any) -> Any:
    """The Tilted prior page once all of its points are there."""
    page.locator(".legendtext").get_by_text("aggregate posterior").wait_for(timeout=PATIENCE)
    page.get_by_text("Inferring").wait_for(state="detached")
    page.wait_for_selector(IDLE)
    return page


def test_points_of_the_tilted_prior_are_read_under_the_pointer(open_page: Open) -> None:
    page = _annealed(open_page("tilted-prior?model=text", wait_for=PLOT))
    page.locator(PLOT).first.scroll_into_view_if_needed()
    found = page.evaluate(LONELY)
    page.mouse.move(*found["at"])
    bubble = page.locator(".hoverlayer .hovertext")
    bubble.wait_for()
    said = "".join(found["said"].split("<br>")).replace(" ", "")
    assert said in bubble.text_content().replace(" ", "")


def test_words_are_found_and_stand_in_the_address(open_page: Open) -> None:
    page = _annealed(open_page("tilted-prior?model=text", wait_for=PLOT))
    page.locator(".st-key-find input").fill("the teacher")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("find=the"))
    counted = page.get_by_text(re.compile(r"is said by \d+ of 256 draws of p₀"))
    counted.wait_for()
    page.wait_for_selector(IDLE)
    n = int(re.search(r"(\d+) of 256 draws of p_λ", counted.inner_text())[1])
    assert n > 0
    page.wait_for_function(STAND_OUT, arg=n)
    read = page.get_by_text(re.compile(r"^sample \d+"))
    assert read.count() == n
    names = run_lines(page)
    assert all({"the", "teacher"} <= set(said.split()) for said in names["sentences"])
    again = open_page(page.url.rpartition("/")[2], wait_for=PLOT)
    again.get_by_text(counted.inner_text()).wait_for()


def test_a_long_run_is_read_and_judged(open_page: Open) -> None:
    page = open_page("long-run?model=text&n=16&long=600&chain=5", wait_for="text=Verdict:")
    page.get_by_text("Export, or make it again").wait_for()
    page.get_by_test_id("stMetricLabel").filter(has_text="Different").wait_for()
    lines = page.get_by_text(re.compile("^step 0"))
    sync_api.expect(lines).to_have_count(4, timeout=PATIENCE)
    for chain in (5, 8):
        page.get_by_text(f"Chain {chain}", exact=True).wait_for()
    page.locator(".st-key-chain input").fill("12")
    page.keyboard.press("Enter")
    page.get_by_text("Chain 15", exact=True).wait_for()
    page.wait_for_url(re.compile("chain=12"))


@pytest.fixture
def text_runs(tmp_path: Path) -> Path:
    """A run of three checkpoints, whose prior and decoder come to be the zoo's."""
    folder = tmp_path / "runs" / "words" / "checkpoints"
    folder.mkdir(parents=True)
    folder.with_name("config.json").write_text("{}")
    for step, share in ((10, 0.2), (20, 0.6), (30, 1.0)):
        model, card = zoo.load_model("text")
        for parameter in model.parameters():
            parameter.data *= share
        checkpoint.save(folder / f"step-{step:06d}.safetensors", model, card)
    return tmp_path / "runs"


@pytest.fixture
def time_machine(text_runs: Path, browser: Any) -> Iterator[Any]:
    errors: list[str] = []
    with serving(text_runs) as (address, _):
        page = browser.new_page(viewport={"width": 400, "height": 900}, color_scheme="dark")
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}/time-machine?run=words&n=16")
        yield page
        page.close()
    assert errors == []


def test_the_time_machine_reads_every_checkpoint(time_machine: Any) -> None:
    page = time_machine
    page.get_by_text(re.compile("^iteration 30")).wait_for()
    page.wait_for_selector(IDLE)
    assert page.get_by_text(re.compile(r"^chain \d+")).count() == 16
    assert page.evaluate("() => document.body.scrollWidth - document.body.clientWidth") <= 0
    page.get_by_text("since iteration 20").wait_for()
    page.locator(".st-key-at").get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_text("since iteration 10").wait_for()
    page.wait_for_url(re.compile("at=20"))
