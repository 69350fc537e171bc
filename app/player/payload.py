"""Trajectories as bytes for the player: a JSON header, then every array as it lies in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: What the curve chart and the table of numbers can show: key -> (label, help line).
CURVES = {
    "energy": ("Energy −f(z)", "Minus the network's output; lower is likelier than under N(0, I)"),
    "half_sq_norm": ("½‖z‖²", "Minus the log density of N(0, I), up to a constant"),
    "neg_log_prior": (
        "−log p(z)",
        "Energy, ½‖z‖² and ½d log 2π together, of the model (λ = 1); log Z is left out",
    ),
    "log_likelihood": ("log p(x|z)", "How well what z decodes to explains the example x"),
    "neg_log_joint": ("−log p(x, z)", "What the posterior chain descends; log Z is left out"),
    "force_base": ("Force ‖−z‖", "Length of the Gaussian's pull back to the origin"),
    "force_tilt": (
        "Force ‖∇f‖",
        "Length of the network's pull towards lower energy; of λ f where that is climbed",
    ),
    "force_likelihood": ("Force ‖∇log p(x|z)‖", "Length of the example's pull"),
    "cosine_base_tilt": ("Cosine −z, ∇f", "1: both pull the same way; −1: against each other"),
    "cosine_base_likelihood": ("Cosine −z, ∇log p(x|z)", "1: the same way; −1: against it"),
    "cosine_tilt_likelihood": ("Cosine ∇f, ∇log p(x|z)", "1: the same way; −1: against it"),
    "drift": ("Drift ‖s∇log p‖", "Length of the last step's pull uphill"),
    "diffusion": ("Noise ‖√(2sT) ε‖", "Length of the last step's random kick"),
    "displacement": ("Move ‖Δz‖", "Length of the last step, drift and noise together"),
    "acceptance": ("Accepted so far", "Share of proposed steps that the Metropolis test accepted"),
}

#: Names of the arrows, by the term of the log density whose force they are.
ARROWS = {"base": "−z", "tilt": "∇f", "likelihood": "∇log p(x|z)", "noise": "noise"}
_TERM_OF = {name: term for term, name in ARROWS.items()}


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What lies beneath the latents.

    Attributes:
        density: uint8 `(side, side)`, 255 at the maximum, first row at the top; or
            `(T, side, side)` where it changes with the record.
        extent: half the side of the square that is drawn, centred on the frame's origin.
        axes: the names of the two axes.
        caption: what the shade is, and what the frame leaves out of sight.
    """

    density: np.ndarray
    extent: float
    axes: tuple[str, str]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A chain that diverged, and where that is seen.

    Attributes:
        chain: its number.
        first: the first record in which it stands stopped.
        last: the last one; the track may not have grown so far yet.
        sentence: says what became of it.
    """

    chain: int
    first: int
    last: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Track:
    """One trajectory of n chains, T records long, as the player shows it.

    Attributes:
        id: names the trajectory; another id makes the browser forget what it holds of it.
        title: stands above it where there are several.
        steps: what the counter shows for each record, `(T,)`.
        curves: key of `CURVES` -> values `(T, n)`; the first is drawn when the page opens.
        examples: decoded: uint8 `(T, n, h, w, c)`, or points `(T, n, 2)`.
        latents: z in the frame of the 2-D view, `(T, n, 2)`.
        backdrop: what lies beneath them.
        arrows: name, best one of `ARROWS`, -> vectors at `latents`, `(T, n, 2)`.
        failures: of its chains.
        limit: the last record there can be; T - 1 if the track cannot grow.
    """

    id: str
    title: str
    steps: np.ndarray
    curves: dict[str, np.ndarray]
    examples: np.ndarray
    latents: np.ndarray
    backdrop: Backdrop
    arrows: dict[str, np.ndarray]
    failures: tuple[Failure, ...]
    limit: int

    def __post_init__(self) -> None:
        sizes = self.examples.shape[:2]
        flat = {"latents": self.latents, **self.arrows}
        wrong = [name for name, values in self.curves.items() if values.shape != sizes]
        wrong += [name for name, values in flat.items() if values.shape != (*sizes, 2)]
        wrong += [] if self.steps.shape == sizes[:1] else ["steps"]
        shades = self.backdrop.density.shape
        wrong += [] if len(shades) == 2 or shades[0] == sizes[0] else ["backdrop"]
        if wrong or not self.curves:
            raise ValueError(f"{wrong or 'no curves'} do not match examples {self.examples.shape}")
        if unknown := set(self.curves) - set(CURVES):
            raise ValueError(f"curves must be of {list(CURVES)}, not {sorted(unknown)}")


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at: a record, a chain and the curve that is drawn ("": the first)."""

    step: int
    chain: int
    curve: str = ""


