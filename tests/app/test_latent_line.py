"""Every page on models with a single latent coordinate, as Streamlit runs them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from explorer import arrived, with_lines
from streamlit.testing.v1 import AppTest

from lebm.decoder import TextConfig
from lebm.model import ModelConfig
from lebm.vocabulary import Vocabulary

PICTURES = ModelConfig(latent_dim=1, data_shape=(1, 8, 8), width=2, prior_hidden=8)
TEXT = TextConfig(embedding_dim=4, vocabulary=Vocabulary(("the", "cat", "sleeps")))
SENTENCES = ModelConfig(latent_dim=1, data_shape=(6,), width=4, prior_hidden=8, text=TEXT)
OpenPage = Callable[..., AppTest]


@pytest.fixture(params=[PICTURES, SENTENCES], ids=["pictures", "sentences"])
def open_page(
    request: pytest.FixtureRequest, save_run: Callable[..., Path], page_of: OpenPage
) -> OpenPage:
    for step in (5, 10):
        save_run("line", request.param, step)

    def _open(name: str, **address: str) -> AppTest:
        return page_of(name, model="runs/line", n="4", **address)

    return _open


@pytest.mark.parametrize("name", ["chains", "posterior", "compare"])
def test_chains_are_drawn(open_page: OpenPage, name: str) -> None:
    page = arrived(open_page(name))
    assert not page.error


@pytest.mark.parametrize("contours", ["false", "true"])
def test_the_tilted_prior_is_drawn(open_page: OpenPage, contours: str) -> None:
    page = with_lines(open_page("tilted_prior", contours=contours, paths="true"))
    assert not page.error
    assert any("The latent line itself." in caption.value for caption in page.caption)


def test_a_run_is_drawn_checkpoint_by_checkpoint(open_page: OpenPage) -> None:
    page = with_lines(open_page("time_machine", run="line"))
    assert not page.error
    assert not page.warning


def test_a_long_run_is_judged(open_page: OpenPage) -> None:
    page = open_page("long_run", long="600")
    for _ in range(300):
        page.run()
        assert not page.exception
        assert not page.error
        if page.dataframe:
            break
        time.sleep(0.1)
    assert list(page.dataframe[0].value["quantity"]) == ["energy", "direction 1"]


@pytest.mark.parametrize("view", ["Line", "Plane", "Paths", "Directions"])
def test_the_landscape_is_drawn_or_says_why_not(open_page: OpenPage, view: str) -> None:
    page = arrived(open_page("landscape", show=view))
    assert not page.error
    assert bool(page.info) == (view == "Plane")
