from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.models import ModelEntry
from app.studies import examples, export
from app.studies.chain_run import ChainRun, ChainSettings
from app.studies.examples import Example
from app.studies.export import Film
from app.studies.frame import latent_plane
from app.studies.recipe import lines, recipe_of
from lebm import LatentEBM, ModelCard, ModelConfig, load, save, zoo
from lebm.langevin import LangevinConfig
from lebm.recipe import ChainRecipe, Segment, fingerprint

START = Segment(seed=3, sampler=LangevinConfig(6, 0.05))
FORK = Segment(seed=4, sampler=LangevinConfig(3, 0.3, temperature=0.5), adjusted=True)


def recipe_for(model: LatentEBM, *segments: Segment, tilt: float = 1.0) -> ChainRecipe:
    return ChainRecipe("mine", fingerprint(model), 4, segments, tilt)


def exec_lines(text: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(text, "<copied>", "exec"), names)
    return names


@pytest.mark.parametrize("tilt", [1.0, 0.0, 0.5])
@pytest.mark.parametrize("segments", [(START,), (START, FORK), (FORK,)])
def test_the_lines_make_the_same_chain(segments: tuple[Segment, ...], tilt: float) -> None:
    model, _ = zoo.load_model("digits")
    recipe = recipe_for(model, *segments, tilt=tilt)
    entry = ModelEntry("digits", "", Path("unused"), 0)
    names = exec_lines(lines(recipe, entry, step=2))
    chain = recipe.run(model)
    assert torch.equal(names["chain"].z, chain.z)
    assert torch.equal(names["examples"], model.generate(chain.z[2]))


def test_the_lines_open_a_checkpoint_of_a_run(save_run: Callable[..., Path]) -> None:
    path = save_run("mine")
    model, _ = load(path)
    recipe = recipe_for(model, START)
    names = exec_lines(lines(recipe, ModelEntry("runs/mine", "", path, 0), step=6))
    assert torch.equal(names["chain"].z, recipe.run(model).z)


def test_the_lines_open_an_uploaded_file_by_its_name(
    save_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_run("mine")
    model, _ = load(path)
    recipe = recipe_for(model, START)
    (tmp_path / "it's mine.safetensors").write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    names = exec_lines(
        lines(recipe, ModelEntry("upload/it's mine.safetensors", "", path, 0), step=6)
    )
    assert torch.equal(names["chain"].z, recipe.run(model).z)


def test_the_lines_open_a_checkpoint_of_the_authors(build, tmp_path, monkeypatch) -> None:
    config = ModelConfig(3, (3, 32, 32), width=1, prior_hidden=6, prior_activation="gelu")
    model = build(config)
    states: dict[str, dict[str, torch.Tensor]] = {"netE": {}, "netG": {}}
    for key, value in model.state_dict().items():
        network, _, layer, kind = key.split(".")
        if network == "prior":
            states["netE"][f"ebm.{layer}.{kind}"] = -value if layer == "4" else value
        else:
            states["netG"][f"gen.{int(layer) // 2 * 3}.{kind}"] = value
    torch.save(states, tmp_path / "ckpt.pth")
    monkeypatch.chdir(tmp_path)
    entry = ModelEntry("upload/ckpt.pth", "", tmp_path, 0)
    names = exec_lines(lines(recipe_for(model, START), entry, step=0))
    assert torch.equal(names["chain"].z, recipe_for(model, START).run(model).z)


def test_lines_are_short_enough_to_read() -> None:
    model, _ = zoo.load_model("digits")
    text = lines(recipe_for(model, START, FORK), ModelEntry("digits", "", Path(), 0), step=2)
    assert max(map(len, text.splitlines())) <= 100


SETTINGS = ChainSettings(n_chains=4, n_steps=6, step_size=0.05, temperature=1.0, seed=3)


@pytest.mark.parametrize("fork_at", [0, 2, 6])
def test_a_forked_and_changed_chain_is_replayed_from_its_recipe(build, fork_at: int) -> None:
    model = build(ModelConfig(4, (1, 8, 8), width=2, prior_hidden=8))
    plane = latent_plane(model, SETTINGS.sampler(6))
    run = ChainRun.start("root", model, plane, SETTINGS).advance(6)
    run = (
        run.change(replace(SETTINGS, temperature=0.5))
        .advance(9)
        .fork(fork_at, replace(SETTINGS, seed=8, adjusted=True, step_size=0.4))
        .advance(9)
    )
    entry = ModelEntry("m", "", Path(), 0)
    recipe = recipe_of(run.segments, run.n_taken, entry, fingerprint(model))
    assert recipe.n_steps == 9
    torch.testing.assert_close(recipe.run(model).z, run.trajectory.z)


def _example(origin: str, model: LatentEBM, card: ModelCard) -> Example:
    if origin == "picture":
        noise = torch.randn(1, *model.config.data_shape, generator=torch.Generator().manual_seed(0))
        return Example(noise.clamp(-1, 1), "picture")
    if origin == "place":
        return Example(torch.tensor([[1.1, -0.3]]), "place")
    if origin == "sample":
        card = replace(card, facts={"data": "nowhere"})
    return examples.find(model, card).example(7)


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("digits", "test"),
        ("digits", "sample"),
        ("digits", "picture"),
        ("pinwheel", "test"),
        ("pinwheel", "sample"),
        ("pinwheel", "place"),
    ],
)
def test_the_lines_make_the_same_posterior_chain(
    name: str, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model, card = zoo.load_model(name)
    example = _example(origin, model, card)
    entry = ModelEntry(name, "", Path("unused"), 0)
    run = ChainRun.start(
        "root", model, latent_plane(model, SETTINGS.sampler(6)), SETTINGS, example.x
    ).advance(6)
    recipe = recipe_of(run.segments, run.n_taken, entry, fingerprint(model), example)
    film = Film.of(run, recipe, 4, example)
    (tmp_path / f"{film.name}.npz").write_bytes(export.npz(film))
    names = exec_lines(lines(recipe, entry, 4, example))
    within = {"rtol": 0, "atol": 0.02 if origin == "sample" else 1e-4}  # a sample is rounded
    torch.testing.assert_close(names["x"], example.x, **within)
    torch.testing.assert_close(names["chain"].z, run.trajectory.z, **within)
    torch.testing.assert_close(names["examples"], model.generate(names["chain"].z[4]))


def test_the_lines_start_from_the_learned_sampler_where_the_chain_did(
    build, tmp_path, monkeypatch
) -> None:
    model = build(ModelConfig(4, (1, 8, 8), width=2, prior_hidden=8, amortised=True))
    plane = latent_plane(model, SETTINGS.sampler(6))
    chain = ChainRun.start("root", model, plane, replace(SETTINGS, learned_start=True)).advance(6)
    sampler = SETTINGS.sampler(6)
    path = tmp_path / "mine.safetensors"
    save(path, model, ModelCard("mine", sampler, sampler, sampler))
    monkeypatch.chdir(tmp_path)
    entry = ModelEntry("upload/mine.safetensors", "", path, 0)
    recipe = recipe_of(chain.segments, chain.n_taken, entry, fingerprint(model))
    names = exec_lines(lines(recipe, entry, step=6))
    torch.testing.assert_close(names["chain"].z, chain.trajectory.z)