def encode(tracks: Sequence[Track], first: Sequence[int], view: View, unit: str = "step") -> bytes:
    """One buffer the browser reads without copying.

    Args:
        tracks: what stands side by side; all are scrubbed together.
        first: the record of each track from which on to send; what the browser holds is not
            sent again. A track that is sent from 0 on brings its backdrop along, and each record
            its own where that changes.
        view: where the player opens if it does not know the first track yet.
        unit: what a record is: "step", "iteration".

    Returns:
        4 bytes header length (little endian), header (JSON), then of each track its steps
        (int32), curves in the header's order, latents, arrows (float32), examples (float32 or
        uint8) and backdrop (uint8). Each part is padded to a multiple of 4 bytes.
    """
    rows = [slice(max(0, min(k, len(t.steps))), None) for t, k in zip(tracks, first, strict=True)]
    header = {
        "unit": unit,
        "view": asdict(view),
        "tracks": [_header(track, some.start) for track, some in zip(tracks, rows, strict=True)],
    }
    text = _padded(json.dumps(header).encode(), b" ")
    parts = [len(text).to_bytes(4, "little"), text]
    for track, some in zip(tracks, rows, strict=True):
        parts += [_padded(array.tobytes()) for array in _arrays(track, some)]
    return b"".join(parts)


def _header(track: Track, first: int) -> dict[str, Any]:
    points = track.examples.ndim == 3
    return {
        "id": track.id,
        "title": track.title,
        "kind": "points" if points else "pictures",
        "n": track.examples.shape[1],
        "shape": track.examples.shape[2:],
        "first": first,
        "count": len(track.steps) - first,
        "limit": track.limit,
        "curves": [
            {"key": key, "label": CURVES[key][0], "help": CURVES[key][1]} for key in track.curves
        ],
        "arrows": [{"name": name, "term": _TERM_OF.get(name, "")} for name in track.arrows],
        "failures": [asdict(failure) for failure in track.failures],
        "side": track.backdrop.density.shape[-1] if first == 0 or _moves(track) else 0,
        "moving": _moves(track),
        "extent": track.backdrop.extent,
        "axes": track.backdrop.axes,
        "caption": track.backdrop.caption,
    }


def _arrays(track: Track, rows: slice) -> Iterator[np.ndarray]:
    yield track.steps[rows].astype("<i4")
    for values in (*track.curves.values(), track.latents, *track.arrows.values()):
        yield np.ascontiguousarray(values[rows], "<f4")
    points = track.examples.ndim == 3
    yield np.ascontiguousarray(track.examples[rows], "<f4" if points else np.uint8)
    if _moves(track):
        yield np.ascontiguousarray(track.backdrop.density[rows], np.uint8)
    elif rows.start == 0:
        yield np.ascontiguousarray(track.backdrop.density, np.uint8)


def _moves(track: Track) -> bool:
    """Whether what lies beneath the latents changes with the record."""
    return track.backdrop.density.ndim == 3


def _padded(part: bytes, filler: bytes = b"\0") -> bytes:
    return part + filler * (-len(part) % 4)
