"""The Posterior page with a model of sentences, as Streamlit runs it, without a browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from explorer import arrived
from streamlit.testing.v1 import AppTest

from app.sidebar import plain
from app.studies import sentence_chains
from app.studies.chain_run import ChainSettings
from app.studies.export import Film, npz, sentences_csv
from app.studies.own_sentence import MAX_TYPED
from lebm import LatentEBM, archive, langevin, zoo
from lebm.noise import ChainNoise
from lebm.trajectory import Trajectory
from lebm.word_edits import edits
from train import data
from train.words import counted

SENTENCE = "every day , the farmer and the customer offered some carpets ."  # the first held out


@pytest.fixture
def page(page_of: Callable[..., AppTest]) -> AppTest:
    return page_of("posterior", model="text")


@pytest.fixture(scope="module")
def model() -> LatentEBM:
    return zoo.load_model("text")[0]


def _encoded(model: LatentEBM, sentence: str) -> torch.Tensor:
    return model.config.text.vocabulary.encode([sentence.split()], 20)


def _chains(page: AppTest) -> Trajectory:
    arrived(page)
    return page.session_state["sentence_posterior.kept"][1].latest[0]


def _type(page: AppTest, text: str) -> None:
    page.query_params.update({"words_from": "Typed", "typed": text})
    page.run()
    page.segmented_control(key="words_from").set_value("Typed").run()
    page.text_input(key="typed").set_value(text).run()
    assert not page.exception


def _shown(page: AppTest) -> str:
    return "\n".join(each.value for each in page.markdown)


def test_it_opens_on_restarts_of_a_held_out_sentence(page: AppTest, model: LatentEBM) -> None:
    chains = _chains(page)
    assert not page.error
    assert page.subheader[0].value == "9 restarts after 60 steps"
    assert f"x: {SENTENCE}" in _shown(page)
    assert any("2,000 held-out examples of grammar" in c.value for c in page.caption)
    x = _encoded(model, SENTENCE).expand(9, -1)
    z = chains.z[-1]
    (table,) = [frame.value for frame in page.dataframe]
    table = table.sort_values("restart")
    nll, joint = -model.log_likelihood(x, z), -model.unnorm_log_joint(x, z)
    np.testing.assert_allclose(table["−log p(x|z)"], nll, atol=1e-3)
    np.testing.assert_allclose(table["a word"], nll / 13, atol=1e-3)
    np.testing.assert_allclose(table["−log p(x, z)"], joint, atol=1e-3)
    assert list(table["says"]) == model.config.text.vocabulary.decode(model.generate(z))


def test_how_far_restarts_are_apart_counts_in_distances_of_prior_samples(
    page: AppTest, model: LatentEBM
) -> None:
    z, card = _chains(page).z[-1], zoo.load_model("text")[1]
    noise = ChainNoise(0, range(16), z.shape[1])
    density = model.prior_density()
    start = langevin.init(density, noise.at(0))
    prior = langevin.run(density, start, card.prior_sampler, noise=noise).z[-1]
    latents, words = [], []
    for each in (z, prior):
        said = model.generate(each)
        pairs = list(combinations(range(len(each)), 2))
        latents.append(np.mean([(each[i] - each[j]).norm() for i, j in pairs]))
        words.append(np.mean([int(edits(said[i, None], said[j, None])) for i, j in pairs]))
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["Latents apart"] == f"{latents[0] / latents[1]:.2f} ×"
    assert shown["Sentences apart"] == f"{words[0] / words[1]:.2f} ×"
    assert shown["Latents apart"] != shown["Sentences apart"]


def test_chains_start_where_the_learned_sampler_says(model: LatentEBM) -> None:
    torch.manual_seed(0)
    learned = LatentEBM(replace(model.config, amortised=True)).requires_grad_(False)
    settings = ChainSettings(3, 2, 0.01, 1.0, 0, learned_start=True)
    x = _encoded(model, SENTENCE)
    chains = sentence_chains.walk(learned, settings, x)
    torch.testing.assert_close(chains.z[0], settings.start(learned, x))
    assert not torch.allclose(chains.z[0], settings.noise(learned).at(0))


def test_long_chains_are_stopped_on_the_way_and_keep_what_there_is(
    page: AppTest, model: LatentEBM, hold_chains: Callable[[], None]
) -> None:
    whole = _chains(page)
    hold_chains()
    page.query_params["K1"] = "500"
    page.sidebar.number_input(key="K1").set_value(500).run()
    assert not page.subheader  # they are on their way
    page.button(key="sentence_posterior.kept.stop").click().run()
    _, job = page.session_state["sentence_posterior.kept"]
    assert job.finished.wait(60)
    chains = _chains(page)
    taken = len(chains.z) - 1
    assert 0 < taken < 500
    assert page.subheader[0].value == f"9 restarts after {counted(taken, 'step')}"
    assert page.info[0].value == f"Stopped after {taken} of 500 steps."
    n = min(taken, 60)
    torch.testing.assert_close(chains.z[: n + 1], whole.z[: n + 1], rtol=0, atol=1e-4)
    next(button for button in page.button if button.label == "Take all steps").click()
    assert len(_chains(page).z) == 501
    assert not page.info


def test_other_settings_end_the_chains_that_are_waited_for(
    page: AppTest, hold_chains: Callable[[], None]
) -> None:
    hold_chains()
    page.query_params.update({"K1": "500", "n1": "100"})
    page.run()
    _, before = page.session_state["sentence_posterior.kept"]
    page.sidebar.number_input(key="K1").set_value(5)
    assert len(_chains(page).z) == 6
    assert before.finished.wait(60)
    assert len(before.latest[0].z) < 501


def test_a_typed_sentence_gives_the_chains_of_the_picked_one(page: AppTest) -> None:
    picked = _chains(page)
    _type(page, "Every day, the farmer and the customer offered some carpets.")
    typed = _chains(page)
    assert torch.equal(picked.z, typed.z)
    assert not page.error
    assert "<unk>" not in _shown(page)


def test_typing_begins_with_the_sentence_that_was_shown(page: AppTest) -> None:
    page.query_params["i"] = "2"
    _chains(page)
    page.segmented_control(key="words_from").set_value("Typed").run()
    assert page.text_input(key="typed").value == "the butcher forgot to serve many pies ."


def test_the_number_is_that_of_the_sentence(page: AppTest, model: LatentEBM) -> None:
    page.query_params["i"] = "9999"
    _chains(page)
    number = page.number_input(key="i")
    tests = data.unseen(zoo.load_model("text")[1].facts, model.config)
    assert number.value == number.max == len(tests) - 1
    assert page.query_params["i"] == str(number.value)
    (said,) = model.config.text.vocabulary.decode(tests[-1:])
    assert f"x: {plain(said)}" in _shown(page)


def test_unknown_words_are_shown_as_what_they_become(page: AppTest, model: LatentEBM) -> None:
    _type(page, "the zebra forgot to serve many pies .")
    chains = _chains(page)
    assert "zebra → **\\<unk\\>**" in _shown(page)
    assert any("1 word is not among" in c.value for c in page.caption)
    x = _encoded(model, "the <unk> forgot to serve many pies .")
    expected = model.log_likelihood(x.expand(9, -1), chains.z[-1])
    torch.testing.assert_close(chains.log_likelihood[-1], expected)


def test_a_sentence_of_unknown_words_alone_is_explained_and_said(page: AppTest) -> None:
    _type(page, "colourless green2 zebras")
    assert "none of these words" in page.warning[0].value
    assert not page.error
    assert len(page.dataframe) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [("the " * 25, "at most 19"), ("", "Type a sentence"), (" \t ", "Type a sentence")],
)
def test_what_is_no_sentence_for_it_is_one_sentence(page: AppTest, text: str, said: str) -> None:
    _type(page, text)
    (told,) = [each.value for each in (*page.error, *page.info)]
    assert said in told
    assert not page.dataframe


@pytest.mark.parametrize(
    "hostile",
    [
        "![x](http://example.org/x.png)",
        "<img src=x onerror=alert(1)>",
        "x" * 100_000,
        "$\\int$ :red[a] `b` | c \x00 \u202e d",
        "'''); import os #",
    ],
)
def test_a_hostile_address_is_only_words(page: AppTest, hostile: str) -> None:
    _type(page, hostile)
    shown = _shown(page)
    assert "](http" not in shown
    assert "<img" not in shown
    assert len(page.text_input(key="typed").value) <= MAX_TYPED
    if page.dataframe:
        page.button(key="posterior.python").click().run()
        compile(page.code[0].value, "copied", "exec")


def test_the_address_sets_sentence_step_and_restart(page: AppTest) -> None:
    address = {
        "words_from": "Typed",
        "typed": "the doors were checked .",
        "step": "7",
        "chain": "3",
    }
    page.query_params.update(address | {"K1": "12", "n1": "4", "term": "½‖z‖²"})
    chains = _chains(page)
    assert chains.z.shape == (13, 4, 16)
    assert page.slider(key="step").value == 7
    assert "**Restart 3, step 7**" in _shown(page)
    page.sidebar.number_input(key="K1").set_value(5).run()
    page.sidebar.select_slider(key="n1").set_value(1).run()
    assert not page.exception
    assert page.slider(key="step").value <= 5
    assert page.number_input(key="chain").value == 0
    assert page.metric[4].value == "–"


def test_nonsense_in_the_address_falls_back(page: AppTest) -> None:
    for name in (
        "K1",
        "n1",
        "T1",
        "s1",
        "seed",
        "step",
        "chain",
        "term",
        "i",
        "words_from",
        "typed",
    ):
        page.query_params[name] = "../../etc/passwd"
    assert _chains(page).z.shape[:2] == (61, 9)
    assert not page.error


def test_stepping_marks_the_words_that_changed(page: AppTest, model: LatentEBM) -> None:
    chains = _chains(page)
    said = model.config.text.vocabulary.decode(model.generate(chains.z[:, 2]))
    page.number_input(key="chain").set_value(2).run()
    page.slider(key="step").set_value(1).run()
    new = set(said[1].split()) - set(said[0].split())
    assert new
    assert all(f":orange[**{word}**]" in _shown(page) for word in new)
    assert f"says {1 + sum(map(str.__ne__, said, said[1:]))} different" in _shown(page)


def test_the_lines_to_copy_make_the_chains_that_are_shown(page: AppTest) -> None:
    page.query_params.update({"n1": "4", "K1": "20", "step": "12", "seed": "3"})
    for typed in ("", "the zebra 'forgot' to serve pies ."):
        if typed:
            _type(page, typed)
        chains = _chains(page)
        page.button(key="posterior.python").click().run()
        names: dict[str, object] = {}
        exec(page.code[0].value, names)
        torch.testing.assert_close(names["chain"].z, chains.z, rtol=0, atol=1e-4)
        table = page.dataframe[0].value.sort_values("restart")
        end = names["model"].generate(chains.z[-1])
        assert names["vocabulary" if typed else "model"]
        assert list(table["says"]) == names["model"].config.text.vocabulary.decode(end)
        assert len(names["sentences"]) == 4


def test_the_files_hold_what_was_said(page: AppTest, model: LatentEBM) -> None:
    page.query_params.update({"n1": "4", "K1": "6"})
    chains = _chains(page)
    film = _film(page, model, chains)
    comment, header, *rows = sentences_csv(model, film).decode().splitlines()
    assert comment.startswith("# settings: ")
    assert header == "step,chain,neg_log_likelihood,energy,half_sq_norm,sentence"
    assert len(rows) == 7 * 4
    (last,) = model.config.text.vocabulary.decode(model.generate(chains.z[-1, -1:]))
    assert rows[-1].replace('"', "").endswith(last)
    nll = -model.log_likelihood(film.example.x, chains.z[-1, -1:])
    assert float(rows[-1].split(",")[2]) == pytest.approx(float(nll), abs=1e-3)
    back = archive.loads(npz(film))
    torch.testing.assert_close(back.replay(model).z, chains.z, rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match="word numbers from 0"):
        film.recipe.density(model, torch.full((1, 20), 10_000))


def _film(page: AppTest, model: LatentEBM, chains: Trajectory) -> Film:
    from app.models import ModelEntry
    from app.studies.chain_run import ChainSettings, Segment
    from app.studies.examples import Example
    from app.studies.recipe import recipe_of
    from lebm.recipe import fingerprint

    x = data.unseen(zoo.load_model("text")[1].facts, model.config)[:1]
    example = Example(x, "test", "grammar", 0)
    settings = ChainSettings(4, 6, 0.1, 1.0, 0)
    entry = ModelEntry("text", "", Path("unused"), 0)
    recipe = recipe_of((Segment(0, settings),), 6, entry, fingerprint(model), example)
    return Film.of_sentences(recipe, chains, 6, example)
