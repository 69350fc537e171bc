"""The Landscape page as Streamlit runs it, without a browser."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
from streamlit.testing.v1 import AppTest

from app.studies import landscape
from app.studies.landscape import Place
from lebm import zoo
from lebm.model import ModelConfig
from train import data

VIEWS = ("Line", "Plane", "Paths", "Directions")


@pytest.fixture
def page(page_of: Callable[..., AppTest]) -> AppTest:
    return page_of("landscape", model="digits")


def _charts(page: AppTest) -> int:
    page.run()
    assert not page.exception
    assert not page.error
    return len(page.get("plotly_chart"))


@pytest.mark.parametrize("name", sorted(zoo.paths().keys() - {"text"}))
def test_it_opens_on_a_line_and_shows_every_view(page: AppTest, name: str) -> None:
    page.query_params["model"] = name
    points = name == "pinwheel"
    counts = []
    for view in VIEWS:
        page.query_params["show"] = view
        page.run()
        page.segmented_control(key="show").set_value(view)
        counts.append(_charts(page))
    assert counts == ([2, 2, 3, 2] if points else [1, 2, 1, 1])


def test_a_prior_that_is_a_mixture_is_cut_through(page: AppTest, save_run: Callable) -> None:
    save_run("mixture", ModelConfig(4, (1, 8, 8), width=2, prior="mixture"))
    page.query_params.update({"model": "runs/mixture", "show": "Plane"})
    assert _charts(page) == 2


def test_the_address_chooses_the_points(page: AppTest) -> None:
    for name, value in {"show": "Paths", "a": "origin", "b": "p₀ noise", "bn": "5"}.items():
        page.query_params[name] = value
    _charts(page)
    assert page.selectbox(key="a").value == "origin"
    assert page.number_input(key="bn").value == 5
    first = [m.value for m in page.metric]
    page.sidebar.number_input(key="seed").set_value(3)
    _charts(page)
    assert [m.value for m in page.metric] != first


def test_nonsense_in_the_address_falls_back(page: AppTest) -> None:
    for name in ("show", "a", "an", "b", "bn", "c", "cn", "of", "from", "dir", "seed", "u", "v"):
        page.query_params[name] = "../../etc/passwd"
    assert _charts(page) == 1
    for view in VIEWS:
        page.segmented_control(key="show").set_value(view)
        assert _charts(page) > 0


def test_every_kind_of_point_can_be_chosen(page: AppTest) -> None:
    for kind in ("prior chain", "posterior of example", "p₀ noise", "origin"):
        page.run()
        page.selectbox(key="a").set_value(kind)
        assert _charts(page) == 1


def test_the_number_is_that_of_the_example_whose_posterior_a_point_is_of(page: AppTest) -> None:
    last = len(data.load("digits", (1, 8, 8)).test) - 1
    page.query_params.update({"a": "posterior of example", "an": "9999", "b": "p₀ noise"})
    page.query_params["bn"] = "9999"
    assert _charts(page) == 1
    assert page.number_input(key="an").value == last
    assert page.number_input(key="bn").value == 9_999
    assert page.query_params["an"] == str(last)
    assert f"[{last} : {last + 1}]" in page.code[0].value
    page.selectbox(key="b").set_value("posterior of example")
    assert _charts(page) == 0  # both are of the last example now
    assert page.number_input(key="bn").value == last


@pytest.mark.parametrize("view", ["Line", "Paths"])
def test_two_equal_points_are_a_sentence(page: AppTest, view: str) -> None:
    for name, value in {"show": view, "an": "1", "bn": "1"}.items():
        page.query_params[name] = value
    assert _charts(page) == 0
    assert "same point" in page.info[0].value


def test_three_equal_points_still_span_a_plane(page: AppTest) -> None:
    for name, value in {"show": "Plane", "an": "1", "bn": "1", "cn": "1"}.items():
        page.query_params[name] = value
    assert _charts(page) == 2


def _run_lines(page: AppTest) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(page.code[0].value, names)
    return names


@pytest.mark.parametrize("view", VIEWS)
def test_the_lines_to_copy_make_what_is_shown(page: AppTest, view: str) -> None:
    address = {"show": view, "seed": "3", "an": "4", "bn": "9", "b": "p₀ noise"}
    for name, value in address.items():
        page.query_params[name] = value
    _charts(page)
    names = _run_lines(page)
    if view == "Directions":
        assert len(names["z"]) == 121
        return
    model, card = zoo.load_model("digits")
    for name, place in {"a": Place("prior chain", 4, 3), "b": Place("p₀ noise", 9, 3)}.items():
        z = landscape.locate(place, model, card, None)
        torch.testing.assert_close(names[name], z, rtol=0, atol=1e-3)


def test_a_point_of_the_plane_is_decoded_wherever_the_address_puts_it(page: AppTest) -> None:
    for name, value in {"show": "Plane", "u": "1.5", "v": "-2"}.items():
        page.query_params[name] = value
    assert _charts(page) == 2
    names = _run_lines(page)
    norm = float(names["selected"].norm())
    assert page.metric[2].value == f"{norm:.2f}"
    neg_energy = names["model"].prior.neg_energy(names["selected"][None]).item()
    assert float(page.metric[0].value.replace("−", "-")) == pytest.approx(neg_energy, abs=0.02)
    page.number_input(key="u").set_value(0.5)
    _charts(page)
    assert page.metric[2].value != f"{norm:.2f}"


def test_one_latent_dimension_has_no_plane(page: AppTest, save_run: Callable) -> None:
    save_run("thin", ModelConfig(latent_dim=1, data_shape=(1, 8, 8), width=2, prior_hidden=4))
    page.query_params["model"] = "runs/thin"
    for view, n_charts in zip(VIEWS, (1, 0, 1, 1), strict=True):
        page.run()
        page.segmented_control(key="show").set_value(view)
        assert _charts(page) == n_charts
        assert bool(page.info) == (view == "Plane")


def test_directions_of_the_aggregate_posterior_come_by_a_job(page: AppTest) -> None:
    for name, value in {"show": "Directions", "from": "aggregate posterior", "dir": "2"}.items():
        page.query_params[name] = value
    for _ in range(600):
        if _charts(page):
            break
        time.sleep(0.1)
    assert _charts(page) == 1
    assert any("297 held-out examples" in c.value for c in page.caption)
    assert any(c.value.startswith("Direction 2 holds") for c in page.caption)


def test_a_direction_beyond_the_last_is_the_last(page: AppTest, save_run: Callable) -> None:
    save_run("tiny")
    _charts(page)
    page.segmented_control(key="show").set_value("Directions").run()
    page.number_input(key="dir").set_value(16).run()
    page.sidebar.selectbox(key="model").set_value("runs/tiny")
    assert _charts(page) == 1
