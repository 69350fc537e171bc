"""What the address says beside its controls' values."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

NUMBER = """
import streamlit as st
from app import address
st.text(address.number("step", 60))
"""
WRITE = """
from app import address
address.write({"step": 5, "fork": None, "before": "", "curve": "energy"})
"""
BOUND = """
import streamlit as st
from app import address
if not st.checkbox("Pictures"):
    st.slider("Step", 0, 10, 3, key="step", bind="query-params")
else:
    address.write({"step": 5, "chain": 2})
"""
ENDLESS = """
import streamlit as st
from app import address
address.drop_infinite()
st.text(st.number_input("n", 0, 10, 3, key="n", bind="query-params"))
"""


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("-7", 60), ("1e3", 60), ("9999999", 60), ("../x", 60), ("²", 60), ("", 60)],
)
def test_a_number_or_the_default(text: str, number: int) -> None:
    page = AppTest.from_string(NUMBER)
    page.query_params["step"] = text
    assert page.run().text[0].value == str(number)


def test_what_is_empty_is_left_out() -> None:
    page = AppTest.from_string(WRITE)
    page.query_params["before"] = "0.1"
    page.run()
    assert not page.exception
    assert dict(page.query_params) == {"step": "5", "curve": "energy"}


def test_a_control_that_goes_keeps_its_name_for_one_run_and_breaks_nothing() -> None:
    page = AppTest.from_string(BOUND)
    page.query_params["step"] = "7"
    page.run()
    page.checkbox[0].check().run()
    assert not page.exception
    assert page.query_params["chain"] == "2"
    page.run()
    assert page.query_params["step"] == "5"


@pytest.mark.parametrize("text", ["inf", "-Infinity", "1e400"])
def test_an_infinite_number_is_taken_out(text: str) -> None:
    page = AppTest.from_string(ENDLESS)
    page.query_params["n"] = text
    page.run()
    assert not page.exception
    assert page.text[0].value == "3"
    assert "n" not in page.query_params
