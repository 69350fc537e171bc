"""Small models on disk, and the explorer running beside a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from explorer import CHROMIUM, FLAGS, IDLE, PATIENCE, serving
from streamlit.testing.v1 import AppTest

from app.models import ModelEntry
from lebm import checkpoint
from lebm.checkpoint import ModelCard
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig

IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
SAMPLER = LangevinConfig(n_steps=6, step_size=0.05)
POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)
AMORTISED = replace(IMAGES, amortised=True)
DESK = {"width": 1280, "height": 900}  # pixels


@pytest.fixture(scope="session")
def build() -> Callable[[ModelConfig], LatentEBM]:
    def _build(config: ModelConfig) -> LatentEBM:
        torch.manual_seed(0)
        model = LatentEBM(config).requires_grad_(False)
        if model.amortised is not None:  # a flow begins as the identity
            for parameter in model.amortised.synthesis.parameters():
                torch.nn.init.normal_(parameter, std=0.5)
        return model

    return _build


@pytest.fixture
def save_run(tmp_path: Path, build: Callable[[ModelConfig], LatentEBM]) -> Callable[..., Path]:
    """Lays a run with one checkpoint under `tmp_path / "runs"` and returns the file."""

    def _save(
        name: str,
        config: ModelConfig = IMAGES,
        step: int = 5,
        sampler: LangevinConfig = SAMPLER,
    ) -> Path:
        folder = tmp_path / "runs" / name
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("{}")
        path = folder / "checkpoints" / f"step-{step:06d}.safetensors"
        card = ModelCard(name, sampler, sampler, sampler, {"data": "made up", "iterations": 1234})
        checkpoint.save(path, build(config), card)
        return path

    return _save


@pytest.fixture
def entry(save_run: Callable[..., Path]) -> ModelEntry:
    return ModelEntry("runs/tiny", "a test model", save_run("tiny"), 1)


@pytest.fixture
def page_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., AppTest]:
    """A page of `app.views` as Streamlit runs it, without a browser, under an address.

    Runs lie where `save_run` puts them, and no data set but the embedded ones is at hand.
    """
    monkeypatch.setenv("LEBM_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("LEBM_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("app.jobs.PATIENCE", 20)  # nothing polls here

    def _page_of(name: str, **address: str) -> AppTest:
        script = f"from app.views import {name}\n{name}.page()"
        page = AppTest.from_string(script, default_timeout=60)
        page.query_params.update(address)
        return page

    return _page_of


@pytest.fixture
def hold_chains(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Once called, the next chains of a page take a step or two, and no more till they are ended.

    However slow the machine is, they are not done before a person acts; later ones run freely.
    """

    def hold() -> None:
        from app.jobs import Job

        make, asked, made = Job.__init__, Job.should_stop, list[Job]()

        def remembered(job: Job) -> None:
            make(job)
            made.append(job)

        def should_stop(job: Job) -> bool:
            if job is made[0] and job.progress > 0:
                job.cancelled.wait(120)
            return asked(job)

        monkeypatch.setattr(Job, "__init__", remembered)
        monkeypatch.setattr(Job, "should_stop", should_stop)
        monkeypatch.setattr("app.jobs.UNWATCHED_SECONDS", 120)
        monkeypatch.setattr("app.jobs.PATIENCE", 0)
        monkeypatch.setattr("app.studies.steps.PIECE", 1)

    return hold


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs that the explorer at `address` looks into; one of them is damaged."""
    runs = tmp_path_factory.mktemp("runs")
    broken = runs / "broken"
    (broken / "checkpoints").mkdir(parents=True)
    (broken / "config.json").write_text("{}")
    (broken / "checkpoints" / "step-000001.safetensors").write_bytes(b"\x80\x04not a model")
    return runs


@pytest.fixture(scope="session")
def serve(runs: Path) -> Callable[[], AbstractContextManager[str]]:
    """A context in which a new server of the explorer runs; gives its address."""

    @contextmanager
    def running() -> Iterator[str]:
        with serving(runs) as (url, _):
            yield url

    return running


@pytest.fixture(scope="session")
def address(serve: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """A running explorer, the same for all tests."""
    with serve() as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real Chromium; tests that need it skip, saying so, where there is none."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the path")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def profile(browser: Any) -> Iterator[Any]:
    """A person's browser, in which each test opens pages: scripts are fetched once."""
    with browser.new_context() as context:
        yield context


@pytest.fixture
def open_page(browser: Any, profile: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Opens a page of the explorer and waits for its first picture; errors fail the test.

    `query` is what follows the address's last slash, such as "long-run?model=digits". What only
    adorns a wait stands still: placeholders that pulse take what the wait is for.
    """
    pages, errors = [], []

    def _open(
        query: str = "",
        wait_for: str = "output.counter:not(:empty)",
        viewport: dict[str, int] = DESK,
        color_scheme: str = "light",
        reduced_motion: str = "reduce",
        has_touch: bool = False,
    ) -> Any:
        page = browser.new_page(has_touch=True) if has_touch else profile.new_page()
        pages.append(page)
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=color_scheme, reduced_motion=reduced_motion)
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}/{query}")
        page.wait_for_selector(wait_for)
        page.wait_for_selector(IDLE)
        return page

    yield _open
    for page in pages:
        page.close()
    assert errors == []
