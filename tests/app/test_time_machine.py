"""The same chains under each checkpoint of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.jobs import Job
from app.studies import time_machine
from app.studies.chain_run import ChainRun, ChainSettings
from app.studies.frame import exact_density, latent_plane
from app.studies.time_machine import TimeMachine, build, chosen
from lebm import checkpoint
from lebm.langevin import LangevinConfig

SETTINGS = ChainSettings(n_chains=9, n_steps=6, step_size=0.05, temperature=1.0, seed=3)
EXAMPLE = Path(time_machine.__file__).parents[1] / "example_run" / "checkpoints"


def travel(files: list[Path]) -> TimeMachine:
    model, card = checkpoint.load(files[-1])
    job: Job[TimeMachine] = Job()
    build(job, "a", files, latent_plane(model, card.prior_sampler), SETTINGS)
    assert job.latest is not None
    assert job.progress == 1
    return job.latest


def test_each_stage_is_the_chain_of_its_own_checkpoint() -> None:
    files = sorted(EXAMPLE.iterdir())[::5]
    machine = travel(files)
    track = machine.track()
    assert track.steps.tolist() == [200, 1200, 2200]
    for i, file in enumerate(files):
        model, card = checkpoint.load(file)
        alone = ChainRun.start("b", model, latent_plane(model, card.prior_sampler), SETTINGS)
        alone = alone.advance(SETTINGS.n_steps)
        np.testing.assert_allclose(track.examples[i], alone.examples[-1], rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(
            track.backdrop.density[i], exact_density(model.prior.unnorm_log_prob)
        )
        starts, ends = machine.energies()
        np.testing.assert_allclose(starts[i], alone.trajectory.energy[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(ends[i], alone.trajectory.energy[-1], rtol=1e-5, atol=1e-5)
    assert not np.array_equal(track.backdrop.density[0], track.backdrop.density[-1])


def test_beyond_the_plane_the_shade_is_a_smoothed_sample(save_run) -> None:
    files = [save_run("tiny", step=step) for step in (5, 10)]
    track = travel(files).track()
    assert track.examples.shape[:2] == track.latents.shape[:2] == (2, 9)
    assert (track.backdrop.density.max((1, 2)) == 255).all()
    np.testing.assert_array_equal(track.latents[0], track.latents[1])  # one model, two steps


def test_the_shade_is_called_what_it_is(save_run) -> None:
    file = save_run("tiny", sampler=LangevinConfig(n_steps=40, step_size=0.05))
    model, card = checkpoint.load(file)
    trained = latent_plane(model, card.prior_sampler).backdrop.caption
    said = travel([file]).track().backdrop.caption
    assert trained.endswith("shade: the prior after 40 steps")
    assert said == trained.replace("40 steps", f"{SETTINGS.n_steps} steps")
    in_plane = travel(sorted(EXAMPLE.iterdir())[-1:]).track().backdrop
    assert in_plane.caption == "Latent plane; shade: the exact prior density"


def test_a_damaged_checkpoint_is_passed_over_and_said(save_run) -> None:
    files = [save_run("tiny", step=step) for step in (5, 10, 15)]
    files[1].write_bytes(files[1].read_bytes()[:100])
    machine = travel(files)
    assert machine.steps.tolist() == [5, 15]
    assert "cut short" in machine.skipped[0]


def test_no_usable_checkpoint_is_an_error(save_run) -> None:
    file = save_run("tiny")
    model, card = checkpoint.load(file)
    plane = latent_plane(model, card.prior_sampler)
    file.unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        build(Job(), "a", [file], plane, SETTINGS)


def test_a_prior_that_blows_up_is_drawn_without_its_lost_chains(save_run) -> None:
    file = save_run("wild")
    model, card = checkpoint.load(file)
    plane = latent_plane(model, card.prior_sampler)
    job: Job[TimeMachine] = Job()
    settings = ChainSettings(4, 6, 1e30, 1.0, 0)
    build(job, "a", [file], plane, settings)
    assert job.latest is not None
    track = job.latest.track()
    assert [failure.chain for failure in track.failures] == [0, 1, 2, 3]
    assert "iteration 5" in track.failures[0].sentence


def test_a_chain_that_fails_is_stopped_at_those_checkpoints_alone(save_run) -> None:
    files = [save_run("mixed", step=step) for step in (5, 10, 15, 20)]
    for file in (files[0], files[2]):
        model, card = checkpoint.load(file)
        for parameter in model.prior.parameters():
            parameter.data *= 1e4
        checkpoint.save(file, model, card)
    failures = travel(files).track().failures
    assert {failure.chain for failure in failures} == set(range(SETTINGS.n_chains))
    assert {(failure.first, failure.last) for failure in failures} == {(0, 0), (2, 2)}
    said = [failure.sentence for failure in failures if failure.chain == 3]
    assert ["iteration 5)" in said[0], "iteration 15)" in said[1]] == [True, True]


def test_a_cancelled_machine_keeps_what_it_has(save_run) -> None:
    job: Job[TimeMachine] = Job()
    job.cancelled.set()
    file = save_run("tiny")
    model, card = checkpoint.load(file)
    build(job, "a", [file], latent_plane(model, card.prior_sampler), SETTINGS)
    assert job.latest is None


@pytest.mark.parametrize("n", [1, 2, 40, 41, 1000])
def test_checkpoints_are_spread_over_the_run(n: int) -> None:
    files = [Path(str(i)) for i in range(n)]
    some = chosen(files)
    assert len(some) == min(n, time_machine.MAX_STAGES)
    assert (some[0], some[-1]) == (files[0], files[-1])
    gaps = np.diff([int(str(file)) for file in some])
    assert n == 1 or gaps.max() - gaps.min() <= 1
