from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from app.models import ModelEntry
from app.studies.chain_run import (
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
    return ChainRun.start("a", model, latent_plane(model, SAMPLER), settings)


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
    assert (limit + 1) * 100 * 3 * 64 * 64 <= PICTURE_BUDGET


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
    }
    assert len(ids) == 4
    assert chain_id(entry, SETTINGS) == chain_id(entry, replace(SETTINGS))
