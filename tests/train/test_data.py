"""Data sets by name: shapes, ranges, held-out rows, and refusals in one sentence."""

from __future__ import annotations

import math
import os
import struct
import urllib.request
from pathlib import Path
from typing import get_args
from urllib.error import URLError

import pytest
import torch

from train import data
from train.config import DatasetName
from train.data import Dataset, DatasetUnavailable

TOYS = ["pinwheel", "two-moons", "ring"]
EMBEDDED = [*((name, (2,), 10_000, 2_000) for name in TOYS), ("digits", (1, 8, 8), 1_500, 297)]
REAL = os.environ.get("LEBM_DATA")


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("LEBM_DATA", raising=False)


def refused(name: str, shape: tuple[int, ...], root: Path | None = None) -> str:
    with pytest.raises(DatasetUnavailable) as caught:
        data.load(name, shape, root)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def rows(examples: torch.Tensor) -> set[bytes]:
    return {example.numpy().tobytes() for example in examples}


@pytest.mark.parametrize(("name", "shape", "n_train", "n_test"), EMBEDDED)
def test_embedded_data_have_their_shapes(name, shape, n_train, n_test):
    dataset = data.load(name, shape)
    assert dataset.name == name
    assert dataset.data_shape == shape
    assert (len(dataset.train), len(dataset.test), dataset.skipped) == (n_train, n_test, 0)


@pytest.mark.parametrize(("name", "shape"), [row[:2] for row in EMBEDDED])
def test_embedded_data_are_the_same_every_time(name, shape):
    a, b = data.load(name, shape), data.load(name, shape)
    assert torch.equal(a.train, b.train)
    assert torch.equal(a.test, b.test)


@pytest.mark.parametrize(("name", "shape"), [row[:2] for row in EMBEDDED])
def test_no_held_out_row_is_learned_from(name, shape):
    dataset = data.load(name, shape)
    assert not rows(dataset.train) & rows(dataset.test)
    assert len(rows(dataset.train)) == len(dataset.train)


@pytest.mark.parametrize("name", TOYS)
def test_points_are_standardised(name):
    dataset = data.load(name, (2,))
    points = torch.cat([dataset.train, dataset.test]).double()
    assert dataset.train.dtype == torch.float32
    assert points.mean(0).abs().max() < 1e-5
    assert points.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert points.abs().max() < 4


def test_the_toys_differ():
    first = {name: data.load(name, (2,)).train[0].tolist() for name in TOYS}
    assert len({tuple(value) for value in first.values()}) == 3


def test_ring_has_eight_modes():
    points = data.load("ring", (2,)).train
    angle = torch.atan2(points[:, 1], points[:, 0]) * 8 / math.tau
    assert torch.bincount(angle.round().long() % 8).min() > 1000
    assert (angle - angle.round()).abs().mean() < 0.15


def test_digits_use_the_whole_grey_scale():
    dataset = data.load("digits", (1, 8, 8))
    assert dataset.train.dtype == torch.uint8
    assert (dataset.train.min(), dataset.train.max()) == (0, 255)


def test_model_range_of_images_is_minus_one_to_one_and_of_points_itself(rng):
    grey = torch.tensor([0, 51, 255], dtype=torch.uint8)
    torch.testing.assert_close(data.to_model_range(grey), torch.tensor([-1.0, -0.6, 1.0]))
    points = torch.randn(4, 2, generator=rng)
    assert torch.equal(data.to_model_range(points), points)


def test_an_unknown_name_lists_every_known_one():
    message = refused("cifar-100", (3, 32, 32))
    assert "cifar-100" in message
    assert all(name in message for name in get_args(DatasetName))


@pytest.mark.parametrize(("name", "shape"), [("ring", (3,)), ("digits", (1, 28, 28))])
def test_another_shape_is_refused_with_both_shapes(name, shape):
    message = refused(name, shape)
    assert str(shape) in message
    assert "--model.data-shape" in message


def test_a_missing_folder_is_refused(tmp_path, monkeypatch):
    nowhere = tmp_path / "nowhere"
    assert str(nowhere) in refused("mnist", (1, 28, 28), nowhere)
    assert str(nowhere) in refused("image-folder", (3, 32, 32), nowhere)
    monkeypatch.setenv("LEBM_DATA", str(nowhere))
    assert str(nowhere) in refused("mnist", (1, 28, 28))


