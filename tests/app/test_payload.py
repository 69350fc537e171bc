from __future__ import annotations

import json

import numpy as np
import pytest

from app.player.payload import CURVES, Header, encode


def _header(**changes: object) -> Header:
    values: dict = {
        "id": "a",
        "kind": "images",
        "first": 2,
        "count": 3,
        "n": 2,
        "limit": 9,
        "shape": (4, 4, 1),
        "view": {"step": 1, "chain": 0},
        "failures": {1: "chain 1 left the radius at step 2"},
    }
    return Header(**(values | changes))


def _curves(count: int = 3, n: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(count, n)) for name in CURVES}


def _split(payload: bytes) -> tuple[dict, bytes]:
    length = int.from_bytes(payload[:4], "little")
    return json.loads(payload[4 : 4 + length]), payload[4 + length :]


def test_pictures_come_back_from_the_bytes() -> None:
    curves = _curves()
    pictures = np.arange(3 * 2 * 16, dtype=np.uint8).reshape(3, 2, 4, 4, 1)
    header, body = _split(encode(_header(), curves, pictures))
    floats = np.frombuffer(body[: 4 * 5 * 6], "<f4").reshape(5, 3, 2)
    for name, row in zip(CURVES, floats, strict=True):
        np.testing.assert_array_equal(row, curves[name].astype("<f4"))
    np.testing.assert_array_equal(np.frombuffer(body[4 * 5 * 6 :], np.uint8), pictures.ravel())
    assert header["failures"] == {"1": "chain 1 left the radius at step 2"}


def test_floats_start_at_a_multiple_of_four_bytes() -> None:
    pictures = np.zeros((3, 2, 4, 4, 1), np.uint8)
    for name in ("a", "ab", "abc", "abcd"):
        payload = encode(_header(id=name), _curves(), pictures)
        assert int.from_bytes(payload[:4], "little") % 4 == 0


def test_points_carry_latents_and_background() -> None:
    rng = np.random.default_rng(1)
    z, x = rng.normal(size=(2, 3, 2, 2))
    background = rng.integers(0, 255, (7, 7), np.uint8)
    header, body = _split(
        encode(_header(kind="plane", shape=(2,)), _curves(), x, z=z, background=background)
    )
    rest = body[4 * 5 * 6 :]
    np.testing.assert_array_equal(np.frombuffer(rest[:48], "<f4"), z.astype("<f4").ravel())
    np.testing.assert_array_equal(np.frombuffer(rest[48:96], "<f4"), x.astype("<f4").ravel())
    assert rest[96:] == background.tobytes()
    assert header["side"] == 7


def test_arrays_that_contradict_the_header_are_refused() -> None:
    with pytest.raises(ValueError, match="do not match"):
        encode(_header(), _curves(count=2), np.zeros((3, 2, 4, 4, 1), np.uint8))
    with pytest.raises(ValueError, match="do not match"):
        encode(_header(), _curves(), np.zeros((3, 2, 5, 4, 1), np.uint8))
