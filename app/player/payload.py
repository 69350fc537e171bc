"""Trajectories as bytes for the player: a JSON header, float32 curves, pictures or points."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

CURVES = ("energy", "half_sq_norm", "drift", "diffusion", "displacement")


@dataclass(frozen=True, slots=True)
class Header:
    """What the bytes are; see `encode`.

    Attributes:
        id: names the chain; another id makes the player forget what it holds.
        kind: "images" or "plane".
        first: number of the first record in these bytes.
        count: records in these bytes.
        n: chains.
        limit: records there can be at most.
        shape: of one picture (h, w, channels), or (2,) for points.
        view: {"step", "chain"} to show when the chain is new.
        failures: sentences about chains that diverged, by chain.
        extent: half the side of the latent plane that is drawn (plane only).
    """

    id: str
    kind: Literal["images", "plane"]
    first: int
    count: int
    n: int
    limit: int
    shape: tuple[int, ...]
    view: dict[str, int]
    failures: dict[int, str]
    extent: float = 0.0


def encode(
    header: Header,
    curves: dict[str, np.ndarray],
    examples: np.ndarray,
    z: np.ndarray | None = None,
    background: np.ndarray | None = None,
) -> bytes:
    """One buffer the browser reads without copying.

    Args:
        header: sizes and names.
        curves: each of `CURVES` as `(count, n)`.
        examples: decoded examples: uint8 `(count, n, h, w, c)`, or points `(count, n, 2)`.
        z: latents `(count, n, 2)` for the plane.
        background: uint8 `(side, side)` picture of the prior density for the plane, its first
            row at the top.

    Returns:
        4 bytes header length (little endian), header (JSON, padded with spaces to a multiple
        of 4), the curves as float32, then z and x as float32 followed by the background
        (plane), or the pictures as uint8 (images).

    Raises:
        ValueError: if an array's shape is not what the header says.
    """
    expected = dict.fromkeys(CURVES, (header.count, header.n))
    wrong = [name for name in CURVES if curves[name].shape != expected[name]]
    if wrong or examples.shape != (header.count, header.n, *header.shape):
        raise ValueError(f"arrays do not match the header: {wrong or ['examples']}")
    fields = asdict(header)
    if background is not None:
        fields["side"] = background.shape[0]
    text = json.dumps(fields).encode()
    text += b" " * (-len(text) % 4)
    parts = [len(text).to_bytes(4, "little"), text]
    parts += [np.ascontiguousarray(curves[name], "<f4").tobytes() for name in CURVES]
    if header.kind == "plane":
        if z is None or background is None:
            raise ValueError("the plane needs z and a background")
        parts += [np.ascontiguousarray(a, "<f4").tobytes() for a in (z, examples)]
        parts.append(np.ascontiguousarray(background, np.uint8).tobytes())
    else:
        parts.append(np.ascontiguousarray(examples, np.uint8).tobytes())
    return b"".join(parts)
