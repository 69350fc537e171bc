from __future__ import annotations

import csv
import io
import math
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from app.studies import export
from app.studies.chain_run import decode
from app.studies.examples import Example
from app.studies.export import Film
from lebm import archive, zoo
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.recipe import ChainRecipe, Segment, fingerprint

IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
COLOUR = replace(IMAGES, data_shape=(3, 32, 32))
POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)
Build = Callable[[ModelConfig], LatentEBM]


def film_of(model: LatentEBM, n_chains: int = 5, n_steps: int = 7) -> Film:
    segments = (Segment(seed=3, sampler=LangevinConfig(n_steps, 0.05)),)
    recipe = ChainRecipe("runs/tiny é", fingerprint(model), n_chains, segments)
    chain = recipe.run(model)
    return Film(recipe, chain, chain.energy, chain.steps.numpy(), decode(model, chain.z), step=4)


@pytest.fixture(params=[IMAGES, COLOUR, POINTS], ids=["grey", "colour", "points"])
def film(build: Build, request: pytest.FixtureRequest) -> Film:
    return film_of(build(request.param))


def test_a_png_holds_the_step_and_the_settings(film: Film) -> None:
    picture = Image.open(io.BytesIO(export.png(film)))
    assert ChainRecipe.from_json(picture.text["settings"]) == film.recipe
    assert picture.text["step"] == "4"


