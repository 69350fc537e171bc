"""A training run from the first click to the last, in a real Chromium."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from explorer import run_lines

from train import run_lock
from train.run_dir import RunDir

NAME = "browser-digits"
TINY = {
    "--epochs": 2000,
    "--batch-size": 500,
    "--save-every": 20,
    "--log-every": 1,
    "--threads": 1,
    "--accelerator": "cpu",
    "--model.latent-dim": 3,
    "--model.width": 2,
    "--model.prior-hidden": 4,
    "--prior-sampler.n-steps": 3,
    "--posterior-sampler.n-steps": 3,
    "--reconstruction.n-steps": 3,
}
ADDRESS = "train?" + "&".join(f"{flag}={value}" for flag, value in TINY.items()) + f"&name={NAME}"
PATIENCE = 90_000  # milliseconds


@pytest.fixture
def run(runs: Path) -> Iterator[RunDir]:
    """The run that this test starts; in the end nothing trains there."""
    yield RunDir(runs / NAME)
    if (owner := run_lock.owner(runs / NAME)) is not None:
        os.kill(owner.pid, signal.SIGKILL)


def _iteration(page: Any) -> int:
    """The iteration that the progress bar names."""
    text = page.get_by_text(re.compile(r"At iteration [\d,]+")).first.inner_text()
    found = re.search(r"iteration ([\d,]+)", text)
    assert found is not None
    return int(found[1].replace(",", ""))


def _wait_beyond(page: Any, iteration: int) -> None:
    page.wait_for_function(
        """(before) => {
          const found = document.body.innerText.match(/At iteration ([\\d,]+)/);
          return found && Number(found[1].replaceAll(',', '')) > before;
        }""",
        arg=iteration,
        timeout=PATIENCE,
    )


def test_a_run_is_started_watched_stopped_and_resumed(
    open_page: Callable[..., Any], run: RunDir
) -> None:
    page = open_page(ADDRESS, wait_for=".st-key-start")
    assert f"--out {run.path}" in page.locator("code").first.inner_text()
    page.locator(".st-key-start button").first.click()

    # It is watched: the address names it, and the curves move by themselves.
    page.get_by_text("Reconstruction error").first.wait_for(timeout=PATIENCE)
    page.wait_for_url(re.compile(f"run={NAME}"))
    _wait_beyond(page, 0)
    _wait_beyond(page, _iteration(page))
    page.get_by_text("The same noise after the prior's chain").wait_for(timeout=PATIENCE)

    # A reload, and another browser, find it again; it opens in Chains while it trains.
    page.reload()
    page.locator(".st-key-stop button").first.wait_for(timeout=PATIENCE)
    chains = page.get_by_role("link", name="Open in Chains").get_attribute("href")
    assert chains is not None
    other = open_page(chains.removeprefix("./").lstrip("/"))
    assert other.get_by_text(f"newest checkpoint of {run.path}").is_visible()
    assert run_lock.owner(run.path) is not None

    page.locator(".st-key-stop button").first.click()
    page.get_by_text(re.compile("Stopped at iteration")).wait_for(timeout=PATIENCE)
    end = run.end()
    assert end is not None
    assert end.how == "stopped"

    page.locator(".st-key-resume button").first.click()
    _wait_beyond(page, end.step)
    owner = run_lock.owner(run.path)
    assert owner is not None
    os.kill(owner.pid, signal.SIGKILL)
    page.get_by_text("Was interrupted at iteration").wait_for(timeout=PATIENCE)

    # Its checkpoints in the time machine, one after the other.
    page.goto(page.url.partition("/train")[0] + f"/time-machine?run={NAME}&n=4")
    counter = page.locator("output.counter")
    page.wait_for_selector("output.counter:not(:empty)", timeout=PATIENCE)
    last = int(counter.get_attribute("data-step"))
    page.click("button.back")
    page.wait_for_selector(f'output.counter[data-step="{last - 1}"]')
    page.wait_for_url(re.compile(r"at=\d+"))


def test_the_time_machine_scrubs_the_density_with_the_chains(open_page: Callable[..., Any]) -> None:
    page = open_page("time-machine?run=the+example&at=200")
    assert page.locator("output.counter").inner_text() == "iteration 200 of 2400"
    picture = "document => document.toDataURL()"
    canvas = page.locator("figure.latents canvas")
    before = canvas.evaluate(picture)
    page.locator("section.player").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_selector('output.counter[data-step="10"]')
    assert canvas.evaluate(picture) != before
    page.keyboard.press("Home")
    page.wait_for_selector('output.counter[data-step="0"]')
    assert canvas.evaluate(picture) == before
    page.wait_for_url(re.compile("at=200"))
    names = run_lines(page)
    assert list(names["examples"]) == list(range(200, 2401, 200))
    assert all(examples.shape == (64, 2) for examples in names["examples"].values())


@pytest.mark.parametrize("path", ["train", "train?run=the+example", "time-machine"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_phone(
    open_page: Callable[..., Any], path: str, scheme: str
) -> None:
    first = {"train": ".st-key-start", "time-machine": "output.counter:not(:empty)"}
    wait_for = first.get(path, ".js-plotly-plot")
    viewport = {"width": 400, "height": 900}
    page = open_page(path, wait_for=wait_for, color_scheme=scheme, viewport=viewport)
    block = page.locator(".stMainBlockContainer")
    assert block.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
