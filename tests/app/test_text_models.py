"""Models of sentences in the explorer: how what they say is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from explorer import arrived
from streamlit.testing.v1 import AppTest

from app.studies import run_log, sentence_chains
from lebm.decoder import TextConfig
from lebm.model import ModelConfig
from lebm.vocabulary import Vocabulary
from train.run_dir import RunDir

TEXT = TextConfig(embedding_dim=4, vocabulary=Vocabulary(("the", "cat", "[sleeps](x)", "*")))
SENTENCES = ModelConfig(latent_dim=3, data_shape=(6,), width=4, prior_hidden=8, text=TEXT)


@pytest.mark.parametrize("name", ["posterior", "landscape"])
def test_a_run_whose_sentences_are_not_here_is_read_in_its_own(
    name: str, page_of: Callable[..., AppTest], save_run: Callable
) -> None:
    save_run("text", SENTENCES)
    page = page_of(name)
    page.query_params.update({"model": "runs/text", "b": "posterior of example"})
    page.run()
    for view in ("Plane", "Paths", "Directions") if name == "landscape" else ("Typed", "Data"):
        page.segmented_control(key="show" if name == "landscape" else "words_from").set_value(
            view
        ).run()
        assert not page.exception
        assert not page.error
    shown = "\n".join(each.value for each in page.markdown)
    assert "[sleeps](x)" not in shown
    if name == "posterior":
        assert any("decoded samples of the model itself" in c.value for c in page.caption)


@pytest.mark.parametrize("name", ["chains", "posterior", "landscape", "tilted_prior"])
def test_a_person_turns_to_pictures_and_back(name: str, page_of: Callable[..., AppTest]) -> None:
    page = page_of(name)
    page.query_params.update({"model": "text", "step": "7", "chain": "3"})
    page.run()
    if name in ("chains", "posterior"):
        page.slider(key="step").set_value(9).run()
    for model in ("digits", "text", "digits"):
        page.sidebar.selectbox(key="model").set_value(model).run()
        assert not page.exception
        assert not page.error


@pytest.mark.parametrize(
    ("name", "steps"), [("chains", "K"), ("compare", "K"), ("posterior", "K1")]
)
def test_other_chains_are_read_at_their_own_last_step(
    name: str, steps: str, page_of: Callable[..., AppTest], save_run: Callable
) -> None:
    save_run("text", SENTENCES)
    page = page_of(name, model="runs/text", n="4", n1="4", step="7", **{steps: "12"})

    def read_at() -> tuple[int, str | None]:
        arrived(page)
        assert not page.error
        return page.slider(key="step").value, page.query_params.get("step", [None])[0]

    assert read_at() == (7, "7")
    for longer_or_shorter in (20, 5):
        page.sidebar.number_input(key=steps).set_value(longer_or_shorter)
        assert read_at() == (longer_or_shorter, None)
        page.slider(key="step").set_value(3)
        assert read_at() == (3, "3")
        page.sidebar.number_input(key="seed").set_value(longer_or_shorter)
        assert read_at() == (3, "3")


def test_chains_are_read(page_of: Callable[..., AppTest], save_run: Callable) -> None:
    save_run("text", SENTENCES)
    page = page_of("chains")
    page.query_params["model"] = "runs/text"
    page.run()
    assert not page.exception
    assert not page.error
    (table,) = [frame.value for frame in page.dataframe]
    assert len(table) == 16
    words = {word for sentence in table["sentence"] for word in sentence.split()}
    assert words <= {*TEXT.vocabulary.words, "<unk>"}
    page.number_input(key="chain").set_value(3).run()
    page.slider(key="step").set_value(40).run()
    assert not page.exception
    assert any("Chain 3" in markdown.value for markdown in page.markdown)


def test_what_chains_say_is_taken_away_and_made_again(page_of: Callable[..., AppTest]) -> None:
    page = page_of("chains", model="text", n="4", K="20", seed="3", step="12")
    page.run()
    assert [button.proto.label for button in page.get("download_button")] == ["NPZ", "CSV"]
    page.button(key="chains.0.python").click().run()
    assert not page.exception
    names: dict[str, Any] = {}
    exec(page.code[0].value, names)
    assert names["chain"].z.shape[:2] == (21, 4)
    assert names["sentences"] == list(page.dataframe[0].value["sentence"])


def test_nonsense_in_the_address_falls_back(page_of: Callable, save_run: Callable) -> None:
    save_run("text", SENTENCES)
    page = page_of("chains")
    page.query_params.update({"model": "runs/text", "chain": "-4", "step": "x", "K": "1e9"})
    page.run()
    assert not page.exception


def test_new_words_are_those_that_the_sentence_before_did_not_have_there() -> None:
    words = sentence_chains.compared("the cat sleeps .", "the old cat sat .")
    assert [(w.text, w.new) for w in words] == [
        ("the", False),
        ("old", True),
        ("cat", False),
        ("sat", True),
        (".", False),
    ]
    assert sentence_chains.compared("a b", "") == ()
    assert all(w.new for w in sentence_chains.compared("", "a b"))


def test_sentences_of_two_vocabularies_are_compared_by_their_words() -> None:
    a = ("the cat sleeps .", "a <unk> b", "", "")
    b = ("the old cat sat .", "a <unk> b", "two words", "")
    found = sentence_chains.words_apart(a, b)
    np.testing.assert_allclose(found, [2 / 5, 0, 1, 0])
    assert sentence_chains.words_apart(("",), ("",)).tolist() == [0]


def test_steps_that_say_the_same_are_taken_together() -> None:
    energy = np.array([3.0, 2.0, 1.0, -1.0, -4.0])
    found = sentence_chains.stretches(["a b", "a b", "a c", "a c", "a c"], energy)
    assert [(s.first, s.last, s.energy) for s in found] == [(0, 1, (3, 2)), (2, 4, (1, -4))]
    assert [w.new for w in found[0].words] == [False, False]
    assert [w.new for w in found[1].words] == [False, True]
    assert found[1].moved == -5


def test_samples_that_are_sentences_count_as_samples(tmp_path) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    for kind in ("gaussian", "prior", "reconstruction"):
        (folder / f"{kind}-000500.txt").write_text("the cat\n")
    assert run_log.sample_steps(RunDir(tmp_path)) == [500]
