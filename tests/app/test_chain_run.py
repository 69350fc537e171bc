from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from app.models import ModelEntry
from app.studies.chain_run import (
    MAX_TRACKS,
    PICTURE_BUDGET,
    ChainRun,
    ChainSettings,
    chain_id,
    decode,
    step_limit,
)
from app.studies.frame import latent_plane
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig

IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)
SETTINGS = ChainSettings(n_chains=4, n_steps=10, step_size=0.05, temperature=1.0, seed=3)
SAMPLER = LangevinConfig(n_steps=5, step_size=0.05)
Build = Callable[[ModelConfig], LatentEBM]


def _start(model: LatentEBM, settings: ChainSettings) -> ChainRun:
    start = ChainRun.start("a", model, latent_plane(model, SAMPLER), settings)
    return start.advance(settings.n_steps)


def test_stepping_by_hand_gives_the_chain_of_one_run(build: Build) -> None:
    model = build(IMAGES)
    whole = _start(model, SETTINGS)
    by_hand = _start(model, replace(SETTINGS, n_steps=0))
    for step in (1, 3, 10):
        by_hand = by_hand.advance(step)
    assert torch.equal(by_hand.trajectory.z, whole.trajectory.z)
    assert np.array_equal(by_hand.examples, whole.examples)


def test_pictures_are_the_decoded_latents(build: Build) -> None:
    run = _start(build(IMAGES), SETTINGS)
    assert run.examples.shape == (11, 4, 8, 8, 1)
    image = run.model.generate(run.trajectory.z[7])[2, 0]
    np.testing.assert_allclose(run.examples[7, 2, :, :, 0], (image + 1) * 127.5, atol=0.51)


def test_a_chain_stops_at_its_limit(build: Build) -> None:
    run = _start(build(IMAGES), replace(SETTINGS, n_chains=1))
    assert run.advance(10**6).n_taken == run.limit
    assert run.advance(-5) is run


def test_the_limit_keeps_pictures_within_their_budget(build: Build) -> None:
    model = build(ModelConfig(latent_dim=4, data_shape=(3, 128, 128), width=1, prior_hidden=8))
    limit = step_limit(model, 100)
    assert limit > 0
    assert MAX_TRACKS * (limit + 1) * 100 * 3 * 64 * 64 <= PICTURE_BUDGET


def test_large_pictures_are_averaged_down(build: Build) -> None:
    model = build(ModelConfig(latent_dim=4, data_shape=(3, 128, 128), width=1, prior_hidden=8))
    assert decode(model, torch.zeros(1, 2, 4)).shape == (1, 2, 64, 64, 3)


def test_a_track_shows_the_whole_chain(build: Build) -> None:
    run = _start(build(IMAGES), replace(SETTINGS, n_steps=4)).advance(10)
    whole = _start(build(IMAGES), SETTINGS).track("whole")
    track = run.track()
    assert (track.id, track.limit, len(track.steps)) == (run.id, run.limit, 11)
    np.testing.assert_array_equal(track.latents, whole.latents)
    for name, vectors in track.arrows.items():
        np.testing.assert_allclose(vectors, whole.arrows[name], atol=1e-6)


def test_points_decode_to_points(build: Build) -> None:
    run = _start(build(POINTS), SETTINGS)
    assert run.examples.shape == (11, 4, 2)
    np.testing.assert_array_equal(run.track().latents, run.trajectory.z)


def test_the_id_changes_with_model_file_and_settings(entry: ModelEntry) -> None:
    ids = {
        chain_id(entry, SETTINGS),
        chain_id(replace(entry, version=2), SETTINGS),
        chain_id(entry, replace(SETTINGS, seed=4)),
        chain_id(entry, replace(SETTINGS, temperature=0.5)),
        chain_id(entry, replace(SETTINGS, n_chains=9)),
        chain_id(entry, replace(SETTINGS, n_steps=11)),
    }
    assert len(ids) == 6
    assert chain_id(entry, SETTINGS) == chain_id(entry, replace(SETTINGS))


def test_a_change_on_the_way_holds_from_there_on(build: Build) -> None:
    model = build(IMAGES)
    plain = _start(model, SETTINGS).advance(16)
    hot = replace(SETTINGS, temperature=0.0)
    changed = _start(model, SETTINGS).change(hot).advance(16)
    assert [segment.start for segment in changed.segments] == [0, 10]
    assert torch.equal(changed.trajectory.z[:11], plain.trajectory.z[:11])
    assert not changed.trajectory.diffusion_norm[11:].any()
    assert plain.trajectory.diffusion_norm[11:].all()
    assert changed.id != plain.id
    assert not changed.arrows["noise"][10:].any()  # the arrows of record 10 lead to record 11


