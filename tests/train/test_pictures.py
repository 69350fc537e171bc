"""Tensors to PNG files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from train.pictures import mosaic, save_grid, save_points, to_uint8


def test_to_uint8_covers_the_range_and_cuts_what_is_beyond():
    values = torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0]).reshape(5, 1, 1, 1)
    assert to_uint8(values).flatten().tolist() == [0, 0, 128, 255, 255]


def test_to_uint8_puts_channels_last():
    assert to_uint8(torch.zeros(2, 3, 4, 5)).shape == (2, 4, 5, 3)


def test_a_mosaic_fills_rows_and_leaves_the_rest_black():
    pictures = np.arange(1, 4, dtype=np.uint8).reshape(3, 1, 1, 1).repeat(2, 1).repeat(2, 2)
    grid = mosaic(pictures, columns=2)[..., 0]
    assert grid.tolist() == [[1, 1, 2, 2]] * 2 + [[3, 3, 0, 0]] * 2


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_grid_is_a_picture_in_its_mode(channels, mode, tmp_path, rng):
    images = torch.rand(10, channels, 8, 8, generator=rng) * 2 - 1
    save_grid(images, tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        assert (picture.mode, picture.size) == (mode, (64, 16))
        first = np.asarray(picture).reshape(16, 64, channels)[:8, :8]
    assert (first == to_uint8(images[:1])[0]).all()


def test_a_point_is_a_dot_in_its_place(tmp_path):
    save_points(torch.tensor([[1.5, 1.5]]), tmp_path / "points.png", extent=3, size=40)
    with Image.open(tmp_path / "points.png") as picture:
        dark = np.argwhere(np.asarray(picture) < 255)
    assert dark.mean(0).round().tolist() == [10, 30]  # up and to the right
