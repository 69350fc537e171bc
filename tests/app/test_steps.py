from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
