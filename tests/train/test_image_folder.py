"""A folder of one's own pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from train import data
from train.data import DatasetUnavailable

MODES = ["RGB", "L", "RGBA", "P", "1", "LA", "CMYK"]


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch, tmp_path_factory):
    monkeypatch.delenv("LEBM_DATA", raising=False)
    monkeypatch.setenv("LEBM_CACHE", str(tmp_path_factory.mktemp("cache")))


def picture(i: int) -> Image.Image:
    """A picture of random size and colours, in one of the modes."""
    rng = np.random.default_rng(i)
    pixels = rng.integers(0, 256, (*rng.integers(5, 40, 2), 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(MODES[i % len(MODES)])


def fill(folder: Path, n: int) -> None:
    (folder / "deeper").mkdir()
    for i in range(n):
        place = folder / "deeper" if i % 2 else folder
        ending = "jpg" if MODES[i % len(MODES)] == "CMYK" else ("png", "PNG", "webp", "bmp")[i % 4]
        image = picture(i)
        if ending in ("webp", "bmp"):
            image = image.convert("RGB")
        image.save(place / f"{i:04d}.{ending}")


def refused(shape: tuple[int, ...], root: Path | None) -> str:
    with pytest.raises(DatasetUnavailable) as caught:
        data.load("image-folder", shape, root)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 28, 28)])
def test_pictures_of_all_sizes_and_modes_are_fitted(shape, tmp_path):
    fill(tmp_path, 60)
    dataset = data.load("image-folder", shape, tmp_path)
    assert dataset.data_shape == shape
    assert (len(dataset.train), len(dataset.test), dataset.skipped) == (54, 6, 0)
    assert dataset.train.dtype == torch.uint8
    assert dataset.train.float().std() > 10


def test_the_same_folder_gives_the_same_split(tmp_path):
    fill(tmp_path, 30)
    a, b = (data.load("image-folder", (3, 8, 8), tmp_path) for _ in range(2))
    assert torch.equal(a.train, b.train)
    assert torch.equal(a.test, b.test)


def test_colours_and_orientation_survive(tmp_path):
    """Left half red, right half blue: channels first, columns last."""
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, :8, 0] = pixels[:, 8:, 2] = 255
    for i in range(20):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    image = data.load("image-folder", (3, 8, 8), tmp_path).train[0]
    assert (image[:, 4, 1] > 128).tolist() == [True, False, False]
    assert (image[:, 4, 6] > 128).tolist() == [False, False, True]


def test_the_centre_square_is_kept(tmp_path):
    pixels = np.zeros((10, 30), np.uint8)
    pixels[:, 10:20] = 255
    for i in range(20):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    assert data.load("image-folder", (1, 8, 8), tmp_path).train.min() > 200


def test_one_unreadable_picture_in_200_is_skipped_and_counted(tmp_path):
    fill(tmp_path, 199)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    dataset = data.load("image-folder", (3, 8, 8), tmp_path)
    assert dataset.skipped == 1
    assert len(dataset.train) + len(dataset.test) == 199


def test_a_picture_cut_short_counts_as_unreadable(tmp_path):
    fill(tmp_path, 120)
    whole = (tmp_path / "0000.png").read_bytes()
    (tmp_path / "0000.png").write_bytes(whole[: len(whole) // 2])
    assert data.load("image-folder", (3, 8, 8), tmp_path).skipped == 1


def test_more_than_one_unreadable_in_100_is_refused(tmp_path):
    fill(tmp_path, 60)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    said = refused((3, 8, 8), tmp_path)
    assert said.startswith(f"1 of 61 pictures in {tmp_path} cannot be read ('broken.png'): ")
    assert said.endswith(": repair or remove them")


def test_of_many_unreadable_ones_the_first_are_named(tmp_path):
    fill(tmp_path, 60)
    for i in range(4):
        (tmp_path / "deeper" / f"broken-{i}.png").write_bytes(b"no picture")
    names = "'deeper/broken-0.png', 'deeper/broken-1.png', 'deeper/broken-2.png', ..."
    assert f"4 of 64 pictures in {tmp_path} cannot be read ({names})" in refused(
        (3, 8, 8), tmp_path
    )


def test_too_few_pictures_are_refused(tmp_path):
    fill(tmp_path, 19)
    assert "19 readable pictures, 20 are needed" in refused((3, 8, 8), tmp_path)


def test_other_files_are_not_pictures(tmp_path):
    fill(tmp_path, 20)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    assert data.load("image-folder", (3, 8, 8), tmp_path).skipped == 0


def test_a_palette_with_transparency_is_read(tmp_path):
    for i in range(20):
        picture(0).quantize(16).save(tmp_path / f"{i}.png", transparency=bytes(range(16)))
    assert len(data.load("image-folder", (3, 8, 8), tmp_path).train) == 18


def test_without_a_folder_it_is_refused():
    assert "--data-root" in refused((3, 8, 8), None)


def test_a_model_of_points_is_refused(tmp_path):
    fill(tmp_path, 20)
    assert "(2,)" in refused((2,), tmp_path)
