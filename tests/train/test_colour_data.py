"""SVHN, CIFAR-10 and CelebA: layouts, published crops and partitions, and refusals."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

from train import data
from train.data import DatasetUnavailable, faces, files, vision

REAL = os.environ.get("LEBM_DATA")


@pytest.fixture(autouse=True)
def no_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("LEBM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LEBM_DATA", raising=False)


def refused(name: str, shape: tuple[int, ...], root: Path) -> str:
    with pytest.raises(DatasetUnavailable) as caught:
        data.load(name, shape, root)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def jpeg(size: tuple[int, int], value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(buffer, "JPEG")
    return buffer.getvalue()


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def test_svhn_comes_from_its_two_matlab_files(tmp_path, monkeypatch):
    """torchvision's own reader, on files written here whose checksums it is told."""
    rng, splits = np.random.default_rng(0), {}
    (tmp_path / "svhn").mkdir()
    for split, n in (("train", 7), ("test", 3)):
        path = tmp_path / "svhn" / f"{split}_32x32.mat"
        pixels = rng.integers(256, size=(32, 32, 3, n), dtype=np.uint8)
        savemat(path, {"X": pixels, "y": np.ones((n, 1), np.uint8)})
        splits[split] = ["", path.name, md5(path)]
    monkeypatch.setattr(datasets.SVHN, "split_list", splits)
    assert "7 training and 3 test images" in refused("svhn", (3, 32, 32), tmp_path)
    monkeypatch.setattr(vision, "SVHN_COUNTS", (7, 3))
    dataset = data.load("svhn", (3, 32, 32), tmp_path)
    assert (len(dataset.train), len(dataset.test), dataset.note) == (7, 3, "")
    assert dataset.test[2, :, 5, 6].tolist() == pixels[5, 6, :, 2].tolist()


def test_cifar10_comes_from_its_batches(tmp_path, monkeypatch):
    rng, names = np.random.default_rng(0), {"train": "data_batch_1", "test": "test_batch"}
    folder = tmp_path / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rows = rng.integers(256, size=(4, 3072), dtype=np.uint8)
    for split, name in names.items():
        (folder / name).write_bytes(pickle.dumps({"data": rows, "labels": [0] * 4}))
        listed = [[name, md5(folder / name)]]
        monkeypatch.setattr(datasets.CIFAR10, f"{split}_list", listed)
    (folder / "meta").write_bytes(pickle.dumps({"label_names": ["cat"]}))
    meta = {"filename": "meta", "key": "label_names", "md5": md5(folder / "meta")}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    monkeypatch.setattr(vision, "CIFAR10_COUNTS", (4, 4))
    dataset = data.load("cifar10", (3, 32, 32), tmp_path)
    assert (dataset.train.numpy() == rows.reshape(4, 3, 32, 32)).all()
    assert dataset.note == ""


@pytest.mark.parametrize("packed", [True, False])
def test_jpeg_copies_of_cifar10_say_that_they_are_copies(packed, tmp_path, monkeypatch):
    members = {f"{s}/cat/{i}.jpg": jpeg((32, 32), 9 * i) for s in ("train", "test") for i in (1, 2)}
    folder = tmp_path / "cifar10_jpeg"
    folder.mkdir()
    if packed:
        with tarfile.open(folder / "cifar10_jpeg.tar.xz", "w:xz") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    else:
        for name, content in members.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    assert "2 training and 2 test images" in refused("cifar10", (3, 32, 32), tmp_path)
    monkeypatch.setattr(vision, "CIFAR10_COUNTS", (2, 2))
    dataset = data.load("cifar10", (3, 32, 32), tmp_path)
    assert "cannot be compared" in dataset.note
    assert dataset.train[:, 0, 3, 3].tolist() == [9, 18]


@pytest.mark.parametrize(
    ("number", "part"),
    [
        (1, "train"),
        (162_770, "train"),
        (162_771, None),
        (182_637, None),
        (182_638, "test"),
        (202_599, "test"),
    ],
)
def test_faces_follow_the_official_partition(number, part):
    assert faces._official(f"{number:06d}.jpg") == part


@pytest.mark.parametrize("name", ["readme.jpg", "-1.jpg", "1" * 30 + ".jpg"])
def test_other_names_are_no_faces(name):
    assert faces._official(name) is None
    assert faces._small(name) is None


@pytest.fixture
def whole_celeba(tmp_path) -> Path:
    """Two faces of 178x218 pixels: white where the published crop cuts, else grey."""
    folder = tmp_path / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for number, grey in ((1, 60), (182_638, 120)):
        pixels = np.full((218, 178, 3), 255, np.uint8)
        pixels[20:198] = grey
        Image.fromarray(pixels).save(folder / f"{number:06d}.jpg", quality=95)
    return tmp_path


@pytest.mark.parametrize("size", [64, 128])
def test_a_face_is_the_centre_square_at_the_model_s_size(size, whole_celeba):
    dataset = data.load("celeba", (3, size, size), whole_celeba)
    assert dataset.data_shape == (3, size, size)
    inside = dataset.train[0, :, 4:-4].float()
    assert (inside - 60).abs().max() < 4
    assert (dataset.test[0, :, 4:-4].float() - 120).abs().max() < 4
    assert dataset.note == ""


def test_small_faces_hold_out_the_last_thousand(tmp_path):
    folder = tmp_path / "celeba_small" / "celebA"
    folder.mkdir(parents=True)
    for number in (1, 9_000, 9_001, 10_000):
        (folder / f"{number:06d}.jpg").write_bytes(jpeg((89, 109), number // 100))
    dataset = data.load("celeba", (3, 32, 32), tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (2, 2)
    assert "half their size" in dataset.note


@pytest.mark.parametrize("name", ["svhn", "cifar10", "celeba"])
def test_an_empty_root_is_refused_with_the_place_it_looked_in(name, tmp_path):
    message = refused(name, (3, 32, 32), tmp_path)
    assert str(tmp_path) in message
    assert "--data-root" in message


@pytest.mark.parametrize("name", ["svhn", "cifar10"])
def test_a_damaged_copy_is_refused(name, tmp_path):
    (tmp_path / "svhn").mkdir()
    (tmp_path / "svhn" / "train_32x32.mat").write_bytes(b"nothing")
    (tmp_path / "cifar10" / "cifar-10-batches-py").mkdir(parents=True)
    (tmp_path / "cifar10" / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"nothing")
    assert "no whole copy under" in refused(name, (3, 32, 32), tmp_path)


def test_faces_need_a_model_of_images(tmp_path):
    assert "model of images" in refused("celeba", (2,), tmp_path)


@pytest.mark.skipif(REAL is None, reason="LEBM_DATA is unset: there are no real colour images")
@pytest.mark.parametrize(
    ("archive", "size"),
    [
        ("cifar10_jpeg/cifar10_jpeg.tar.xz", (32, 32)),
        ("celeba_small/celeba10k_89x109_jpeg.tar.xz", (89, 109)),
    ],
)
def test_real_archives_are_pictures(archive, size):
    first = list(islice(files.pictures(Path(str(REAL)) / archive), 50))
    assert len(first) == 50
    for _, content in first:
        with Image.open(io.BytesIO(content)) as picture:
            assert picture.size == size
