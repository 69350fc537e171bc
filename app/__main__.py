"""Start the explorer: `python -m app`."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Thread

import tyro
from streamlit.web import cli


@dataclass(frozen=True)
class Options:
    """Start the explorer and open it in the browser."""

    port: int = 8501
    """Where it listens, on this machine alone."""
    headless: bool = False
    """Do not open a browser."""


def main() -> int:
    """Be Streamlit's server until it is stopped."""
    options = tyro.cli(Options, prog="python -m app")
    if not 1024 <= options.port <= 65535:
        print(f"--port must be from 1024 to 65535, not {options.port}")
        return 1
    if _in_use(options.port):
        print(
            f"port {options.port} is in use: stop what listens there, or choose another with "
            f"`make app PORT={options.port + 1}` or `python -m app --port {options.port + 1}`"
        )
        return 1
    entry = Path(__file__).with_name("main.py")
    headless = str(options.headless or not _has_display()).lower()
    command = ["run", str(entry), "--server.port", str(options.port), "--server.headless", headless]
    # The pages' libraries load while the server starts and the browser fetches its files: the
    # first picture comes a second sooner.
    Thread(target=_load_ahead, daemon=True).start()
    cli.main(command, prog_name="streamlit")
    return 0


def _load_ahead() -> None:
    for name in ("torch", "pandas"):
        import_module(name)


def _in_use(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _has_display() -> bool:
    needs_one = sys.platform.startswith("linux")
    return not needs_one or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    sys.exit(main())
