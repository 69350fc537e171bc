from __future__ import annotations

import base64
import io
import random
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from app.studies import own_picture
from app.studies.own_picture import UnusablePicture

GREY, COLOUR = (1, 28, 28), (3, 32, 32)


def _file(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def _photo(width: int = 60, height: int = 40) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def _png_that_claims(width: int, height: int) -> bytes:
    """A PNG of 67 bytes whose header declares any size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("form", own_picture.FORMATS)
def test_every_format_is_read(form: str) -> None:
    assert own_picture.read(_file(_photo(), form)).size == (60, 40)


def test_the_centre_square_is_fitted_grey_or_colour() -> None:
    picture = Image.new("RGB", (90, 30), "red")
    picture.paste("white", (30, 0, 60, 30))
    assert own_picture.fit(picture, GREY, inverted=False).min() > 250
    assert own_picture.fit(picture, COLOUR, inverted=False).shape == COLOUR
    assert own_picture.fit(picture, GREY, inverted=True).max() < 5


def test_a_photo_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert own_picture.read(_file(_photo(), "JPEG", exif=exif)).size == (40, 60)


@pytest.mark.parametrize("size", [(7_000, 7_000), (12_000, 12_000), (60_000, 60_000)])
def test_a_bomb_is_refused_by_its_declared_size(size: tuple[int, int]) -> None:
    with pytest.raises(UnusablePicture, match="million is the most"):
        own_picture.read(_png_that_claims(*size))


def test_a_huge_file_is_refused_unread() -> None:
    with pytest.raises(UnusablePicture, match="16 is the most"):
        own_picture.read(b"\0" * (own_picture.MAX_FILE + 1))


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"%PDF-1.7", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg onload=alert(1)></svg>"],
)
def test_other_files_are_one_sentence(data: bytes) -> None:
    with pytest.raises(UnusablePicture, match="choose a PNG"):
        own_picture.read(data)


def test_a_picture_cut_short_is_one_sentence() -> None:
    data = _file(_photo())
    with pytest.raises(UnusablePicture, match="damaged"):
        own_picture.read(data[: len(data) // 2])


@pytest.mark.filterwarnings("ignore")  # Pillow warns of odd metadata
def test_damaged_files_raise_nothing_else() -> None:
    chance = random.Random(0)
    files = [_file(_photo(), form) for form in own_picture.FORMATS]
    refused = 0
    for i in range(600):
        data = bytearray(files[i % len(files)])
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(min(len(data), 300))] = chance.randrange(256)
        try:
            own_picture.fit(own_picture.read(bytes(data)), GREY, inverted=False)
        except UnusablePicture:
            refused += 1
    assert refused > 60


@pytest.mark.parametrize("shape", [GREY, COLOUR, (1, 8, 8)])
def test_canvas_and_address_bring_a_picture_back(shape: tuple[int, ...]) -> None:
    pixels = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0))
    pixels = pixels.to(torch.uint8)
    text = own_picture.to_address(pixels)
    assert text is not None
    assert torch.equal(own_picture.from_address(text), pixels)
    assert torch.equal(own_picture.from_canvas(own_picture.to_canvas(pixels), shape), pixels)


def test_a_picture_too_large_for_an_address_has_none() -> None:
    pixels = torch.randint(0, 256, (3, 64, 64), generator=torch.Generator().manual_seed(0))
    assert own_picture.to_address(pixels.to(torch.uint8)) is None


def test_addresses_of_others_are_none_or_a_picture() -> None:
    bomb = base64.urlsafe_b64encode(zlib.compress(b"\1\x1c" + b"\0" * 10_000_000, 9)).decode()
    wrong = base64.urlsafe_b64encode(zlib.compress(b"\1\x1c" + b"\0" * 100)).decode()
    for text in ("", "../../etc/passwd", "é", "AAAA", bomb[:6000], bomb, wrong, "x" * 7000):
        assert own_picture.from_address(text) is None


@pytest.mark.parametrize("sent", [None, 7, "", "AAAA", "é", "data:image/png;base64,AAAA", ["A"]])
def test_a_canvas_that_sends_something_else_is_none(sent: object) -> None:
    assert own_picture.from_canvas(sent, GREY) is None


def test_a_picture_follows_to_a_model_of_another_size() -> None:
    pixels = torch.full((3, 32, 32), 200, dtype=torch.uint8)
    again = own_picture.refit(pixels, GREY)
    assert again.shape == GREY
    assert (again == 200).all()
    assert own_picture.refit(again, COLOUR).shape == COLOUR
    assert own_picture.refit(pixels, COLOUR) is pixels
