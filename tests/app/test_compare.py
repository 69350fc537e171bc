from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from app.jobs import Job
from app.models import ModelEntry
from app.studies import compare, export
from app.studies.chain_run import ChainRun, ChainSettings
from app.studies.compare import QUESTIONS, Side
from app.studies.export import Film
from app.studies.frame import latent_plane
from app.studies.recipe import recipe_of
from lebm import archive, zoo
from lebm.checkpoint import ModelCard
from lebm.diagnostics import Snapshot, verdict
from lebm.exact import PlaneGrid, log_partition
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.recipe import fingerprint

IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)
SETTINGS = ChainSettings(n_chains=6, n_steps=10, step_size=0.05, temperature=1.0, seed=3)
SAMPLER = LangevinConfig(6, 0.05)
Build = Callable[[ModelConfig], LatentEBM]


def side_of(name: str, model: LatentEBM, settings: ChainSettings, model_id: str = "m") -> Side:
    entry = ModelEntry(model_id, "", Path(), 0)
    card = ModelCard(model_id, SAMPLER, SAMPLER, SAMPLER, {"data": model_id})
    run = ChainRun.start(name, model, latent_plane(model, SAMPLER), settings)
    run = run.advance(settings.n_steps)
    recipe = recipe_of(run.segments, run.n_taken, entry, fingerprint(model))
    return Side(name, entry, card, run, recipe)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_changes_one_thing_and_keeps_the_start(build: Build, question: str) -> None:
    model = build(IMAGES)
    a = side_of("A", model, SETTINGS)
    b = side_of("B", model, compare.asked(question, SETTINGS))
    differing = [row[0] for row in compare.settings_table(a, b) if row[1] != row[2]]
    assert len(differing) == (question != "my choice")
    same_start = torch.equal(a.run.trajectory.z[0], b.run.trajectory.z[0])
    assert same_start == (question != "next seed")
    assert torch.equal(a.run.trajectory.z, b.run.trajectory.z) == (question == "my choice")


def test_what_differs_stands_first(build: Build) -> None:
    a = side_of("A", build(IMAGES), SETTINGS)
    b = side_of("B", build(IMAGES), replace(SETTINGS, temperature=0.5, tilt=0.0))
    rows = compare.settings_table(a, b)
    assert rows[:2] == [("temperature", "1", "0.5"), ("tilt λ", "1", "0")]


def test_the_metropolis_test_is_left_out_where_there_is_no_noise() -> None:
    cold = replace(SETTINGS, temperature=0.0)
    assert not compare.asked("Metropolis test", cold).adjusted
    assert not compare.asked("no noise", replace(SETTINGS, adjusted=True)).adjusted


def test_energies_are_those_of_f_whatever_the_tilt(build: Build) -> None:
    model = build(IMAGES)
    plain = side_of("B", model, replace(SETTINGS, tilt=0.0))
    expected = -model.prior.neg_energy(plain.run.trajectory.z)
    np.testing.assert_allclose(plain.energy, expected, rtol=1e-5, atol=1e-6)
    assert plain.energy.std() > 0


@pytest.mark.parametrize("tilt", [0.0, 0.5, 1.0])
def test_an_energy_is_the_same_on_screen_in_the_player_and_in_files(
    build: Build, tilt: float
) -> None:
    side = side_of("B", build(IMAGES), replace(SETTINGS, tilt=tilt))
    f = side.model.prior.neg_energy(side.run.trajectory.z).numpy()
    within = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(side.energy, -f, **within)
    curves = side.run.track().curves
    np.testing.assert_allclose(curves["energy"], -f, **within)
    both = curves["energy"] + curves["half_sq_norm"] + 2 * np.log(2 * np.pi)
    np.testing.assert_allclose(curves["neg_log_prior"], both, **within)
    film = Film.of(side.run, side.recipe, 5)
    rows = csv.DictReader(export.profile_csv(film).decode().splitlines()[1:])
    written = np.array([float(row["energy"]) for row in rows]).reshape(f.shape)
    np.testing.assert_allclose(written, -f, **within)
    shown = replace(film, energy=torch.tensor(-f))
    assert film.frame(7).tobytes() == shown.frame(7).tobytes()


def test_energies_of_sentences_in_files_are_those_on_screen() -> None:
    model, _ = zoo.load_model("text")
    side = side_of("B", model, replace(SETTINGS, tilt=0.0))
    table = export.sentences_csv(model, Film.of(side.run, side.recipe, 5))
    rows = csv.DictReader(table.decode().splitlines()[1:])
    written = np.array([float(row["energy"]) for row in rows]).reshape(side.energy.shape)
    np.testing.assert_allclose(written, side.energy, rtol=1e-4, atol=1e-5)
    assert written.std() > 0


def test_aligned_pictures_are_the_same_chains(build: Build) -> None:
    a = side_of("A", build(IMAGES), SETTINGS)
    b = side_of("B", build(IMAGES), compare.asked("no noise", SETTINGS))
    rows = compare.aligned(a, b, 4, 3)
    assert np.array_equal(rows[1], a.run.examples[4, 1])
    assert np.array_equal(rows[3 + 1], b.run.examples[4, 1])


def test_distances_are_zero_at_the_common_start(build: Build) -> None:
    a = side_of("A", build(IMAGES), SETTINGS)
    b = side_of("B", build(IMAGES), compare.asked("no tilt", SETTINGS))
    assert compare.distances(a, b, 0).max() == 0
    gap = (a.run.trajectory.z[7, 2] - b.run.trajectory.z[7, 2]).norm()
    assert compare.distances(a, b, 7)[2] == pytest.approx(float(gap))