def test_a_change_that_no_step_was_taken_with_leaves_no_trace(build: Build) -> None:
    run = _start(build(IMAGES), SETTINGS)
    assert run.change(SETTINGS) is run
    there_and_back = run.change(replace(SETTINGS, step_size=0.2)).change(SETTINGS)
    assert there_and_back.segments == run.segments
    assert there_and_back.id == run.id
    np.testing.assert_array_equal(there_and_back.arrows["noise"], run.arrows["noise"])


def test_before_the_first_step_only_another_seed_is_a_change_on_the_way(build: Build) -> None:
    start = _start(build(IMAGES), replace(SETTINGS, n_steps=0))
    assert len(start.change(replace(start.settings, step_size=0.2)).segments) == 1
    assert len(start.change(replace(start.settings, seed=9)).segments) == 2


def test_a_cut_chain_goes_on_as_it_did(build: Build) -> None:
    run = _start(build(IMAGES), SETTINGS).change(replace(SETTINGS, step_size=0.2)).advance(15)
    for step in (0, 4, 10, 12):
        again = run.cut(step)
        assert again.n_taken == step
        assert len(again.segments) == (2 if step > 10 else 1)
        if step <= 10:
            again = again.advance(10).change(run.settings)
        again = again.advance(15)
        assert torch.equal(again.trajectory.z, run.trajectory.z)
        assert again.id == run.id


def test_a_fork_shares_the_past_and_nothing_else(build: Build) -> None:
    run = _start(build(IMAGES), SETTINGS)
    fork = run.fork(6, replace(SETTINGS, seed=4))
    assert fork.n_taken == 6
    fork = fork.advance(run.n_taken)
    assert fork.n_taken == run.n_taken == 10
    assert fork.leaves(run, 6, replace(SETTINGS, seed=4))
    assert not fork.leaves(run, 5, replace(SETTINGS, seed=4))
    assert torch.equal(fork.trajectory.z[:7], run.trajectory.z[:7])
    assert not torch.isclose(fork.trajectory.z[7:], run.trajectory.z[7:]).any(-1).any()
    twin = run.fork(6, SETTINGS).advance(10)
    assert torch.equal(twin.trajectory.z, run.trajectory.z)
    assert twin.id != run.id  # so that the player keeps the two apart
    assert twin.leaves(run, 6, SETTINGS)


def test_a_chain_that_was_stopped_stays_so_only_where_it_was(build: Build) -> None:
    wild = _start(build(IMAGES), replace(SETTINGS, step_size=1e6))
    assert len(wild.trajectory.failures) == 4
    failed_at = wild.trajectory.failures[0].step
    before = wild.cut(failed_at - 1)
    assert 0 not in [failure.chain for failure in before.trajectory.failures]
    after = wild.cut(failed_at).change(replace(wild.settings, step_size=0.01)).advance(10)
    assert after.trajectory.failures[0] == wild.trajectory.failures[0]
    rescued = wild.fork(failed_at - 1, replace(SETTINGS, step_size=0.01)).advance(10)
    assert 0 not in [failure.chain for failure in rescued.trajectory.failures]
    shown = wild.track().failures[0]
    assert shown.sentence.startswith("chain 0 ")
    assert (shown.chain, shown.first, shown.last) == (0, failed_at, wild.limit)


def test_acceptance_counts_the_tested_steps_alone(build: Build) -> None:
    run = _start(build(IMAGES), SETTINGS)
    assert "acceptance" not in run.track().curves
    tested = run.change(replace(SETTINGS, step_size=1.0, adjusted=True)).advance(30)
    share = tested.track().curves["acceptance"]
    assert np.isnan(share[:11]).all()
    moved = np.abs(np.diff(tested.trajectory.z.numpy(), axis=0)).any(-1)[10:]
    np.testing.assert_allclose(share[-1], moved.mean(0))
    assert 0 < share[-1].mean() < 1


def test_chains_may_start_from_the_learned_samplers(build: Build) -> None:
    """Each from the draw that its own noise makes; the noise of later steps is the same."""
    model = build(replace(IMAGES, amortised=True))
    settings = replace(SETTINGS, n_steps=3, learned_start=True)
    x = model.generate(torch.ones(1, 4))
    noise = settings.noise(model).at(0)
    prior = _start(model, settings)
    assert torch.equal(prior.trajectory.z[0], model.learned_start(noise))
    posterior = ChainRun.start("b", model, prior.plane, settings, x).advance(settings.n_steps)
    assert torch.equal(posterior.trajectory.z[0], model.learned_start(noise, x))
    for run in (prior, posterior):
        assert (run.trajectory.z[0] - noise).norm(dim=1).min() > 0.05
        assert run.noise.seed == settings.seed
        assert run.n_taken == 3
