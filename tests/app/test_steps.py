from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from app.jobs import Job
from app.studies import steps
from app.studies.chain_run import ChainRun, ChainSettings
from app.studies.frame import latent_plane
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig

IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
SETTINGS = ChainSettings(n_chains=3, n_steps=25, step_size=0.05, temperature=1.0, seed=3)


@pytest.fixture
def runs(build: Callable[[ModelConfig], LatentEBM]) -> steps.Runs:
    model = build(IMAGES)
    plane = latent_plane(model, LangevinConfig(5, 0.05))
    settings = (SETTINGS, replace(SETTINGS, adjusted=True))
    return tuple(ChainRun.start(str(each), model, plane, each) for each in settings)


def test_pieces_make_the_same_chains(runs: steps.Runs) -> None:
    job: Job[steps.Runs] = Job()
    found = steps.take(job, runs, 25)
    assert job.progress == 1
    assert job.latest == found
    for run, start in zip(found, runs, strict=True):
        assert torch.equal(run.trajectory.z, start.advance(25).trajectory.z)
    assert steps.take(job, found, 20) == found  # they are there already


def test_what_is_stopped_has_as_many_steps_on_each_side(runs: steps.Runs) -> None:
    job: Job[steps.Runs] = Job()
    publish = job.publish

    def once(result: steps.Runs, progress: float) -> None:
        publish(result, progress)
        if result[0].n_taken == steps.PIECE:
            job.cancelled.set()

    job.publish = once
    steps.take(job, runs, 25)
    assert [run.n_taken for run in job.latest] == [steps.PIECE] * 2
    assert job.progress == steps.PIECE / 25


def test_an_answer_comes_within_a_moment_and_the_next_goes_on(
    runs: steps.Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(100))  # of this module alone: threads of other tests look at their own
    monkeypatch.setattr(steps, "time", SimpleNamespace(monotonic=lambda: 0.1 * next(clock)))
    found = steps.answer((runs[0], runs[1].advance(5)), 25)
    assert [run.n_taken for run in found] == [20, 20]
    found = steps.answer(found, 25)
    assert [run.n_taken for run in found] == [25, 25]
    for run, start in zip(found, runs, strict=True):
        assert torch.equal(run.trajectory.z, start.advance(25).trajectory.z)


def test_an_answer_ends_where_a_chain_may_go_no_further(runs: steps.Runs) -> None:
    settings = replace(SETTINGS, n_chains=1_000)
    crowd = ChainRun.start("crowd", runs[0].model, runs[0].plane, settings)
    limit = crowd.limit
    assert limit < 2_000
    (crowd,) = steps.answer((crowd.advance(limit - 1),), 2_000)
    assert crowd.n_taken == limit
