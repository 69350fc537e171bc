"""The Learn page as Streamlit runs it, and the code that each step shows."""

from __future__ import annotations

import base64
import importlib
import json
import operator
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import cache
from app.jobs import Job
from app.lessons import LESSONS
from app.studies import toy, toy_chains, toy_learning
from app.studies.toy_chains import LongChains
from app.studies.toy_learning import Learned
from lebm.exact import PlaneGrid

SLUGS = [lesson.slug for lesson in LESSONS]


def _script() -> None:
    from app.views import learn

    learn.page()


@pytest.fixture
def open_step() -> Iterator[Callable[..., AppTest]]:
    def _open(**address: str) -> AppTest:
        page = AppTest.from_function(_script, default_timeout=60)
        for name, value in address.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception
        assert not page.error
        return page

    yield _open
    for job in list(cache.jobs()._jobs.values()):
        job.cancelled.set()
        assert job.finished.wait(60)


def _title(page: AppTest) -> str:
    return page.subheader[0].value


@pytest.mark.parametrize("lesson", LESSONS, ids=SLUGS)
def test_each_step_opens_by_its_address(open_step, lesson) -> None:
    page = open_step(step=lesson.slug)
    assert _title(page) == lesson.title
    assert page.latex
    assert page.query_params["step"] == lesson.slug
    assert any(lesson.function_name in text.value for text in page.markdown)


@pytest.mark.parametrize("step", ["", "60", "../../etc/passwd", "short_run"])
def test_nonsense_in_the_address_opens_the_first_step(open_step, step) -> None:
    assert _title(open_step(step=step)) == LESSONS[0].title


def test_buttons_lead_through_all_steps_and_back(open_step) -> None:
    page = open_step()
    for lesson in LESSONS[1:3]:
        page.button(key="learn.next").click().run()
        assert not page.exception
        assert _title(page) == lesson.title
    page.button(key="learn.back").click().run()
    assert _title(page) == LESSONS[1].title
    assert page.query_params["step"] == SLUGS[1]


def test_the_first_step_has_nothing_before_it_and_the_last_nothing_after(open_step) -> None:
    first = {button.key for button in open_step().button}
    last = {button.key for button in open_step(step=SLUGS[-1]).button}
    assert {"learn.next", "learn.back"} & first == {"learn.next"}
    assert {"learn.next", "learn.back"} & last == {"learn.back"}


@pytest.mark.parametrize(
    ("step", "key", "value"),
    [
        ("generator", "radius", "2.0"),
        ("holes", "hole", "0.5"),
        ("tilting", "lambda", "0.3"),
        ("langevin", "k", "17"),
        ("posterior", "example", "4"),
        ("short-run", "law_k", "33"),
    ],
)
def test_the_address_sets_each_control(open_step, step, key, value) -> None:
    page = open_step(step=step, **{key: value})
    assert page.slider(key=key).value == float(value)
    assert value.removesuffix(".0") in page.code[0].value
    wrong = open_step(step=step, **{key: "nan"})
    assert wrong.slider(key=key).value != float(value)


def test_the_button_takes_one_step(open_step) -> None:
    page = open_step(step="langevin", k="5")
    page.button(key="k.next").click().run()
    assert page.slider(key="k").value == 6
    assert "n_steps=6" in page.code[0].value


def test_learning_is_watched_from_its_first_updates(open_step) -> None:
    page = open_step(step="learning", K0="5")
    for _ in range(600):
        page.run()
        assert not page.exception
        if len(page.get("plotly_chart")) == 3:
            break
        time.sleep(0.1)
    assert len(page.get("plotly_chart")) == 3


@pytest.mark.parametrize("lesson", LESSONS, ids=SLUGS)
def test_the_function_named_is_the_one_shown(lesson) -> None:
    module = lesson.function.__module__
    assert module.split(".")[0] in ("lebm", "train")
    name = lesson.function_name.removeprefix(f"{module}.")
    assert operator.attrgetter(name)(importlib.import_module(module)) is lesson.function
    assert lesson.function_source.lstrip().startswith(("def ", "@", "class "))
    assert lesson.function_says.endswith((".", ":"))


