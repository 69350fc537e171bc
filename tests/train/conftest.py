"""Small runs: seconds of training become milliseconds."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import run_files
import share_runs

from lebm.decoder import TextConfig
from lebm.langevin import LangevinConfig
from lebm.model import ModelConfig
from train import data
from train.__main__ import main
from train.config import OptimizerConfig, TrainConfig
from train.data import Dataset
from train.run_dir import RunDir
from train.trainer import Trainer


@pytest.fixture
def points() -> Dataset:
    """50 points to learn from, so that the last of 7 batches of 8 is smaller; 16 held out."""
    whole = data.load("ring", (2,))
    return Dataset("ring", whole.train[:50], whole.test[:16])


@pytest.fixture
def images() -> Dataset:
    return share_runs.digits()


@pytest.fixture(scope="session")
def sentences() -> Dataset:
    """50 sentences of the built-in grammar to learn from, 16 held out; 60 words known."""
    return share_runs.sentences()


@pytest.fixture
def labelled() -> Dataset:
    """80 digits with their classes, 20 of them held out."""
    return share_runs.digits(labelled=True)


@pytest.fixture(scope="session")
def make_config() -> Callable[..., TrainConfig]:
    """Settings of a run of 21 iterations, a checkpoint every 5; keywords replace fields."""

    def make(dataset: str = "ring", **changes) -> TrainConfig:
        shape, latent_dim = {"ring": ((2,), 2), "grammar": ((20,), 3)}.get(dataset, ((1, 8, 8), 4))
        text = TextConfig(embedding_dim=6, max_words=60) if dataset == "grammar" else None
        # No two alike, so that an exchange of them is seen.
        prior, posterior, reconstruction = (
            LangevinConfig(n_steps=n, step_size=s) for n, s in ((3, 0.02), (4, 0.01), (5, 0.03))
        )
        config = TrainConfig(
            dataset=dataset,
            model=ModelConfig(latent_dim, shape, width=4, prior_hidden=8, text=text),
            prior_sampler=prior,
            posterior_sampler=posterior,
            reconstruction=reconstruction,
            optimizer=OptimizerConfig(lr_prior=1e-3, lr_generator=2e-3, lr_decay=0.9),
            batch_size=8,
            epochs=3,
            save_every=5,
            log_every=1,
            accelerator="cpu",
        )
        return replace(config, **changes)

    return make


@pytest.fixture
def start() -> Callable[..., Trainer]:
    """A trainer at the beginning of a run in `folder`."""

    def make(config: TrainConfig, dataset: Dataset, folder: Path) -> Trainer:
        run = RunDir.choose(folder, preset="tiny")
        run.create(config)
        return Trainer(config, dataset, run, "python -m train tiny")

    return make


@pytest.fixture
def resume() -> Callable[..., Trainer]:
    """A trainer where the run in `folder` was left, as a new process would make it."""

    def make(config: TrainConfig, dataset: Dataset, folder: Path) -> Trainer:
        trainer = Trainer(config, dataset, RunDir(folder), "python -m train resume")
        state = trainer.run.load_state()
        if state is not None:
            trainer.load_state_dict(state)
        return trainer

    return make


@pytest.fixture
def read_csv() -> Callable[[Path], list[list[str]]]:
    """Rows of a CSV without its column `seconds`, which no two runs share."""
    return run_files.read_csv


@pytest.fixture
def same_run() -> Callable[[Path, Path], bool]:
    """Whether two runs left the same logs and the same final state."""
    return run_files.same_run


@pytest.fixture
def command(tmp_path, monkeypatch, capsys) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs `python -m train ...` in an empty folder; returns its status and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEBM_DATA", raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["train", *arguments])
        try:
            status = main()
        except SystemExit as stop:  # of the parser
            status = stop.code if isinstance(stop.code, int) else 1
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