def test_the_pictures_in_a_png_are_the_decoded_ones(build: Build) -> None:
    film = film_of(build(IMAGES))
    picture = np.asarray(Image.open(io.BytesIO(export.png(film))))
    factor = picture.shape[1] // 24  # five pictures of 8 pixels stand in three columns
    shown = picture[factor // 2 : 16 * factor : factor, factor // 2 :: factor, 0]
    assert np.array_equal(shown[:8, 8:16], film.pictures[4, 1, :, :, 0])
    assert np.array_equal(shown[8:16, :8], film.pictures[4, 3, :, :, 0])


def test_a_point_lies_where_it_belongs(build: Build) -> None:
    film = film_of(build(POINTS), n_chains=1)
    film.pictures[2, 0] = (1.5, 0.75)
    picture = np.asarray(Image.open(io.BytesIO(export.png(replace(film, step=2)))))
    blue = (picture[:448] == (0, 114, 178)).all(-1)
    rows, columns = np.nonzero(blue)
    assert columns.mean() == pytest.approx(336, abs=1)
    assert rows.mean() == pytest.approx(168, abs=1)


def test_a_gif_has_every_step_and_the_settings(film: Film) -> None:
    picture = Image.open(io.BytesIO(export.gif(film)))
    assert picture.n_frames == 8
    assert ChainRecipe.from_json(picture.info["comment"].decode()) == film.recipe


def test_equal_pictures_stay_frames_of_their_own(film: Film) -> None:
    film.pictures[:] = film.pictures[:1]
    assert Image.open(io.BytesIO(export.gif(film))).n_frames == 8


def test_an_mp4_has_every_step_and_the_settings(film: Film, tmp_path: Path) -> None:
    path = tmp_path / "chain.mp4"
    path.write_bytes(export.mp4(film))
    assert imageio_ffmpeg.count_frames_and_secs(str(path))[0] == 8
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", path, "-f", "ffmetadata", "-"]
    text = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    comment = next(line for line in text.splitlines() if line.startswith("comment="))
    assert ChainRecipe.from_json(comment.removeprefix("comment=").replace("\\", "")) == film.recipe


def test_an_npz_replays_the_same_chain(build: Build) -> None:
    model = build(IMAGES)
    film = film_of(model)
    read = archive.loads(export.npz(film))
    assert np.array_equal(read.replay(model).z.numpy(), film.trajectory.z.numpy())


def test_a_csv_has_a_row_for_each_step_and_chain(film: Film) -> None:
    first, *lines = export.profile_csv(film).decode().splitlines()
    assert ChainRecipe.from_json(first.removeprefix("# settings: ")) == film.recipe
    rows = list(csv.DictReader(lines))
    assert len(rows) == 8 * 5
    row = rows[6 * 5 + 2]
    assert (row["step"], row["chain"]) == ("6", "2")
    assert float(row["energy"]) == pytest.approx(float(film.trajectory.energy[6, 2]), rel=1e-6)
    moved = (film.trajectory.z[6, 2] - film.trajectory.z[5, 2]).norm()
    assert float(row["displacement"]) == pytest.approx(float(moved), rel=1e-5)


def test_a_csv_of_sentences_has_what_each_step_of_each_chain_says() -> None:
    model, card = zoo.load_model("text")
    segments = (Segment(seed=3, sampler=replace(card.prior_sampler, n_steps=7)),)
    recipe = ChainRecipe("text", fingerprint(model), 5, segments)
    chain = recipe.run(model)
    first, *lines = (
        export.sentences_csv(model, Film.of_sentences(recipe, chain, 7)).decode().splitlines()
    )
    assert ChainRecipe.from_json(first.removeprefix("# settings: ")) == recipe
    assert lines[0] == "step,chain,energy,half_sq_norm,sentence"
    rows = list(csv.DictReader(lines))
    assert [(row["step"], row["chain"]) for row in rows] == [
        (str(step), str(i)) for step in range(8) for i in range(5)
    ]
    z = chain.z.flatten(0, 1)
    said = model.config.text.vocabulary.decode(model.generate(z))
    assert [row["sentence"] for row in rows] == said
    energy = [float(row["energy"]) for row in rows]
    np.testing.assert_allclose(energy, -model.prior.neg_energy(z), rtol=1e-4, atol=1e-4)


def test_a_long_film_keeps_its_ends(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MAX_FRAMES", 4)
    film = film_of(build(IMAGES), n_steps=10)
    pictures = list(film.frames())
    assert len(pictures) <= 5
    assert pictures[0].tobytes() == film.frame(0).tobytes()
    assert pictures[-1].tobytes() == film.frame(10).tobytes()


def test_a_chain_that_diverged_is_still_written(build: Build) -> None:
    film = film_of(build(POINTS))
    film.energy[3:] = torch.nan
    film.pictures[3:] = np.nan
    for data in (export.png(replace(film, step=5)), export.gif(film), export.npz(film)):
        assert data
    assert b"nan" in export.profile_csv(film)


def test_names_of_files_are_plain(film: Film) -> None:
    assert re.fullmatch("runs-tiny---seed3-[0-9a-f]{6}", film.name)


def test_a_chain_keeps_its_name_and_another_has_another(build: Build) -> None:
    model = build(IMAGES)
    film = film_of(model)
    (first,) = film.recipe.segments
    assert film_of(model, n_steps=9).name == film.name  # a few steps later
    fork = (first, Segment(4, LangevinConfig(3, 0.05)))
    longer = (replace(first, sampler=LangevinConfig(9, 0.05)), fork[1])
    others = [{"tilt": 0.0}, {"segments": fork}, {"segments": longer}, {"n_chains": 6}]
    others += [{"segments": (replace(first, adjusted=True),)}]
    recipes = [replace(film.recipe, **changes) for changes in others]
    names = {replace(film, recipe=recipe).name for recipe in recipes}
    assert len(names - {film.name}) == len(others)


def test_chains_of_two_pictures_have_two_names(build: Build) -> None:
    film = posterior_film(build(IMAGES))
    other = replace(film, example=Example(-film.example.x, "picture"))
    assert posterior_film(build(IMAGES)).name == film.name != other.name


def posterior_film(model: LatentEBM) -> Film:
    x = torch.linspace(-1, 1, math.prod(model.config.data_shape)).view(1, *model.config.data_shape)
    segments = (Segment(seed=3, sampler=LangevinConfig(7, 0.005)),)
    recipe = ChainRecipe("tiny", fingerprint(model), 4, segments, example="a ramp")
    chain = recipe.run(model, x)
    pictures = decode(model, chain.z)
    steps, example = chain.steps.numpy(), Example(x, "picture")
    return Film(recipe, chain, chain.energy, steps, pictures, 4, example)


@pytest.mark.parametrize("config", [IMAGES, COLOUR, POINTS], ids=["grey", "colour", "points"])
def test_files_of_a_posterior_chain_hold_its_example(build: Build, config: ModelConfig) -> None:
    model = build(config)
    film = posterior_film(model)
    read = archive.loads(export.npz(film))
    assert torch.equal(read.x, film.example.x)
    np.testing.assert_array_equal(read.replay(model).z, film.trajectory.z)
    picture = Image.open(io.BytesIO(export.png(film)))
    assert ChainRecipe.from_json(picture.text["settings"]).example == "a ramp"
    assert Image.open(io.BytesIO(export.gif(film))).n_frames == 8
    assert export.mp4(film)[4:8] == b"ftyp"
    row = next(csv.DictReader(export.profile_csv(film).decode().splitlines()[1:]))
    assert float(row["log_likelihood"]) == pytest.approx(
        float(film.trajectory.log_likelihood[0, 0]), rel=1e-6
    )
    assert re.fullmatch("tiny-posterior-seed3-[0-9a-f]{6}", film.name)


def test_the_example_stands_beside_its_reconstructions(build: Build) -> None:
    film = posterior_film(build(IMAGES))
    frame = np.asarray(film.frame(4))[..., 0]
    side, ramp = 224, np.round((film.example.x[0, 0].numpy() + 1) * 127.5)
    shown = frame[112 : 112 + side, :side][14::28, 14::28]
    np.testing.assert_array_equal(shown, ramp)
    right = frame[:448, side + 16 :][14::28, 14::28]
    np.testing.assert_array_equal(right[:8, 8:], film.pictures[4, 1, :, :, 0])
    points = posterior_film(build(POINTS))
    vermilion = (np.asarray(points.frame(0)) == (213, 94, 0)).all(-1)
    rows, columns = np.nonzero(vermilion)
    assert (columns.mean(), rows.mean()) == pytest.approx((224 - 448 / 6, 224 - 448 / 6), abs=1)
