"""Who can reach the explorer: this machine alone, unless its server is told otherwise."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from explorer import serving

#: Another address of every Linux machine's own, at which only who listens everywhere answers.
OTHER = "127.0.0.2"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is nobody's")
@pytest.mark.parametrize(("told", "reached"), [(None, False), ("0.0.0.0", True)])
def test_the_server_listens_on_the_local_address_wherever_it_is_started(
    told: str | None, reached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if told:
        monkeypatch.setenv("STREAMLIT_SERVER_ADDRESS", told)
    with serving(tmp_path, started_in=tmp_path) as (address, _), socket.socket() as visitor:
        status = visitor.connect_ex((OTHER, urlsplit(address).port))
    assert (status == 0) == reached