def test_models_of_other_sizes_stand_side_by_side(build: Build) -> None:
    a = side_of("A", build(IMAGES), SETTINGS)
    b = side_of("B", build(POINTS), SETTINGS, "other")
    said = " ".join(compare.not_comparable(a, b))
    assert "4 and 2 dimensions" in said
    assert "other data" in said
    assert compare.distances(a, b, 3) is None
    assert compare.aligned(a, b, 3, 3) is None
    assert compare.not_comparable(a, a) == []


def test_the_numbers_are_right_where_they_can_be_computed(build: Build) -> None:
    model = build(POINTS)
    for parameter in model.prior.parameters():
        parameter.mul_(2.0)
    a = side_of("A", model, replace(SETTINGS, n_chains=16))
    b = side_of("B", model, replace(SETTINGS, n_chains=16, tilt=0.0))
    job: Job = Job()
    compare.study(job, a, b)
    found = job.latest
    exact = log_partition(lambda z: model.prior.unnorm_log_prob(z.float()).double(), PlaneGrid())
    value, error = found["A"].log_z
    assert abs(value - exact) < 5 * error + 1e-3
    assert found["B"].log_z == (0.0, 0.0)
    assert found["A"].norm == pytest.approx(float(a.run.trajectory.z[-1].norm(dim=-1).median()))
    x = model.generate(a.run.trajectory.z[-1])
    pairs = [(p - q).square().mean() for i, p in enumerate(x) for j, q in enumerate(x) if i != j]
    assert found["A"].spread == pytest.approx(float(torch.stack(pairs).mean().sqrt()), rel=1e-4)
    assert {found[name].long.word for name in "AB"} <= {"steady", "drifting", "collapsed"}
    assert job.progress == 1


@pytest.mark.parametrize("tilt", [0.5, 1.0])
def test_log_z_is_that_of_the_tilt_a_chain_has(build: Build, tilt: float) -> None:
    """Annealed estimates are within 5 standard errors of quadrature; one seed in 600 is not."""
    model = build(POINTS)
    for parameter in model.prior.parameters():
        parameter.mul_(4.0)
    value, error = compare.log_partition(side_of("A", model, replace(SETTINGS, tilt=tilt)))
    exact = {
        each: log_partition(
            lambda z, share=each: (
                share * model.prior.neg_energy(z.float()) + model.prior.base_log_prob(z)
            ),
            PlaneGrid(n_points=120),
        )
        for each in (0.5, 1.0)
    }
    assert abs(value - exact[tilt]) < 5 * error + 1e-3
    assert abs(exact[1.0] - exact[0.5]) > 20 * error + 0.1


def test_acceptance_is_the_share_of_moves(build: Build) -> None:
    side = side_of("A", build(IMAGES), replace(SETTINGS, step_size=1.5, adjusted=True))
    moved = (np.diff(side.run.trajectory.z.numpy(), axis=0) != 0).any(-1).mean()
    assert compare.measure(side).accepted == pytest.approx(moved)
    assert compare.measure(side_of("B", build(IMAGES), SETTINGS)).accepted is None


def test_long_chains_that_diverge_are_not_called_steady(build: Build) -> None:
    wild = replace(SETTINGS, n_chains=16, n_steps=60, step_size=2.1)
    side = side_of("A", build(IMAGES), wild)
    found = replace(compare.measure(side), long=compare.long_verdict(side, Job()))
    found = replace(found, long_to_come=False)
    assert compare.numbers_table({"A": found})["A"][-1] == "diverged"


def test_long_chains_that_stand_still_are_not_judged(build: Build) -> None:
    side = side_of("A", build(IMAGES), replace(SETTINGS, n_chains=16, n_steps=60, step_size=2.0))
    whole = replace(side.run.settings, n_steps=600)
    t = side_of("A", side.model, whole).run.trajectory
    left = t.state.failed_at < 0
    assert 2 < left.sum() < 16
    short, end = (
        Snapshot(t.energy[k, left], t.z[k, left].norm(dim=-1), side.model.generate(t.z[k, left]))
        for k in (60, 600)
    )
    found = compare.long_verdict(side, Job())
    assert found.word == verdict(short, end).word
    assert found.energy_shift == pytest.approx(verdict(short, end).energy_shift, rel=1e-3)


def test_a_job_that_is_stopped_says_nothing_more(build: Build) -> None:
    job: Job = Job()
    job.cancelled.set()
    side = side_of("A", build(IMAGES), SETTINGS)
    compare.study(job, side, side)
    assert job.latest["A"].log_z is None


def test_the_table_marks_what_is_to_come(build: Build) -> None:
    found = {name: compare.measure(side_of(name, build(IMAGES), SETTINGS)) for name in "AB"}
    table = compare.numbers_table(found)
    assert {len(column) for column in table.values()} == {len(table["number"])}
    assert table["A"][-2:] == ["…", "…"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_files_of_both_sides_have_names_of_their_own(build: Build, question: str) -> None:
    a, b = (
        side_of(name, build(IMAGES), settings)
        for name, settings in zip("AB", (SETTINGS, compare.asked(question, SETTINGS)), strict=True)
    )
    names = {Film.of(side.run, side.recipe, 5).name for side in (a, b)}
    assert len(names) == 1 + (question != "my choice")  # which leaves B as A


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_side_is_exported_and_replayed(build: Build, question: str) -> None:
    model = build(IMAGES)
    side = side_of("B", model, compare.asked(question, SETTINGS))
    film = Film.of(side.run, side.recipe, 5)
    replayed = archive.loads(archive.dumps(film.trajectory, film.recipe)).replay(model)
    assert torch.equal(replayed.z, side.run.trajectory.z)
