"""The explorer as a person starts it, and the browser that looks at it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    # A page of the browser's own that every new tab would load, for an address bar nobody sees.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup",
]
PATIENCE = 90_000  # milliseconds that a page may take for what a person asks of it
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def press(page: Any, button: Any, until: Any) -> None:
    """Click, as a person does: once more where a redrawing page lost the click.

    Args:
        page: the browser's.
        button: a locator of what to click.
        until: a locator of what the click brings.
    """
    from playwright.sync_api import TimeoutError as NothingCame

    for patience in (10_000, 20_000, 40_000):
        page.wait_for_selector(IDLE)
        if not button.count():  # the click did arrive, what it brings is only slow
            break
        button.first.click()
        try:
            until.first.wait_for(timeout=patience)
        except NothingCame:
            continue
        return
    until.first.wait_for()


def arrived(page: AppTest) -> AppTest:
    """A page of the app's tests, run until it waits for no job of its session."""
    for _ in range(600):
        page.run()
        assert not page.exception
        if not waits(page):
            return page
        time.sleep(0.1)
    raise AssertionError("the page never showed what it waited for")


def waits(page: AppTest) -> bool:
    """Whether it shows how far a job is, and a way to stop it."""
    return any(button.label == "Stop here" for button in page.button)


def with_lines(page: AppTest) -> AppTest:
    """A page of the app's tests, run until it shows the lines that make what it computes."""
    for _ in range(300):
        page.run()
        assert not page.exception
        if page.code:
            return page
        time.sleep(0.1)
    raise AssertionError("the page never showed its lines")


def run_lines(page: Any) -> dict[str, Any]:
    """What the lines define that stand under "The same in Python"."""
    code = page.locator('[data-testid="stCode"]')
    press(page, page.get_by_text("The same in Python"), code)
    names: dict[str, Any] = {}
    exec(code.inner_text(), names)
    return names


@contextmanager
def serving(runs: Path, started_in: Path = ROOT) -> Iterator[tuple[str, int]]:
    """A server that looks for runs in a folder, where its log goes; its address and process id.

    Args:
        runs: the folder.
        started_in: the folder in which a person starts it.

    Raises:
        AssertionError: if it does not start within a minute, or its log holds a traceback of ours.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = runs / f"log-{port}"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "app", "--port", str(port), "--headless"],
            cwd=started_in,
            env={
                **os.environ,
                "LEBM_RUNS": str(runs),
                "HOME": str(runs),
                "PYTHONPATH": str(ROOT),
            },
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
            yield f"http://127.0.0.1:{port}", server.pid
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)
    assert str(ROOT / "app") not in log.read_text()


def _wait_for(url: str, server: subprocess.Popen) -> None:
    for _ in range(300):
        assert server.poll() is None, "the server stopped"
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server did not start within a minute")
