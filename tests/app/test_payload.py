from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from app.player.payload import CURVES, Backdrop, Failure, Track, View, encode

VIEW = View(step=1, chain=0, curve="energy")
T, N = 5, 2


def _track(points: bool = False, **changes: object) -> Track:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (T, N, 3, 3, 1), np.uint8)
    track = Track(
        id="a",
        title="one",
        steps=np.arange(T) * 10,
        curves={key: rng.normal(size=(T, N)) for key in CURVES},
        examples=rng.normal(size=(T, N, 2)) if points else pictures,
        latents=rng.normal(size=(T, N, 2)),
        backdrop=Backdrop(rng.integers(0, 255, (7, 7), np.uint8), 3.5, ("z₁", "z₂")),
        arrows={"−z": rng.normal(size=(T, N, 2)), "mine": rng.normal(size=(T, N, 2))},
        failures=(Failure(1, 2, 9, "chain 1 left the radius at step 2"),),
        limit=9,
    )
    return replace(track, **changes)


class Reader:
    """Takes arrays off a payload in the order that `encode` documents."""

    def __init__(self, payload: bytes) -> None:
        length = int.from_bytes(payload[:4], "little")
        assert length % 4 == 0
        self.header = json.loads(payload[4 : 4 + length])
        self.rest = payload[4 + length :]

    def take(self, dtype: str, *shape: int) -> np.ndarray:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        array = np.frombuffer(self.rest[:size], dtype).reshape(shape)
        self.rest = self.rest[size + -size % 4 :]
        return array


def _check(reader: Reader, track: Track, first: int) -> None:
    rows, count = slice(first, None), T - first
    np.testing.assert_array_equal(reader.take("<i4", count), track.steps[rows])
    for values in track.curves.values():
        np.testing.assert_array_equal(reader.take("<f4", count, N), values[rows].astype("<f4"))
    for values in (track.latents, *track.arrows.values()):
        np.testing.assert_array_equal(reader.take("<f4", count, N, 2), values[rows].astype("<f4"))
    examples = track.examples[rows]
    dtype = "<f4" if examples.ndim == 3 else "u1"
    np.testing.assert_array_equal(reader.take(dtype, *examples.shape), examples.astype(dtype))
    shades = track.backdrop.density
    if shades.ndim == 3:
        shades = shades[rows]
    if shades.ndim == 3 or first == 0:
        np.testing.assert_array_equal(reader.take("u1", *shades.shape), shades)


@pytest.mark.parametrize("points", [False, True])
@pytest.mark.parametrize("first", [0, 3, T])
def test_all_arrays_come_back_from_the_bytes(points: bool, first: int) -> None:
    track = _track(points)
    reader = Reader(encode([track], [first], VIEW))
    _check(reader, track, first)
    assert reader.rest == b""
    head = reader.header["tracks"][0]
    assert (head["first"], head["count"], head["limit"]) == (first, T - first, 9)
    assert head["failures"] == [
        {"chain": 1, "first": 2, "last": 9, "sentence": "chain 1 left the radius at step 2"}
    ]
    assert reader.header["view"] == {"step": 1, "chain": 0, "curve": "energy"}


@pytest.mark.parametrize("first", [0, 3, T])
def test_a_backdrop_may_change_with_the_record(first: int) -> None:
    shades = np.random.default_rng(1).integers(0, 255, (T, 7, 7), np.uint8)
    track = _track(backdrop=Backdrop(shades, 3.5, ("z₁", "z₂")))
    reader = Reader(encode([track], [first], VIEW))
    assert reader.header["tracks"][0]["moving"]
    _check(reader, track, first)
    assert reader.rest == b""
    with pytest.raises(ValueError, match="backdrop"):
        _track(backdrop=Backdrop(shades[1:], 3.5, ("z₁", "z₂")))


def test_tracks_follow_one_another_each_from_its_own_record() -> None:
    tracks = [_track(), _track(points=True, id="b")]
    reader = Reader(encode(tracks, [2, 0], VIEW, unit="iteration"))
    assert reader.header["unit"] == "iteration"
    assert [head["side"] for head in reader.header["tracks"]] == [0, 7]
    for track, first in zip(tracks, [2, 0], strict=True):
        _check(reader, track, first)
    assert reader.rest == b""


@pytest.mark.parametrize("name", ["a", "ab", "abc", "żółw"])
def test_floats_start_at_a_multiple_of_four_bytes(name: str) -> None:
    payload = encode([_track(id=name)], [0], VIEW)
    assert int.from_bytes(payload[:4], "little") % 4 == 0
    assert len(payload) % 4 == 0


def test_curves_and_arrows_are_named() -> None:
    head = Reader(encode([_track()], [0], VIEW)).header["tracks"][0]
    assert head["curves"][0] == {
        "key": "energy",
        "label": CURVES["energy"][0],
        "help": CURVES["energy"][1],
    }
    assert head["arrows"] == [{"name": "−z", "term": "base"}, {"name": "mine", "term": ""}]


@pytest.mark.parametrize(
    "changes",
    [
        {"curves": {"energy": np.zeros((T, N + 1))}},
        {"curves": {}},
        {"latents": np.zeros((T, N, 3))},
        {"arrows": {"−z": np.zeros((T + 1, N, 2))}},
        {"steps": np.arange(T + 1)},
    ],
)
def test_arrays_of_other_sizes_are_refused(changes: dict) -> None:
    with pytest.raises(ValueError, match="do not match"):
        _track(**changes)


def test_an_unknown_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="mood"):
        _track(curves={"mood": np.zeros((T, N))})
