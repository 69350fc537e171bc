"""The Landscape and Anomaly pages with a model of sentences, without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from streamlit.testing.v1 import AppTest

from app.studies import landscape
from app.studies.landscape import TYPED, Place
from lebm import LatentEBM, ModelCard, zoo

VIEWS = ("Line", "Plane", "Paths", "Directions")
TYPED_ENDS = {
    "a": TYPED,
    "at": "the sailor watched the waves .",
    "b": TYPED,
    "bt": "The zebra baked two cakes.",
}


@pytest.fixture
def page(page_of: Callable[..., AppTest]) -> AppTest:
    return page_of("landscape", model="text")


@pytest.fixture(scope="module")
def zoo_model() -> tuple[LatentEBM, ModelCard]:
    return zoo.load_model("text")


def _shown(page: AppTest) -> str:
    page.run()
    assert not page.exception
    assert not page.error
    return "\n".join(each.value for each in page.markdown)


def _said(markdown: str) -> str:
    return re.sub(r":orange\[\*\*(.*?)\*\*\]", r"\1", markdown)


def test_it_opens_on_a_line_and_shows_every_view(page: AppTest) -> None:
    for view, n_charts in zip(VIEWS, (1, 2, 1, 1), strict=True):
        page.query_params["show"] = view
        page.run()
        page.segmented_control(key="show").set_value(view)
        shown = _shown(page)
        assert len(page.get("plotly_chart")) == n_charts
        assert ("z says" if view == "Plane" else "different sentences in a row") in shown


def test_a_line_lists_what_is_said_along_it(
    page: AppTest, zoo_model: tuple[LatentEBM, ModelCard]
) -> None:
    model, card = zoo_model
    shown = _said(_shown(page))
    a, b = (landscape.locate(Place("prior chain", i, 0), model, card, None) for i in (0, 1))
    z = a + torch.linspace(-0.5, 1.5, 121)[:, None] * (b - a)
    said = model.config.text.vocabulary.decode(model.generate(z))
    energy = -model.prior.neg_energy(z)
    changed = [i for i in range(121) if i == 0 or said[i] != said[i - 1]]
    assert f"{len(changed)} different sentences in a row" in shown
    for i in changed:
        assert f"{said[i]}  \n" in shown
        assert f"−f = {energy[i]:.2f}".replace("-", "−") in shown
    assert f"**A** · {said[30]}" in shown
    assert f"**B** · {said[90]}" in shown


def test_paths_lead_from_one_typed_sentence_to_another(
    page: AppTest, zoo_model: tuple[LatentEBM, ModelCard]
) -> None:
    model, card = zoo_model
    page.query_params.update({"show": "Paths", "seed": "3"} | TYPED_ENDS)
    shown = _shown(page)
    assert "zebra → **\\<unk\\>**" in shown
    assert "x: the \\<unk\\> baked two cakes ." in [c.value for c in page.caption]
    assert all(f"**{name}**, " in shown for name in ("straight", "spherical", "low energy"))
    names: dict[str, object] = {}
    exec(page.code[0].value, names)
    for name in ("a", "b"):
        place = Place(TYPED, 0, 3, TYPED_ENDS[f"{name}t"])
        z = landscape.locate(place, model, card, None)
        torch.testing.assert_close(names[name], z, rtol=0, atol=1e-3)
    assert len(names["sentences"]) == 13


def test_a_typed_sentence_of_the_data_is_the_picked_one(
    zoo_model: tuple[LatentEBM, ModelCard],
) -> None:
    from app.studies import examples

    model, card = zoo_model
    known = examples.find(model, card)
    (words,) = model.config.text.vocabulary.decode(known.rows[4:5])
    picked = Place("posterior of example", 4, 1)
    typed = Place(TYPED, 0, 1, words)
    places = [landscape.locate(place, model, card, lambda: known) for place in (picked, typed)]
    assert torch.equal(*places)


@pytest.mark.parametrize("view", ["Line", "Plane", "Paths"])
@pytest.mark.parametrize(("text", "said"), [("", "Type a sentence"), ("a " * 40, "at most 19")])
def test_an_end_that_is_no_sentence_is_one_sentence(
    page: AppTest, view: str, text: str, said: str
) -> None:
    page.query_params.update({"show": view, "a": TYPED, "at": text})
    page.run()
    assert not page.exception
    (told,) = [each.value for each in (*page.error, *page.info)]
    assert said in told
    assert not page.get("plotly_chart")


def test_another_model_forgets_the_typed_point(page: AppTest) -> None:
    page.query_params.update({"show": "Paths"} | TYPED_ENDS)
    _shown(page)
    page.sidebar.selectbox(key="model").set_value("digits")
    _shown(page)
    assert page.selectbox(key="a").value == "prior chain"
    assert len(page.get("plotly_chart")) == 1


def test_a_point_of_the_plane_speaks_wherever_the_address_puts_it(page: AppTest) -> None:
    page.query_params.update({"show": "Plane", "u": "1.5", "v": "-2"})
    shown = _shown(page)
    names: dict[str, object] = {}
    exec(page.code[0].value, names)
    assert f"**z says**  \n{names['sentences'][0]}" in shown
    page.number_input(key="u").set_value(-6.0)
    assert f"**z says**  \n{names['sentences'][0]}" not in _shown(page)


def test_nonsense_in_the_address_falls_back(page: AppTest) -> None:
    for name in ("show", "a", "an", "at", "b", "bt", "of", "from", "dir", "seed", "u", "v"):
        page.query_params[name] = "../../etc/passwd"
    assert "different sentences" in _shown(page)


@pytest.mark.parametrize("by_address", [True, False])
def test_anomaly_says_in_one_sentence_that_sentences_have_no_classes(
    page_of: Callable[..., AppTest], by_address: bool
) -> None:
    page = page_of("anomaly")
    if by_address:
        page.query_params["model"] = "text"
    else:  # as it was chosen on the page before
        page.session_state["carry.kept"] = {"model": "text"}
    page.run()
    assert not page.exception
    (told,) = [each.value for each in page.info if "no classes to hold out" in each.value]
    assert "“text”" in told
    assert page.metric
