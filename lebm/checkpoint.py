"""One `.safetensors` file a model: weights, and in its metadata config, version and card.

Nothing is ever unpickled. A file is data from somebody else until every check has passed, and
no more memory is taken than the file itself holds.
"""

from __future__ import annotations

import json
import math
import os
import struct
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.versions import unread_settings

FORMAT = "lebm"
#: 2 adds priors that are no network and layers of latents, 3 learned samplers, 4 sentences, 5 the
#: scale and shift at the end of the synthesis flow.
FORMAT_VERSION = 5
_MAX_HEADER = 2**22  # bytes of names, shapes, card and vocabulary
_MOST_STEPS = 100_000  # of the chains that whoever opens a model runs without being asked
PARTIAL = ".partial"  # how a file is called until it is whole
MAX_BYTES = 2**31  # a file beyond 2 GiB is no model of this library

T = TypeVar("T")


class CheckpointError(Exception):
    """A checkpoint cannot be used; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Where a model comes from and how to run it; stored beside its weights."""

    name: str
    """Short name, such as "mnist"."""
    prior_sampler: LangevinConfig
    """The prior chain it was trained with (K_0, s_0)."""
    posterior_sampler: LangevinConfig
    """The posterior chain it was trained with (K_1, s_1)."""
    reconstruction_sampler: LangevinConfig
    """The posterior chain from p_0 noise that reconstructs with it."""
    facts: dict[str, str | int | float] = field(default_factory=dict)
    """Data, command, hardware, minutes, test MSE, parameter counts: label -> value."""

    def __post_init__(self) -> None:
        for sampler in (self.prior_sampler, self.posterior_sampler, self.reconstruction_sampler):
            if sampler.n_steps > _MOST_STEPS:
                raise ValueError(
                    f"a model's own chains take at most {_MOST_STEPS:,} steps, not "
                    f"{sampler.n_steps:,}"
                )


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file so that a kill or a full disk leaves the old one or the new one, whole.

    A kill may also leave a hidden file beside it, which ends in `PARTIAL` and is nobody's.

    Raises:
        OSError: if it cannot be written; the old file is then untouched.
    """
    path = Path(path)
    try:
        _replace(path, data)
    except OSError as error:  # it may name the hidden file, which nobody asked for
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(path: Path, data: bytes) -> None:
    """Write beside the file, then take its place."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def save(path: Path, model: LatentEBM, card: ModelCard) -> None:
    """Write model and card to `path`, atomically.

    Raises:
        OSError: if the file cannot be written.
    """
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()
    }
    facts = {key: _finite_or_text(value) for key, value in card.facts.items()}
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "config": msgspec.json.encode(model.config).decode(),
        "card": msgspec.json.encode(replace(card, facts=facts)).decode(),
    }
    atomic_write(path, save_safetensors(tensors, metadata))


def load(path: Path, *, name: str = "") -> tuple[LatentEBM, ModelCard]:
    """The model and card in a file, on the CPU in float32, ready for sampling.

    Args:
        path: the file.
        name: what the error messages call it; without one, by its name in its folder, so that they
            may be shown to people who have no business with the folder.

    Raises:
        CheckpointError: if the file is missing, too large, not safetensors, truncated, of another
            format or a newer version, or if its config, names, shapes, types or values are off.
    """
    path = Path(path)
    name = name or path.name
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise CheckpointError(f"{name} has {size} bytes, more than any model of ours")
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{name} cannot be read: {error.strerror}") from error
    return loads(data, name=name)


def loads(data: bytes, *, name: str = "the file") -> tuple[LatentEBM, ModelCard]:
    """As `load`, from bytes (an upload); `name` stands in the error messages.

    Raises:
        CheckpointError: as `load`.
    """
    metadata = _metadata(data, name)
    config = _parse(ModelConfig, metadata.get("config"), f"{name}: config")
    card = _parse(ModelCard, metadata.get("card"), f"{name}: card")
    try:
        with torch.device("meta"):  # no memory yet, however large the config says it is
            model = LatentEBM(config)
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(f"{name}: no such model can be built: {_brief(error)}") from error
    try:
        tensors = load_safetensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{name} is damaged: {_brief(error)}") from error
    if ignored := unread_settings(metadata["config"], config):
        said = _brief(", ".join(ignored))
        card = replace(card, facts=card.facts | {"settings that this version ignores": said})
    if config.amortised and int(metadata["format_version"]) < 5:
        identity = torch.zeros(config.latent_dim)
        for last in ("shift", "log_scale"):
            tensors.setdefault(f"amortised.synthesis.{last}", identity.clone())
    _check_tensors(tensors, model.state_dict(), name)
    model.load_state_dict(tensors, assign=True)
    model.to(memory_format=torch.channels_last)
    return model.requires_grad_(False).eval(), card


def _metadata(data: bytes, name: str) -> dict[str, str]:
    """The header's metadata, read without touching a tensor."""
    try:
        (length,) = struct.unpack("<Q", data[:8])
        if length > min(len(data) - 8, _MAX_HEADER):
            raise ValueError("header longer than the file, or than any of ours")
        header = json.loads(data[8 : 8 + length])
        metadata = header.get("__metadata__", {})
    except (struct.error, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{name} is not a safetensors file, or it is cut short; nothing in it was run"
        ) from error
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise CheckpointError(f"{name} is a safetensors file, but not a model of this library")
    version = metadata.get("format_version", "")
    if not (isinstance(version, str) and version.isdecimal() and len(version) < 9):
        raise CheckpointError(f"{name} does not state its format version")
    if int(version) > FORMAT_VERSION:
        raise CheckpointError(
            f"{name} has format version {version}, this program reads up to {FORMAT_VERSION}: "
            "update the program"
        )
    return metadata


def _parse(cls: type[T], text: str | None, where: str) -> T:
    """A dataclass from its JSON, every field of its type and in its range."""
    try:
        return msgspec.json.decode(text if isinstance(text, str) else "", type=cls)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise CheckpointError(f"{where} is not valid: {_brief(error)}") from error


def _finite_or_text(value: str | int | float) -> str | int | float:
    """JSON has no NaN and no infinity; as text they survive."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _brief(said: object) -> str:
    """Its first words: an error may quote the file, at any length."""
    text = " ".join(str(said).split())
    return text if len(text) <= 160 else f"{text[:160]} …"


def _check_tensors(tensors: dict[str, Tensor], expected: dict[str, Tensor], name: str) -> None:
    """Raise unless names, shapes and types are the model's and every value is finite."""
    if tensors.keys() != expected.keys():
        odd = sorted(tensors.keys() ^ expected.keys())
        raise CheckpointError(
            f"{name} does not hold the weights its config describes: {len(odd)} names differ, "
            f"the first is {odd[0][:80]!r}"
        )
    for key, want in expected.items():
        have = tensors[key]
        if have.shape != want.shape or have.dtype != want.dtype:
            raise CheckpointError(
                f"{name}: {key} is {have.dtype} {tuple(have.shape)}, "
                f"its config asks for {want.dtype} {tuple(want.shape)}"
            )
        if not torch.isfinite(have).all():
            raise CheckpointError(f"{name}: {key} holds NaN or infinite weights")
