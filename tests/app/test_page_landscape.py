"""The Landscape page as Streamlit runs it, without a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lebm import zoo
from lebm.model import ModelConfig

VIEWS = ("Line", "Plane", "Paths", "Directions")


@pytest.fixture
def page(
    page_of: Callable[[str], AppTest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AppTest:
    monkeypatch.delenv("LEBM_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    page = page_of("landscape")
    page.query_params["model"] = "digits"
    return page


def _charts(page: AppTest) -> int:
    page.run()
    assert not page.exception
    assert not page.error
    return len(page.get("plotly_chart"))


@pytest.mark.parametrize("name", zoo.paths())
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
    for name in ("show", "a", "an", "b", "bn", "c", "cn", "of", "from", "dir", "seed"):
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
    for _ in range(200):
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
