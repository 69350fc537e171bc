from __future__ import annotations

import contextlib
import io
import pickle
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lebm import archive
from lebm.langevin import LangevinConfig
from lebm.recipe import ChainRecipe, Segment, fingerprint

FORK = Segment(seed=8, sampler=LangevinConfig(4, 0.01, temperature=0.5))


@pytest.fixture
def model(make_model):
    return make_model(latent_dim=3, data_shape=(4,)).float().requires_grad_(False)


@pytest.fixture
def recipe(model):
    segments = (Segment(seed=7, sampler=LangevinConfig(6, 0.05)), FORK)
    return ChainRecipe("mine", fingerprint(model), 5, segments)


@pytest.fixture
def good(model, recipe) -> bytes:
    return archive.dumps(recipe.run(model), recipe)


def arrays_of(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data)) as file:
        return {name: file[name] for name in file.files}


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_an_export_read_again_replays_the_same_chain(model, good, tmp_path):
    path = tmp_path / "chain.npz"
    path.write_bytes(good)
    read = archive.load(path)
    replayed = read.replay(model)
    assert np.array_equal(replayed.z.numpy(), read.arrays["z"])
    assert np.array_equal(replayed.terms["tilt"].numpy(), read.arrays["term_tilt"])
    assert np.array_equal(replayed.steps.numpy(), read.arrays["steps"])


def test_everything_of_the_trajectory_is_there(model, recipe, good):
    arrays, chain = archive.loads(good).arrays, recipe.run(model)
    expected = {
        "steps": chain.steps,
        "z": chain.z,
        "drift_norm": chain.drift_norm,
        "diffusion_norm": chain.diffusion_norm,
        "displacement": chain.displacement,
        "term_base": chain.terms["base"],
        "term_tilt": chain.terms["tilt"],
        "force_norm_base": chain.force_norms["base"],
        "force_norm_tilt": chain.force_norms["tilt"],
        "force_cosine_base_tilt": chain.force_cosines["base", "tilt"],
    }
    assert arrays.keys() == expected.keys()
    for name, value in expected.items():
        assert np.array_equal(arrays[name], value.numpy()), name


def test_a_posterior_chain_comes_back_with_its_example(model, recipe):
    x = torch.randn(1, 4, generator=torch.Generator().manual_seed(0))
    posterior = replace(recipe, example="a point")
    read = archive.loads(archive.dumps(posterior.run(model, x), posterior, x))
    assert torch.equal(read.x, x)
    assert np.array_equal(read.replay(model).z.numpy(), read.arrays["z"])
    assert "term_likelihood" in read.arrays


@pytest.mark.parametrize("x", [None, np.zeros((2, 4), np.float32), np.zeros((1, 4)), np.float32(1)])
def test_an_example_that_the_recipe_does_not_explain_is_refused(good, recipe, x):
    named = {"settings": np.array(replace(recipe, example="a point").to_json())}
    changed = arrays_of(good) | (named if x is None else named | {"x": x})
    with pytest.raises(ValueError, match="'x' is another"):
        archive.loads(npz(changed))
    with pytest.raises(ValueError, match="'x' is another"):
        archive.loads(npz(arrays_of(good) | {"x": np.zeros((1, 4), np.float32)}))


def test_numpy_alone_reads_it_without_pickle(good):
    with np.load(io.BytesIO(good), allow_pickle=False) as file:
        assert '"seed":7' in str(file["settings"])


def test_a_pickle_inside_is_refused_and_not_run(good, tmp_path):
    marker = tmp_path / "payload-ran"

    class Payload:
        def __reduce__(self):
            return Path.touch, (marker,)

    arrays = arrays_of(good) | {"z": np.array([Payload()], dtype=object)}
    for data in (npz(arrays), pickle.dumps(Payload())):
        with pytest.raises(ValueError, match="not an exported chain"):
            archive.loads(data)
    assert not marker.exists()


def test_a_file_cut_anywhere_is_refused(good):
    for length in range(0, len(good), 97):
        with pytest.raises(ValueError, match="not an exported chain"):
            archive.loads(good[:length])


def test_a_changed_byte_is_refused_or_changes_nothing_that_counts(good):
    """Such as a date; of what is in the arrays, every byte is checked."""
    generator, whole, read = np.random.default_rng(0), archive.loads(good), []
    for place in generator.integers(0, len(good), 300):
        broken = bytearray(good)
        broken[place] ^= 0xFF
        with contextlib.suppress(ValueError):
            read.append(archive.loads(bytes(broken)))
    assert 20 < len(read) < 60  # 40 of 300
    for each in read:
        assert each.recipe == whole.recipe
        assert each.arrays.keys() == whole.arrays.keys()
        assert all(np.array_equal(each.arrays[name], whole.arrays[name]) for name in each.arrays)


def header_of(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 2**26)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb, bomb.open("z.npy", "w") as part:
        part.write(header_of((2**25,)))
        for _ in range(2**7):
            part.write(b"\0" * 2**20)
    assert len(file.getvalue()) < 2**18
    tracemalloc.start()  # which sees what NumPy and zlib take
    try:
        with pytest.raises(ValueError, match="would unpack"):
            archive.loads(file.getvalue())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2**22


def test_an_array_shorter_than_it_says_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as liar:
        liar.writestr("z.npy", header_of((2**40,)) + b"\0" * 64)
    with pytest.raises(ValueError, match="shorter than it says"):
        archive.loads(file.getvalue())


@pytest.mark.parametrize(
    "change",
    [
        {"z": np.zeros((3, 5, 3), np.float32)},
        {"steps": np.arange(11.0)},
        {"steps": np.arange(12)},
        {"term_tilt": np.zeros((11, 5), np.int64)},
        {"extra": np.zeros(3)},
    ],
)
def test_arrays_that_are_not_the_recipes_chain_are_refused(good, change):
    with pytest.raises(ValueError, match="does not hold the chain"):
        archive.loads(npz(arrays_of(good) | change))


@pytest.mark.parametrize("settings", ["{}", "not json", "x" * 100_000, 3])
def test_settings_that_are_no_recipe_are_refused(good, settings):
    with pytest.raises(ValueError, match=r"not an exported chain|not the settings of a chain"):
        archive.loads(npz(arrays_of(good) | {"settings": settings}))


def test_a_recipe_of_another_model_does_not_replay(good, model):
    model.prior.f[0].bias += torch.ones(())
    with pytest.raises(ValueError, match="weights are others"):
        archive.loads(good).replay(model)
