"""Model files made, taken apart, and put together again with something changed."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from lebm.checkpoint import ModelCard, save
from lebm.decoder import TextConfig
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.vocabulary import Vocabulary

FIRST = "generator.net.0.bias"  # the tensor that the header lists first, `(4,)`


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def join(header: bytes | dict[str, Any], body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def with_metadata(data: bytes, **changes: Any) -> bytes:
    header, body = split(data)
    header["__metadata__"] |= changes
    return join(header, body)


def without_metadata(data: bytes, name: str) -> bytes:
    header, body = split(data)
    del header["__metadata__"][name]
    return join(header, body)


def with_config(data: bytes, **changes: Any) -> bytes:
    config = json.loads(split(data)[0]["__metadata__"]["config"])
    return with_metadata(data, config=json.dumps(config | changes))


def with_card(data: bytes, **changes: Any) -> bytes:
    card = json.loads(split(data)[0]["__metadata__"]["card"])
    return with_metadata(data, card=json.dumps(card | changes))


def with_entry(data: bytes, name: str = FIRST, **changes: Any) -> bytes:
    header, body = split(data)
    header[name] = header.get(name, {}) | changes
    return join(header, body)


def with_tensors(data: bytes, change) -> bytes:
    """The same metadata over tensors that `change` has altered."""
    tensors = safetensors.torch.load(data)
    change(tensors)
    return safetensors.torch.save(tensors, split(data)[0]["__metadata__"])


def renamed(data: bytes, name: str) -> bytes:
    header, body = split(data)
    header[name] = header.pop(FIRST)
    return join(header, body)


def saved(folder: Path, **others: Any) -> bytes:
    """A small model of points, as its file."""
    torch.manual_seed(0)
    model = LatentEBM(ModelConfig(2, (2,), width=4, prior_hidden=4, **others))
    sampler, path = LangevinConfig(3, 0.1), folder / "good.safetensors"
    save(path, model, ModelCard("good", sampler, sampler, sampler, facts={"minutes": 1}))
    return path.read_bytes()


def speaking(folder: Path) -> bytes:
    """A small model of sentences of two words, as its file."""
    text = TextConfig(4, vocabulary=Vocabulary(("a", "b")))
    model = LatentEBM(ModelConfig(2, (4,), width=4, prior_hidden=4, text=text))
    sampler, path = LangevinConfig(3, 0.1), folder / "text.safetensors"
    save(path, model, ModelCard("text", sampler, sampler, sampler))
    return path.read_bytes()
