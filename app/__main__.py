"""Start the explorer: `python -m app`."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Options:
    """Start the explorer and open it in the browser."""

    port: int = 8501
    """Where it listens, on this machine alone."""
    headless: bool = False
    """Do not open a browser."""


def main() -> int:
    """Replace this process by Streamlit's server; returns only if that cannot be."""
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
    command = [sys.executable, "-m", "streamlit", "run", str(entry)]
    command += ["--server.port", str(options.port)]
    command += ["--server.headless", str(options.headless or not _has_display()).lower()]
    return os.execv(sys.executable, command)


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