def test_embedded_data_need_no_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LEBM_DATA", str(tmp_path / "nowhere"))
    assert len(data.load("ring", (2,)).test) == 2_000


def test_without_leave_to_download_nothing_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: pytest.fail("a download"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetUnavailable):
        data.load("mnist", (1, 28, 28), download=False)


def write_idx(raw: Path, images: bytes, labels: bytes) -> None:
    raw.mkdir(parents=True, exist_ok=True)
    for split in ("train", "t10k"):
        (raw / f"{split}-images-idx3-ubyte").write_bytes(images)
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(labels)


IMAGES = struct.pack(">4I", 0x803, 10, 28, 28) + bytes(7840)
LABELS = struct.pack(">2I", 0x801, 10) + bytes(10)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("length", [0, 1, 4, 15, 16, 1000, len(IMAGES) - 1])
def test_a_truncated_copy_is_refused(name, length, tmp_path):
    folder = {"mnist": "mnist/MNIST", "fashion-mnist": "fashion_mnist/FashionMNIST"}[name]
    write_idx(tmp_path / folder / "raw", IMAGES[:length], LABELS)
    message = refused(name, (1, 28, 28), tmp_path)
    assert "--data-root" in message
    assert str(tmp_path) in message


@pytest.mark.parametrize("magic", [0x703, 0xA03, 0xD03, 0x802, 0xFFFFFFFF])
def test_a_file_of_another_type_is_refused(magic, tmp_path):
    images = struct.pack(">I", magic) + IMAGES[4:]
    write_idx(tmp_path / "mnist/MNIST/raw", images, LABELS)
    refused("mnist", (1, 28, 28), tmp_path)


def test_a_copy_with_other_numbers_of_images_is_refused(tmp_path):
    write_idx(tmp_path / "mnist/MNIST/raw", IMAGES, LABELS)
    assert "10 training and 10 test images" in refused("mnist", (1, 28, 28), tmp_path)


def test_an_empty_folder_is_refused_without_a_download(tmp_path, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: pytest.fail("a download"))
    refused("mnist", (1, 28, 28), tmp_path)


def test_without_a_network_the_message_says_what_to_do(tmp_path, monkeypatch):
    def urlopen(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.chdir(tmp_path)
    message = refused("mnist", (1, 28, 28))
    assert "check the network" in message
    assert "--data-root" in message
    assert "no network" in message
    assert len(message.splitlines()) == 1
    assert list(tmp_path.glob("data/*")) == []


def test_a_download_that_breaks_off_leaves_what_it_fetched(tmp_path, monkeypatch):
    fetched = Path("data/mnist/MNIST/raw/train-images-idx3-ubyte")

    def urlopen(*_, **__):
        fetched.write_bytes(b"the first file")
        raise URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.chdir(tmp_path)
    refused("mnist", (1, 28, 28))
    assert fetched.exists()


@pytest.mark.skipif(REAL is None, reason="LEBM_DATA is unset: there is no folder with real MNIST")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_real_images(name, monkeypatch):
    monkeypatch.setenv("LEBM_DATA", str(REAL))
    dataset = data.load(name, (1, 28, 28))
    assert (len(dataset.train), len(dataset.test)) == (60_000, 10_000)
    assert dataset.train.dtype == torch.uint8
    assert (dataset.train.min(), dataset.train.max()) == (0, 255)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(("part", "said"), [("train", "training"), ("test", "held-out")])
def test_a_value_that_is_not_finite_is_refused_by_its_example(part, said, value):
    parts = {"train": torch.zeros(5, 2), "test": torch.zeros(4, 2)}
    parts[part][3, 1] = value
    with pytest.raises(DatasetUnavailable, match=f"toy: {said} example 3 .* not finite"):
        Dataset("toy", **parts)
    parts[part][1, 0] = value
    with pytest.raises(DatasetUnavailable, match=f"{said} example 1 and 1 more"):
        Dataset("toy", **parts)
