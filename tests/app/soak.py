"""Many browsers at once, stepping chains for minutes: is anything refused, does memory grow?

    python tests/app/soak.py --sessions 20 --minutes 3

Each session opens the Chains page with a seed of its own and clicks "+1", then "+10", again and
again, and from time to time starts a chain anew. Prints a row a quarter of a minute and a verdict.
Needs playwright and Chromium, as the browser tests do.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import tyro
from explorer import CHROMIUM, FLAGS, serving
from playwright.sync_api import Error, sync_playwright

RESTART_EVERY = 40  # clicks of one session between two new chains
GROWTH = 0.10  # of the server's memory after warm-up, beyond which it is not flat


@dataclass(frozen=True)
class Options:
    """Soak the explorer with browser sessions that step chains."""

    sessions: int = 20
    """Browser contexts open at once."""
    minutes: float = 3.0
    """How long they step, after a warm-up of a fifth of that."""
    model: str = "digits"
    """Model of the zoo."""


def main() -> int:
    """Returns 0 if no session met an error and memory stayed flat after the warm-up."""
    options = tyro.cli(Options, prog="python tests/app/soak.py")
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as (address, server):
        return _soak(options, address, server)


def _soak(options: Options, address: str, server: int) -> int:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        pages, errors = [], []
        for seed in range(options.sessions):
            page = browser.new_context(viewport={"width": 900, "height": 700}).new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            _open(page, address, options.model, seed)
            pages.append(page)
        print(f"{options.sessions} sessions open; the server holds {_megabytes(server):.0f} MB")
        waits, memory = _step_all(options, address, pages, server, errors)
        browser.close()
    start = memory[len(memory) // 6]
    growth = memory[-1] / start - 1
    wait = 1000 * median(waits)
    print(f"{len(waits)} steps taken, median wait {wait:.0f} ms; {len(errors)} errors")
    print(f"memory: {start:.0f} MB after warm-up, {memory[-1]:.0f} MB at the end ({growth:+.1%})")
    return int(bool(errors) or growth > GROWTH)


def _step_all(
    options: Options, address: str, pages: list[Any], server: int, errors: list[str]
) -> tuple[list[float], list[float]]:
    """Click through all pages in turn; the waits, and the server's memory a quarter minute."""
    begin = time.monotonic()
    total = 60 * options.minutes * 1.2
    waits: list[float] = []
    memory = [_megabytes(server)]
    click = 0
    while (elapsed := time.monotonic() - begin) < total:
        click += 1
        for page in pages:  # all at once, then wait for all
            page.locator("button.ten" if click % 2 else "button.one").click()
        started = time.monotonic()
        for seed, page in enumerate(pages):
            try:
                _wait_for_step(page, click)
                waits.append(time.monotonic() - started)
                if click % RESTART_EVERY == 0:
                    _open(page, address, options.model, seed + click)
            except Error as error:
                errors.append(str(error).splitlines()[0])
        click %= RESTART_EVERY
        if elapsed > 15 * len(memory):
            memory.append(_megabytes(server))
            print(f"{elapsed:5.0f} s  {memory[-1]:6.0f} MB  {1000 * waits[-1]:6.0f} ms a round")
    return waits, memory


def _open(page: Any, address: str, model: str, seed: int) -> None:
    page.goto(f"{address}/?model={model}&n=16&K=0&seed={seed}")
    page.wait_for_selector('output.counter[data-step="0"]', timeout=120_000)


def _wait_for_step(page: Any, click: int) -> None:
    """After this many clicks, of ten steps and of one in turn."""
    step = 10 * ((click + 1) // 2) + click // 2
    page.wait_for_selector(f'output.counter[data-step="{step}"]', timeout=60_000)


def _megabytes(pid: int) -> float:
    """Resident memory of a process, from /proc."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(main())
