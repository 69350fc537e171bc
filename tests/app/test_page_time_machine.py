"""The Time machine page as Streamlit runs it, without a browser."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from explorer import with_lines
from streamlit.testing.v1 import AppTest


@pytest.fixture
def page(page_of: Callable[[str], AppTest]) -> AppTest:
    page = page_of("time_machine")
    page.query_params["run"] = "the example"
    return page


def test_the_lines_to_copy_make_the_chains_of_every_checkpoint(page: AppTest) -> None:
    for name, value in {"n": "4", "K": "7", "T": "0.5", "seed": "3"}.items():
        page.query_params[name] = value
    with_lines(page)
    machine = page.session_state["time_machine.machine"]
    names: dict[str, object] = {}
    exec(page.code[0].value, names)
    assert list(names["examples"]) == machine.steps.tolist()
    for stage in machine.stages:
        np.testing.assert_allclose(names["examples"][stage.step], stage.examples, atol=1e-3)
        ends = stage.curves["energy"]
        np.testing.assert_allclose(names["energies"][stage.step][1], ends, atol=1e-3)


def test_nonsense_in_the_address_falls_back(page: AppTest) -> None:
    for name in ("run", "n", "K", "s", "T", "seed", "at", "chain", "curve"):
        page.query_params[name] = "../../etc/passwd"
    with_lines(page)
    assert page.session_state["time_machine.view"].step == 11  # the newest of twelve
