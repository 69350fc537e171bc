from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from app.jobs import Job
from app.studies import long_run
from app.studies.chain_run import ChainRun, ChainSettings
from app.studies.frame import latent_plane
from app.studies.long_run import LongRun
from lebm import langevin
from lebm.diagnostics import Snapshot, mixing, verdict
from lebm.model import LatentEBM, ModelConfig
from lebm.noise import ChainNoise

IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
SETTINGS = ChainSettings(n_chains=4, n_steps=250, step_size=0.05, temperature=1.0, seed=3)
Build = Callable[[ModelConfig], LatentEBM]


def _finished(model: LatentEBM, settings: ChainSettings = SETTINGS) -> LongRun:
    job: Job[LongRun] = Job()
    long_run.run(job, model, settings, short_step=20, picture_every=50)
    assert job.latest is not None
    return job.latest


def test_it_is_the_chain_of_the_chains_page(build: Build) -> None:
    model = build(IMAGES)
    run = _finished(model)
    by_hand = ChainRun.start("a", model, latent_plane(model, SETTINGS.sampler(5)), SETTINGS)
    by_hand = by_hand.advance(SETTINGS.n_steps)
    assert torch.equal(run.trajectory.z, by_hand.trajectory.z)


def test_pictures_are_those_of_their_steps(build: Build) -> None:
    run = _finished(build(IMAGES))
    assert run.picture_steps == (0, 50, 100, 150, 200, 250)
    decoded = long_run.decode(run.model, run.trajectory.z[[150]])
    assert (run.pictures[3] == decoded[0]).all()


def test_the_last_step_is_shown_though_the_distance_does_not_divide_it(build: Build) -> None:
    run = _finished(build(IMAGES), replace(SETTINGS, n_steps=130))
    assert run.picture_steps == (0, 50, 100, 130)
    assert _finished(build(IMAGES), replace(SETTINGS, n_steps=30)).picture_steps == (0, 30)


def test_the_verdict_compares_the_short_run_with_the_end(build: Build) -> None:
    model = build(IMAGES)
    run = _finished(model)
    assert run.last_step == 250
    assert run.judgement is not None
    noise = ChainNoise(SETTINGS.seed, range(4), 4)
    start = langevin.init(model.prior_density(), noise.at(0))
    chain = langevin.run(model.prior_density(), start, SETTINGS.sampler(250), noise=noise)
    short, end = (
        Snapshot(-model.prior.neg_energy(z), z.norm(dim=-1), model.generate(z))
        for z in (chain.z[20], chain.z[250])
    )
    expected = verdict(short, end)
    found = run.judgement.verdict
    assert found.word == expected.word
    for field in ("energy_shift", "norm_shift", "spread", "moved", "merged", "saturation"):
        assert getattr(found, field) == pytest.approx(getattr(expected, field), rel=1e-3, abs=1e-5)
    assert run.judgement.mixing == {}  # 230 steps say nothing


def test_one_chain_or_a_short_one_has_no_verdict(build: Build) -> None:
    model = build(IMAGES)
    assert _finished(model, ChainSettings(1, 250, 0.05, 1.0, 3)).judge().verdict is None
    assert _finished(model, ChainSettings(4, 20, 0.05, 1.0, 3)).judge().verdict is None


def test_a_longer_run_is_judged_by_what_follows_the_short_one(build: Build) -> None:
    run = _finished(build(IMAGES), replace(SETTINGS, n_steps=600))
    assert run.judgement is not None
    assert list(run.judgement.mixing) == ["energy", *(f"direction {i}" for i in (1, 2, 3))]
    energy = run.trajectory.energy[20:]
    assert run.judgement.mixing["energy"] == mixing(energy)
    assert run.judgement.autocorrelation["energy"].shape == (401,)


def test_a_cancelled_run_keeps_its_steps(build: Build) -> None:
    job: Job[LongRun] = Job()
    publish = job.publish

    def stop_after_first(result: LongRun, progress: float) -> None:
        publish(result, progress)
        job.cancelled.set()

    job.publish = stop_after_first  # type: ignore[method-assign]
    long_run.run(job, build(IMAGES), SETTINGS, short_step=20, picture_every=50)
    assert job.latest is not None
    assert job.latest.last_step == long_run.PIECE


def test_the_length_is_bounded_by_memory(build: Build) -> None:
    model = build(IMAGES)
    assert 4 * 100 * 4 * long_run.max_steps(model, 100) <= long_run.MEMORY_BUDGET


def test_chains_that_were_stopped_are_not_judged(build: Build) -> None:
    run = _finished(build(IMAGES), replace(SETTINGS, n_chains=16, n_steps=600, step_size=2.0))
    stopped = [failure.chain for failure in run.trajectory.failures]
    left = [i for i in range(16) if i not in stopped]
    assert stopped
    assert len(left) > 2
    t, judged = run.trajectory, run.judgement
    short, end = (
        Snapshot(t.energy[k, left], t.z[k, left].norm(dim=-1), run.model.generate(t.z[k, left]))
        for k in (20, 600)
    )
    assert judged.verdict == verdict(short, end)
    assert judged.mixing["energy"] == mixing(t.energy[20:, left])


@pytest.mark.parametrize("n_chains", [1, 16])
def test_chains_that_all_stand_still_diverged(build: Build, n_chains: int) -> None:
    wild = replace(SETTINGS, n_chains=n_chains, n_steps=600, step_size=2.1)
    run = _finished(build(IMAGES), wild)
    assert len(run.trajectory.failures) == n_chains
    assert run.judgement.verdict.word == "diverged"
    assert run.judgement.mixing == {}
    assert run.judgement.autocorrelation == {}