@pytest.mark.parametrize("hole", ["0.2", "0.5", "0.9"])
def test_the_holes_lesson_shows_the_code_of_its_number(open_step, hole: str) -> None:
    page = open_step(step="holes", hole=hole)
    names: dict = {}
    exec(page.code[0].value, names)
    assert float(names["share"]) == pytest.approx(toy.holes().share(float(hole)), abs=1e-9)
    assert page.metric[0].value == f"{names['share']:.0%}"


def test_the_learning_lesson_shows_the_code_of_its_updates(
    open_step, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_step(step="learning", updates="3", K0="20")
    names: dict = {}
    exec(page.code[0].value, names)
    monkeypatch.setattr(toy_learning, "N_UPDATES", 3)
    job: Job[Learned] = Job()
    toy_learning.learn(job, 0.003, 20)
    assert job.latest is not None
    last = job.latest.updates[-1]
    np.testing.assert_allclose(names["z_plus"], last.z_plus, atol=1e-5)
    np.testing.assert_allclose(names["z_minus"], last.z_minus, atol=1e-5)
    grid = PlaneGrid(extent=4.0, n_points=80)
    log_prob = names["model"].prior.double().unnorm_log_prob(grid.points)
    density = (log_prob - grid.log_integral(log_prob)).exp().view(80, 80).T
    np.testing.assert_allclose(last.density.values, density.detach(), atol=1e-4)


def test_the_tilt_lesson_draws_the_change_that_its_code_computes(open_step) -> None:
    page = open_step(step="tilting", **{"lambda": "0.7"})
    names: dict = {}
    exec(page.code[0].value, names)
    figure = json.loads(page.get("plotly_chart")[0].proto.spec)
    assert figure["layout"]["title"]["text"].endswith("= λ f − log Z(λ)")
    drawn = figure["data"][0]["z"]
    values = np.frombuffer(base64.b64decode(drawn["bdata"]), drawn["dtype"]).reshape(90, 90)
    expected = names["log_ratio"].view(90, 90).T.clip(-4, 4)
    np.testing.assert_allclose(values, expected.detach(), atol=1e-4)


def test_what_metropolis_does_for_large_steps_is_said_as_it_shows() -> None:
    def gap(adjusted: bool) -> float:
        job: Job[LongChains] = Job()
        toy_chains.long_run(job, 0.1, adjusted)
        assert job.latest is not None
        late = job.latest.energy[job.latest.steps >= 500]
        return float(late.mean()) - job.latest.exact_energy

    # The lesson's own chains, whose seed is fixed; yet processors round differently, and over 2,500
    # steps that parts chains: 0.88 with a standard error of 0.024, and 0 with one of 0.07. Four of
    # either: on 1 kind of processor in 10,000 it fails.
    assert gap(adjusted=False) > 0.78
    assert abs(gap(adjusted=True)) < 0.28
    assert "with Metropolis the same steps come close to it" in LESSONS[-1].answer


@pytest.mark.parametrize("lesson", LESSONS, ids=SLUGS)
def test_the_code_shown_runs(open_step, lesson) -> None:
    fast = {"updates": "3", "K0": "5", "law_k": "4", "k": "4", "post_k": "4"}
    code = open_step(step=lesson.slug, **fast).code[0].value
    code = code.replace("n_steps=2500", "n_steps=520").replace("range(100)", "range(3)")
    names: dict = {}
    exec(compile(code, lesson.slug, "exec"), names)
    shown = {"generator": "x", "holes": "share", "tilting": "kl", "langevin": "z"}
    shown |= {"posterior": "exact", "learning": "z_minus", "short-run": "kl", "long-run": "late"}
    assert names[shown[lesson.slug]].isfinite().all()
