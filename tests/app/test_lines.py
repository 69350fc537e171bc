"""Lines to copy, run, against what the pages show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from app.jobs import Job
from app.models import ModelEntry
from app.studies import examples, landscape, lines, projection, tilt, time_machine
from app.studies.chain_run import ChainSettings
from app.studies.frame import latent_plane
from app.studies.landscape import KINDS, Place
from app.studies.tilt import TiltView
from lebm import checkpoint, zoo

Array = np.ndarray | torch.Tensor


def run(text: str) -> dict[str, object]:
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) < 40
    names: dict[str, object] = {}
    exec(compile(text, "<copied>", "exec"), names)
    return names


def assert_close(ours: Array, shown: Array, atol: float = 1e-3) -> None:
    """To rounding: a chain alone and in a batch differ in their last digits."""
    np.testing.assert_allclose(np.asarray(ours), np.asarray(shown), rtol=0, atol=atol)


def levels(decoded: torch.Tensor) -> np.ndarray:
    """Decoded pictures as they are drawn."""
    return decoded.permute(0, 2, 3, 1).numpy() * 127.5 + 127.5


@pytest.fixture(params=["digits", "pinwheel"])
def entry(request: pytest.FixtureRequest) -> ModelEntry:
    return ModelEntry(request.param, "", Path("unused"), 0)


def found(entry: ModelEntry, places: dict[str, Place]) -> tuple[list[torch.Tensor], Callable]:
    model, card = zoo.load_model(entry.id)
    known = partial(examples.find, model, card)
    return [landscape.locate(place, model, card, known) for place in places.values()], known


def test_every_kind_of_place_is_found_again(entry: ModelEntry) -> None:
    for kind in KINDS:
        places = {"A": Place(kind, 3, 5), "B": Place("p₀ noise", 1, 5)}
        (a, b), known = found(entry, places)
        names = run(lines.line(entry, places, known))
        assert_close(names["a"], a, 0.01)
        assert_close(names["b"], b)


def test_a_posterior_of_the_models_own_sample_is_found_again() -> None:
    entry = ModelEntry("digits", "", Path("unused"), 0)
    model, card = zoo.load_model("digits")
    nowhere = replace(card, facts={"data": "nowhere"})
    place = Place("posterior of example", 3, 5)
    known = partial(examples.find, model, nowhere)
    z = landscape.locate(place, model, nowhere, known)
    names = run(lines.line(entry, {"A": place, "B": Place("origin", 0, 5)}, known))
    assert_close(names["a"], z, 0.05)  # a sample is rounded to grey levels


def test_a_line_is_made_again(entry: ModelEntry) -> None:
    places = {"A": Place("prior chain", 0, 2), "B": Place("posterior of example", 4, 2)}
    (a, b), known = found(entry, places)
    shown = landscape.line(zoo.load_model(entry.id)[0], a, b)
    names = run(lines.line(entry, places, known))
    assert_close(names["at"][:, 0], shown.at)
    assert_close(names["neg_log_prob"], shown.neg_log_prob, 0.05)
    assert_close(names["energy"], shown.energy, 0.05)
    if entry.id == "digits":
        assert_close(levels(names["decoded"]), shown.decoded, 3)


def test_a_plane_and_its_point_are_made_again(entry: ModelEntry) -> None:
    places = {name: Place("prior chain", i, 2) for i, name in enumerate("ABC")}
    points, known = found(entry, places)
    model, _ = zoo.load_model(entry.id)
    shown = landscape.plane(model, torch.stack(points))
    point = landscape.point(model, shown, 0.7, -1.25)
    names = run(lines.plane(entry, places, known, shown, point))
    assert_close(names["neg_log_prob"], shown.neg_log_prob, 0.05)
    assert_close(names["energy"], shown.energy, 0.05)
    assert_close(names["selected"].norm(), np.array(point.norm))
    decoded = names["decoded"]
    assert_close(levels(decoded)[0] if decoded.ndim == 4 else decoded[0], point.decoded, 2)


def test_paths_are_made_again(entry: ModelEntry) -> None:
    places = {"A": Place("p₀ noise", 0, 2), "B": Place("p₀ noise", 1, 2)}
    (a, b), known = found(entry, places)
    shown = landscape.routes(zoo.load_model(entry.id)[0], a, b)
    names = run(lines.routes(entry, places, known))
    for name, route in shown.items():
        assert_close(names[name.replace(" ", "_")], route.z)


def test_directions_are_made_again(entry: ModelEntry) -> None:
    model, card = zoo.load_model(entry.id)
    samples = landscape.prior_samples(model, card, 2)
    shown = landscape.traversal(model, landscape.principal_directions(samples), 1)
    names = run(lines.prior_directions(entry, 2, 1))
    assert_close(names["z"], shown.z)
    assert_close(names["neg_log_prob"], shown.neg_log_prob, 0.01)


@pytest.mark.parametrize("dataset", ["digits", "nowhere"])
def test_directions_of_the_aggregate_posterior_are_made_again(dataset: str) -> None:
    model, card = zoo.load_model("digits")
    known = examples.find(model, replace(card, facts={"data": dataset}))
    z = examples.aggregate_posterior(
        model,
        card,
        torch.cat([known.example(i).x for i in range(min(256, len(known.rows)))]),
        report=lambda share: None,
        should_stop=lambda: False,
    )
    shown = landscape.traversal(model, landscape.principal_directions(z), 1)
    entry = ModelEntry("digits", "", Path("unused"), 0)
    names = run(lines.posterior_directions(entry, known, 256, 1))
    assert_close(names["z"], shown.z, 0.01)


def test_a_tilted_prior_is_made_again() -> None:
    job: Job[TiltView] = Job()
    model, card = zoo.load_model("digits")
    tilt.build(job, model, card, latent_plane(model, card.prior_sampler).frame)
    view = job.latest
    assert view is not None
    entry = ModelEntry("digits", "", Path("unused"), 0)
    rows = list(range(0, 1024, 29))
    names = run(lines.tilted_prior(entry, 0.8, rows, in_plane=False))
    assert_close(names["z"], view.particles(0.8))
    assert_close(names["log_z"], view.path.log_z[8])
    assert_close(names["error"], view.path.error[8])
    assert_close(names["kl"], view.path.kl[8])
    assert_close(names["places"].abs(), np.abs(projection.linear(view).particles[8]))
    assert_close(names["decoded"], names["model"].generate(view.particles(0.8)[rows]))


def test_exact_numbers_of_a_plane_are_made_again() -> None:
    exact = tilt.exact(zoo.load_model("pinwheel")[0])[13]
    entry = ModelEntry("pinwheel", "", Path("unused"), 0)
    names = run(lines.tilted_prior(entry, 1.3, [5, 900], in_plane=True))
    assert names["exact_log_z"] == pytest.approx(exact.log_z, abs=1e-6)
    assert names["exact_kl"] == pytest.approx(exact.kl, abs=1e-6)
    assert abs(names["log_z"] - exact.log_z) < 5 * names["error"] + 0.01
    assert names["decoded"].shape == (2, 2)


def test_chains_under_each_checkpoint_are_made_again() -> None:
    folder = Path(time_machine.__file__).parents[1] / "example_run"
    files = sorted((folder / "checkpoints").iterdir())[::4]
    settings = ChainSettings(9, 12, 0.05, 0.5, seed=3)
    model, card = checkpoint.load(files[-1])
    job: Job[time_machine.TimeMachine] = Job()
    plane = latent_plane(model, card.prior_sampler)
    time_machine.build(job, "a", files, plane, settings)
    assert job.latest is not None
    names = run(lines.time_machine(folder, job.latest.steps.tolist(), settings))
    starts, ends = job.latest.energies()
    for i, stage in enumerate(job.latest.stages):
        assert_close(names["energies"][stage.step], np.stack([starts[i], ends[i]]))
        assert_close(names["examples"][stage.step], stage.examples)


def test_lines_of_many_checkpoints_stay_readable() -> None:
    settings = ChainSettings(9, 12, 0.05, 0.5, seed=3)
    text = lines.time_machine(Path("runs/it's mine"), range(1_000, 41_000, 1_000), settings)
    compile(text, "<copied>", "exec")
    assert max(map(len, text.splitlines())) <= 100
