"""A person's own picture, drawn or uploaded: checked, fitted to a model, kept in the address.

Files and addresses come from anybody. Only the formats named here are opened, nothing is decoded
before its declared size is known, and what an address unpacks to is bounded.
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
import zlib

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from train.pictures import fit_square

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_FILE = 16 * 2**20  # bytes
MAX_PIXELS = 40_000_000  # of an upload; a phone's camera makes 12 to 24 million
_MAX_ADDRESS = 6_000  # characters; longer addresses are cut by some programs
_MAX_PICTURE = 2 + 3 * 128 * 128  # bytes behind an address, the largest model's
_UNREADABLE = "This file cannot be read as a picture: choose a PNG, JPEG, WebP, BMP or GIF file."


class UnusablePicture(Exception):
    """A picture cannot be used; the message says what to do."""


def read(data: bytes) -> Image.Image:
    """The picture in a file, upright; of an animation the first frame.

    Raises:
        UnusablePicture: if it is no picture of a known format, damaged or too large; its size is
            taken from its header, before anything is decoded.
    """
    if len(data) > MAX_FILE:
        raise UnusablePicture(
            f"This file has {len(data) / 2**20:.0f} MB, {MAX_FILE // 2**20} is the most: "
            "save the picture smaller."
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise UnusablePicture(_too_many(f"{width:,} × {height:,} pixels"))
            opened.draft(None, (512, 512))  # a JPEG is decoded no finer than that
            return ImageOps.exif_transpose(opened)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusablePicture(_too_many("far too many pixels")) from error
    except UnidentifiedImageError as error:
        raise UnusablePicture(_UNREADABLE) from error
    except (OSError, ValueError, SyntaxError, EOFError, LookupError, struct.error) as error:
        raise UnusablePicture(
            "This picture is damaged or cut short: save it once more, as PNG."
        ) from error


def _too_many(how_many: str) -> str:
    return (
        f"This picture has {how_many}, {MAX_PIXELS // 10**6} million is the most: "
        "save it smaller; the model sees few of them."
    )


def fit(picture: Image.Image, data_shape: tuple[int, ...], *, inverted: bool) -> Tensor:
    """The centre square at the model's size, grey or colour as it wants.

    Args:
        picture: from `read`.
        data_shape: (channels, size, size).
        inverted: swap light and dark, for strokes of a dark pen on white paper.

    Returns:
        uint8 `data_shape`.
    """
    pixels = fit_square(picture, data_shape[0], data_shape[1])
    return 255 - pixels if inverted else pixels


def refit(pixels: Tensor, data_shape: tuple[int, ...]) -> Tensor:
    """A fitted picture for a model of another size; uint8 `(c, h, w) -> data_shape`."""
    if tuple(pixels.shape) == tuple(data_shape):
        return pixels
    picture = Image.fromarray(pixels.permute(1, 2, 0).squeeze(-1).numpy())
    return fit_square(picture, data_shape[0], data_shape[1])


def from_canvas(text: object, data_shape: tuple[int, ...]) -> Tensor | None:
    """What the drawing canvas sent, uint8 `data_shape`; None if that is no such picture.

    Args:
        text: base64 of the pixels, row by row, `channels` bytes each.
        data_shape: (channels, size, size).
    """
    channels, size, _ = data_shape
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return None
    if len(data) != channels * size * size:
        return None
    return torch.tensor(list(data), dtype=torch.uint8).view(size, size, channels).permute(2, 0, 1)


def to_canvas(pixels: Tensor) -> str:
    """The inverse of `from_canvas`."""
    return base64.b64encode(pixels.permute(1, 2, 0).contiguous().numpy().tobytes()).decode()


def to_address(pixels: Tensor) -> str | None:
    """A short text that `from_address` reads; None if it were longer than an address can be."""
    data = bytes(pixels.shape[:2]) + pixels.contiguous().numpy().tobytes()
    text = base64.urlsafe_b64encode(zlib.compress(data, 9)).decode().rstrip("=")
    return text if len(text) <= _MAX_ADDRESS else None


def from_address(text: str) -> Tensor | None:
    """The picture in an address, uint8 `(channels, size, size)`; None if there is none."""
    if not 0 < len(text) <= _MAX_ADDRESS:
        return None
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        data = zlib.decompressobj().decompress(packed, _MAX_PICTURE + 1)
    except (binascii.Error, ValueError, zlib.error):
        return None
    if len(data) < 3 or data[0] not in (1, 3) or len(data) != 2 + data[0] * data[1] ** 2:
        return None
    return torch.tensor(list(data[2:]), dtype=torch.uint8).view(data[0], data[1], data[1])
