"""The Long run page as Streamlit runs it, without a browser."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from arviz_stats.base import array_stats
from streamlit.testing.v1 import AppTest

from app import cache
from app.jobs import Job
from app.models import list_models, runs_folder
from app.studies import export, long_run
from app.studies.chain_run import ChainSettings, Segment
from app.studies.export import Film
from app.studies.long_run import LongRun
from app.studies.recipe import recipe_of
from app.views import long_run_sentences
from lebm import archive, zoo

ADDRESS = {"model": "text", "long": "500", "n": "16", "every": "50"}


@pytest.fixture
def page(page_of: Callable[..., AppTest]) -> AppTest:
    page = page_of("long_run")
    page.query_params.update(ADDRESS)
    return page


def _judged(page: AppTest) -> AppTest:
    for _ in range(600):
        page.run()
        assert not page.exception
        assert not page.error
        if page.subheader:
            return page
        time.sleep(0.1)
    raise AssertionError("there never was a verdict")


def _run_of(page: AppTest) -> LongRun:
    _, job = page.session_state["long_run.job"]
    return job.latest


def _lines(page: AppTest) -> list[str]:
    return [m.value for m in page.markdown if ":gray[step" in m.value]


def test_the_numbers_under_a_verdict_are_those_of_the_chains(
    page_of: Callable[..., AppTest],
) -> None:
    page = _judged(page_of("long_run", model="digits", long="600", n="16"))
    model, card = zoo.load_model("digits")
    t, short = _run_of(page).trajectory, card.prior_sampler.n_steps
    before, after = (model.generate(t.z[k]).flatten(1).double() for k in (short, 600))
    between_before, between_after = (torch.cdist(x, x).square().sum() for x in (before, after))
    moved = (after - before).square().sum(1).mean() / (between_before / (16 * 15))
    beyond = [(x.abs() > 0.95).double().mean() for x in (before, after)]

    def shift(values: torch.Tensor) -> float:
        return float((values[600].median() - values[short].median()) / values[short].std())

    shown = {metric.label: metric.value for metric in page.metric}
    assert shown.pop("Merged") == "+0%"
    assert shown == {
        "Energy": f"{shift(t.energy):+.2f} sd",
        "‖z‖": f"{shift(t.z.norm(dim=-1)):+.2f} sd",
        "Spread": f"{between_after / between_before:.2f} ×",
        "Moved": f"{moved:.2f} ×",
        "Saturated": f"{beyond[1] - beyond[0]:+.1%}",
    }
    assert len(set(shown.values())) == 5
    assert page.subheader[0].value == f"Verdict: {_run_of(page).judgement.verdict.word}"


def test_each_column_of_the_convergence_table_holds_what_it_says(
    page_of: Callable[..., AppTest],
) -> None:
    page = _judged(page_of("long_run", model="digits", long="600", n="16"))
    table = page.dataframe[0].value.set_index("quantity")
    assert list(table.index) == ["energy", "direction 1", "direction 2", "direction 3"]
    run, card = _run_of(page), zoo.load_model("digits")[1]
    draws = run.trajectory.energy[card.prior_sampler.n_steps :].double().T.numpy()
    found = {
        "R-hat": round(float(array_stats.rhat(draws)), 3),
        "bulk ESS": round(float(array_stats.ess(draws, method="bulk"))),
        "tail ESS": round(float(array_stats.ess(draws, method="tail", prob=(0.05, 0.95)))),
        "mean": round(float(draws.mean()), 3),
        "MCSE": round(float(array_stats.mcse(draws, method="mean")), 3),
    }
    assert table.loc["energy"].to_dict() == pytest.approx(found)
    assert len(set(found.values())) == 5
    for name, row in run.judgement.mixing.items():
        assert table.loc[name, "mean"] == pytest.approx(row.mean, abs=5e-4)
        assert table.loc[name, "tail ESS"] == round(row.ess_tail)


def test_a_long_run_of_sentences_ends_in_a_verdict_on_words(page: AppTest) -> None:
    _judged(page)
    assert page.subheader[0].value.startswith("Verdict: ")
    labels = [metric.label for metric in page.metric]
    assert labels == ["Energy", "‖z‖", "Spread", "Moved", "Merged", "Different"]
    assert "Chain 0" in "".join(m.value for m in page.markdown)
    lines = _lines(page)
    assert sum(text.find("step 0") > 0 for text in lines) == 4  # one for each chain that is read
    assert any(":orange[**" in text for text in lines)
    first = page.number_input(key="chain")
    first.set_value(13)
    page.run()
    read = [m.value for m in page.markdown if re.fullmatch(r"\*\*Chain \d+\*\*", m.value)]
    assert read == ["**Chain 13**", "**Chain 14**", "**Chain 15**"]
    assert _lines(page) != lines


def test_to_stop_a_run_stops_nobody_else_s(page_of: Callable[..., AppTest]) -> None:
    ours, theirs = (page_of("long_run", model="digits", long="20000", n="4") for _ in range(2))
    for each in (ours, theirs):
        each.run()
        assert not each.exception
    ours.button(key="stop").click().run()
    (_, stopped), (_, other) = (each.session_state["long_run.job"] for each in (ours, theirs))
    assert stopped.finished.wait(60)
    assert not other.cancelled.is_set()
    other.cancelled.set()


def test_one_chain_says_why_it_has_no_verdict(page_of: Callable[..., AppTest]) -> None:
    page = page_of("long_run", model="digits", long="100", n="1")
    page.run()
    _, job = page.session_state["long_run.job"]
    assert job.finished.wait(60)
    page.run()
    assert not page.exception
    assert any(box.value.startswith("A verdict takes two chains") for box in page.info)


def test_chains_that_diverged_have_a_verdict_and_no_numbers(
    page_of: Callable[..., AppTest],
) -> None:
    page = _judged(page_of("long_run", model="pinwheel", long="600", n="16", s="2"))
    assert page.subheader[0].value == "Verdict: diverged"
    assert not page.metric
    assert not page.dataframe
    assert page.warning[0].value.startswith("16 of 16 chains were stopped and are not judged")


def test_nonsense_in_the_address_falls_back(page: AppTest) -> None:
    page.query_params.update({"chain": "-3", "every": "1e9", "n": "x"})
    assert _lines(_judged(page))


def test_what_is_read_is_what_the_chains_say() -> None:
    model, _ = zoo.load_model("text")
    job: Job[LongRun] = Job()
    long_run.run(job, model, ChainSettings(8, 300, 0.08, 1.0, 3), 60, 100)
    run = job.latest
    assert run.picture_steps == (0, 100, 200, 300)
    assert run.pictures.shape == (4, 8, 0)  # nothing is decoded before it is shown
    end = run.snapshot(300).examples
    verdict = run.judgement.verdict
    assert verdict.different == len(np.unique(end, axis=0)) / 8

    lines = long_run_sentences.walk(run, 5)
    last = re.sub(r":orange\[\*\*(.*?)\*\*\]", r"\1", lines[-1]).partition("  \n")[0]
    (said,) = model.config.text.vocabulary.decode(end[5:6])
    assert last.replace("\\", "") == said
    assert "step 300" in lines[-1] or "to 300" in lines[-1]


def test_numbers_of_sentences_can_be_taken_away(page: AppTest) -> None:
    _judged(page).run()
    kinds = [button.proto.label for button in page.get("download_button")]
    assert kinds == ["NPZ", "CSV"]
    model, _ = zoo.load_model("text")

    entry = list_models(runs_folder())["text"]
    job: Job[LongRun] = Job()
    settings = ChainSettings(4, 20, 0.08, 1.0, 3)
    long_run.run(job, model, settings, 60, 10)
    recipe = recipe_of([Segment(0, settings)], 20, entry, cache.fingerprint(entry))
    t, pictures = job.latest.trajectory, job.latest.pictures
    film = Film(recipe, t, t.energy, np.array([0, 10, 20]), pictures, 20)
    again = archive.loads(export.npz(film)).replay(model)
    np.testing.assert_array_equal(again.z, job.latest.trajectory.z)


def test_fewer_chains_bring_the_ones_that_are_read_back_into_range(page: AppTest) -> None:
    page.query_params["chain"] = "13"
    _judged(page)
    page.select_slider(key="n").set_value(4)
    _judged(page).run()
    assert any(m.value == "**Chain 3**" for m in page.markdown)
