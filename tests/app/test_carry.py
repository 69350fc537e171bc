"""What goes along from page to page, as Streamlit runs the whole explorer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import carry

MAIN = Path(__file__).parents[2] / "app" / "main.py"
SET = {"model": "digits", "seed": "5", "K": "33", "n": "16", "s": "0.3", "T": "0.5"}


@pytest.fixture
def app(page_of: Callable[..., AppTest]) -> AppTest:
    """The explorer, its modules fresh."""
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    for name, value in SET.items():
        app.query_params[name] = value
    app.run()
    app.query_params.clear()  # as a click on another page does
    return app


def _turn_to(app: AppTest, name: str, **address: str) -> AppTest:
    """Another page: an AppTest has no menu, so the page is run under its name."""
    script = f"""
from app import carry
from app.views import {name}
carry.bring("{name}")
{name}.page()
carry.keep("{name}")
"""
    page = AppTest.from_string(script, default_timeout=60)
    for key in ("carry.kept", "carry.page"):
        page.session_state[key] = app.session_state[key]
    for key, value in address.items():
        page.query_params[key] = value
    page.run()
    assert not page.exception
    return page


def test_the_next_page_has_the_same_model_seed_and_chain(app: AppTest) -> None:
    page = _turn_to(app, "compare")
    side = page.sidebar
    assert side.selectbox(key="model").value == "digits"
    assert (side.number_input(key="seed").value, side.number_input(key="K").value) == (5, 33)
    assert (side.number_input(key="s").value, side.slider(key="T").value) == (0.3, 0.5)
    assert side.select_slider(key="n").value == 16


def test_posterior_chains_take_over_model_and_seed_alone(app: AppTest) -> None:
    side = _turn_to(app, "posterior").sidebar
    assert side.selectbox(key="model").value == "digits"
    assert side.number_input(key="seed").value == 5
    assert side.slider(key="T1").value == 1
    assert side.number_input(key="s1").value == 0.005


def test_a_value_beyond_the_next_page_s_range_is_brought_into_it(app: AppTest) -> None:
    app.session_state["carry.kept"] |= {"K": 0, "s": 99.0}
    side = _turn_to(app, "compare").sidebar
    assert (side.number_input(key="K").value, side.number_input(key="s").value) == (1, 2.0)


def test_a_model_chosen_where_no_chain_is_set_brings_its_own_steps(app: AppTest) -> None:
    def page() -> None:
        from app import carry
        from app.sidebar import pick_model

        carry.bring("landscape")
        pick_model()
        carry.keep("landscape")

    elsewhere = AppTest.from_function(page, default_timeout=60)
    for key in ("carry.kept", "carry.page"):
        elsewhere.session_state[key] = app.session_state[key]
    elsewhere.run()
    elsewhere.sidebar.selectbox(key="model").set_value("pinwheel").run()
    side = _turn_to(elsewhere, "compare").sidebar
    assert side.selectbox(key="model").value == "pinwheel"
    assert (side.number_input(key="K").value, side.number_input(key="s").value) == (80, 0.03)


def test_each_page_comes_back_to_the_run_it_showed(
    app: AppTest, save_run: Callable[..., Path]
) -> None:
    for name in ("first", "second"):
        save_run(name)
    shown = _turn_to(app, "time_machine", run="first")
    elsewhere = _turn_to(shown, "compare")
    assert _turn_to(elsewhere, "time_machine").selectbox(key="run").value == "first"
    assert _turn_to(elsewhere, "train").selectbox(key="run").value == "a new run"


def test_a_model_that_is_gone_is_not_asked_for(app: AppTest) -> None:
    app.session_state["carry.kept"] |= {"model": "runs/deleted"}
    assert _turn_to(app, "compare").sidebar.selectbox(key="model").value == "mnist"


def test_the_address_goes_before_what_was_set_elsewhere(app: AppTest) -> None:
    side = _turn_to(app, "compare", seed="9").sidebar
    assert side.number_input(key="seed").value == 9
    assert side.number_input(key="K").value == 33


@pytest.mark.parametrize("name", carry._SHARED)
def test_every_control_that_pages_share_goes_along(page_of: Callable, name: str) -> None:
    page = page_of(name).run()
    kinds = ("selectbox", "number_input", "select_slider", "slider")
    found = {control.key for kind in kinds for control in page.get(kind)}
    assert found & carry._ALL == set(carry._SHARED[name])
