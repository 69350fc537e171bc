"""Pictures to tensors, and tensors to PNG files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps
from PIL.Image import Resampling
from torch import Tensor

from lebm.checkpoint import atomic_write


def fit_square(
    picture: Image.Image, channels: int, size: int, filtering: Resampling = Resampling.LANCZOS
) -> Tensor:
    """A picture's centre square at a model's size, uint8 `(channels, size, size)`.

    Args:
        picture: of any size and mode.
        channels: 1 for grey, 3 for colour.
        size: pixels along each side.
        filtering: how pixels are averaged.
    """
    whole = picture.convert("RGBA") if "transparency" in picture.info else picture
    flat = whole.convert("L" if channels == 1 else "RGB")
    fitted = ImageOps.fit(flat, (size, size), filtering)
    return torch.from_numpy(np.array(fitted)).reshape(size, size, channels).permute(2, 0, 1)


def to_uint8(images: Tensor) -> np.ndarray:
    """Images in [-1, 1], `(n, channels, h, w)`, as uint8 `(n, h, w, channels)`."""
    return quantise(images).permute(0, 2, 3, 1).cpu().numpy()


def quantise(images: Tensor) -> Tensor:
    """Images in [-1, 1] as uint8 of the same shape, what a data set holds."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def mosaic(pixels: np.ndarray, columns: int) -> np.ndarray:
    """Pictures `(n, h, w, c)` as one `(rows · h, columns · w, c)`; empty places are black."""
    n, h, w, c = pixels.shape
    rows = -(-n // columns)
    padded = np.zeros((rows * columns, h, w, c), pixels.dtype)
    padded[:n] = pixels
    return padded.reshape(rows, columns, h, w, c).swapaxes(1, 2).reshape(rows * h, columns * w, c)


def save_grid(images: Tensor, path: Path, columns: int = 8) -> None:
    """Images in [-1, 1], `(n, channels, h, w)`, as one PNG."""
    grid = mosaic(to_uint8(images), columns)
    _save(Image.fromarray(grid[..., 0] if grid.shape[-1] == 1 else grid), path)


def save_points(points: Tensor, path: Path, extent: float = 3.0, size: int = 480) -> None:
    """The first two coordinates of points `(n, dim)` in [-extent, extent]², as one PNG."""
    picture = Image.new("L", (size, size), 255)
    draw = ImageDraw.Draw(picture)
    for x, y in points[:, :2].cpu().tolist():
        column, row = (x / extent + 1) * size / 2, (1 - y / extent) * size / 2
        draw.ellipse((column - 1.5, row - 1.5, column + 1.5, row + 1.5), fill=60)
    _save(picture, path)


def _save(picture: Image.Image, path: Path) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    atomic_write(path, buffer.getvalue())
