"""Files from somebody else: each is a model or one sentence, and nothing in it is run."""

from __future__ import annotations

import copy
import pickle
import random
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch
from edited_files import (
    FIRST,
    join,
    renamed,
    saved,
    speaking,
    split,
    with_card,
    with_config,
    with_entry,
    with_metadata,
    with_tensors,
    without_metadata,
)
from memory import growth

from lebm.checkpoint import FORMAT_VERSION, CheckpointError, load, loads

LONGEST = 500  # characters of a message


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> bytes:
    return saved(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def amortised(tmp_path_factory) -> bytes:
    """A model with learned samplers."""
    return saved(tmp_path_factory.mktemp("amortised"), amortised=True)


def one_sentence(error: CheckpointError) -> bool:
    message = str(error)
    return 0 < len(message) <= LONGEST and message.isprintable()


def refused(data: bytes) -> str:
    with pytest.raises(CheckpointError) as caught:
        loads(data, name="model.safetensors")
    assert one_sentence(caught.value), caught.value
    assert "model.safetensors" in str(caught.value)
    return str(caught.value)


def put(value: torch.Tensor, name: str = FIRST):
    return lambda tensors: tensors.update({name: value})


NOT_SAFETENSORS = {
    "empty": b"",
    "seven bytes": b"\0" * 7,
    "no header": struct.pack("<Q", 0),
    "header of 2^64 - 1 bytes": b"\xff" * 8 + b"{}",
    "header beyond the end": struct.pack("<Q", 10**6) + b"{}",
    "deep lists": join(b"[" * 200_000),
    "deep objects": join(b'{"a":' * 200_000),
    "a number of 5000 digits": join(b"1" * 5000),
    "a list": join(b"[]"),
    "null": join(b"null"),
    "not UTF-8": join(b'{"\xff": 1}'),
    "a zip": b"PK\x03\x04" + b"\0" * 100,
    "text": b"import os\n" * 50,
}


@pytest.mark.parametrize("data", NOT_SAFETENSORS.values(), ids=NOT_SAFETENSORS.keys())
def test_what_is_no_safetensors_file_is_refused(data):
    assert "not a safetensors file" in refused(data)


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_refused(seed):
    refused(random.Random(seed).randbytes(2000))


def test_a_file_cut_anywhere_is_refused(good):
    for length in [*range(0, len(good), 37), len(good) - 1]:
        refused(good[:length])


def test_bytes_after_the_end_are_refused(good):
    refused(good + b"\0")


def dump_plain(obj: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(obj))


@pytest.mark.parametrize("dump", [dump_plain, torch.save])
def test_a_pickle_is_refused_and_its_payload_is_not_run(dump, tmp_path):
    marker, path = tmp_path / "payload-ran", tmp_path / "model.safetensors"

    class Payload:
        def __reduce__(self):
            return Path.touch, (marker,)

    dump(Payload(), path)
    with pytest.raises(CheckpointError, match="nothing in it was run"):
        load(path)
    assert not marker.exists()


BAD_METADATA = {
    "metadata is a list": lambda d: join(split(d)[0] | {"__metadata__": []}, split(d)[1]),
    "no metadata": lambda d: join({k: v for k, v in split(d)[0].items() if k[0] != "_"}),
    "another format": lambda d: with_metadata(d, format="pt"),
    "no version": lambda d: without_metadata(d, "format_version"),
    "version in words": lambda d: with_metadata(d, format_version="one"),
    "version a number": lambda d: with_metadata(d, format_version=1),
    "version of 10,000 digits": lambda d: with_metadata(d, format_version="1" * 10_000),
    "no config": lambda d: without_metadata(d, "config"),
    "config empty": lambda d: with_metadata(d, config=""),
    "config a number": lambda d: with_metadata(d, config=5),
    "config a list": lambda d: with_metadata(d, config=[1]),
    "config not encodable": lambda d: with_metadata(d, config="\ud800"),
    "config nested deeply": lambda d: with_metadata(d, config='{"a":' * 100_000),
    "no card": lambda d: without_metadata(d, "card"),
    "card of other fields": lambda d: with_metadata(d, card="{}"),
    "card true": lambda d: with_metadata(d, card=True),
    "card nested deeply": lambda d: with_card(d).replace(b"minutes", b"[" * 1000),
    "card sampler": lambda d: with_card(d, prior_sampler={"n_steps": -1, "step_size": 0.1}),
    "card sampler of strings": lambda d: with_card(d, prior_sampler={"n_steps": "1"}),
    "card sampler without end": lambda d: with_card(
        d, prior_sampler={"n_steps": 10**12, "step_size": 0.1}
    ),
    "card fact a list": lambda d: with_card(d, facts={"minutes": [1]}),
    "card name a number": lambda d: with_card(d, name=7),
}


@pytest.mark.parametrize("change", BAD_METADATA.values(), ids=BAD_METADATA.keys())
def test_bad_metadata_are_refused(change, good):
    refused(change(good))


BAD_CONFIG = {
    "field missing": {"latent_dim": None},
    "a string": {"latent_dim": "2"},
    "a fraction": {"latent_dim": 2.5},
    "zero": {"latent_dim": 0},
    "30 digits": {"latent_dim": 10**30},
    "negative noise_std": {"noise_std": -0.3},
    "zero noise_std": {"noise_std": 0},
    "an activation in two lines": {"prior_activation": "relu\nand more"},
    "an activation of 100,000 letters": {"prior_activation": "a" * 100_000},
    "no shape": {"data_shape": []},
    "a shape of 10,000 axes": {"data_shape": [1] * 10_000},
    "a prior of no kind": {"prior": "flat"},
    "a prior without its weights": {"prior": "mixture"},
    "a prior that leaves weights over": {"prior": "gaussian"},
    "a mixture of none": {"prior": "mixture", "mixture_components": 0},
    "a mixture beyond all memory": {
        "prior": "mixture",
        "mixture_components": 65_536,
        "latent_dim": 65_536,
    },
    "no layers": {"latent_layers": 0},
    "layers without their weights": {"latent_layers": 2},
    "learned samplers without their weights": {"amortised": True},
    "learned samplers by a word": {"amortised": "yes"},
    "learned samplers of one dimension": {"amortised": True, "latent_dim": 1},
    "a flat image": {"data_shape": [28, 28]},
    "an image of 27 pixels": {"data_shape": [1, 27, 27]},
    "a shape of strings": {"data_shape": ["2"]},
    "sentences without their weights": {"text": {}},
    "sentences of pictures": {"text": {}, "data_shape": [1, 8, 8]},
    "a vocabulary of numbers": {"text": {"vocabulary": {"words": [1]}}},
    "a word twice": {"text": {"vocabulary": {"words": ["a", "a"]}}},
    "a word of 100,000 letters": {"text": {"vocabulary": {"words": ["a" * 100_000]}}},
    "a word in two lines": {"text": {"vocabulary": {"words": ["a\nb"]}}},
    "vectors beyond all memory": {"text": {"embedding_dim": 2**62}},
}


@pytest.mark.parametrize("change", BAD_CONFIG.values(), ids=BAD_CONFIG.keys())
def test_a_bad_config_is_refused(change, good):
    refused(with_config(good, **change))


@pytest.mark.parametrize(
    "sizes",
    [
        {"latent_dim": 8_192, "prior_hidden": 8_192},
        {"latent_dim": 65_536, "prior_hidden": 65_536},
        {"latent_dim": 65_536, "width": 65_536, "data_shape": [3, 128, 128]},
        {"width": 65_536, "data_shape": [65_536]},
        {"amortised": True, "latent_dim": 65_536, "prior_hidden": 65_536},
    ],
)
def test_a_config_of_absurd_size_takes_no_memory(sizes, good):
    """The smallest of these models has 500 MB of weights."""
    data = with_config(good, **sizes)
    with growth() as taken:
        refused(data)
    assert taken.most < 100e6


BAD_TENSORS = {
    "another shape": put(torch.zeros(5)),
    "transposed": put(torch.zeros(2, 4).contiguous(), "generator.net.0.weight"),
    "float64": put(torch.zeros(4, dtype=torch.float64)),
    "float16": put(torch.zeros(4, dtype=torch.float16)),
    "int32": put(torch.zeros(4, dtype=torch.int32)),
    "scalar": put(torch.tensor(0.0)),
    "empty": put(torch.zeros(0)),
    "NaN": put(torch.tensor([0.0, 0, 0, torch.nan])),
    "infinite": put(torch.tensor([0.0, 0, 0, -torch.inf])),
    "one too many": put(torch.zeros(1), "extra"),
    "one missing": lambda tensors: tensors.pop(FIRST),
    "none": lambda tensors: tensors.clear(),
}


@pytest.mark.parametrize("change", BAD_TENSORS.values(), ids=BAD_TENSORS.keys())
def test_weights_that_are_not_the_config_s_are_refused(change, good):
    refused(with_tensors(good, change))


@pytest.mark.parametrize("value", [torch.zeros(5), torch.full((23,), torch.nan)])
def test_weights_of_learned_samplers_are_checked_as_the_others(value, amortised):
    assert loads(amortised)[0].amortised is not None
    name = "amortised.synthesis.conditioners.0.4.bias"
    assert name in refused(with_tensors(amortised, put(value, name)))
    assert "names differ" in refused(with_config(amortised, amortised=False))


BAD_HEADERS = {
    "name in two lines": lambda d: renamed(d, "a\nb"),
    "name of 100,000 letters": lambda d: renamed(d, "a" * 100_000),
    "unknown type": lambda d: with_entry(d, dtype="F31"),
    "type in two lines": lambda d: with_entry(d, dtype="F31\nand more"),
    "type of another size": lambda d: with_entry(d, dtype="BF16"),
    "offsets beyond the end": lambda d: with_entry(d, data_offsets=[0, 10**15]),
    "offsets backwards": lambda d: with_entry(d, data_offsets=[16, 0]),
    "negative offsets": lambda d: with_entry(d, data_offsets=[-16, 0]),
    "shape that overflows": lambda d: with_entry(d, shape=[2**62, 2**62]),
    "negative shape": lambda d: with_entry(d, shape=[-4]),
    "two tensors in one place": lambda d: with_entry(
        d, "extra", dtype="F32", shape=[1], data_offsets=[0, 4]
    ),
}


@pytest.mark.parametrize("change", BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_a_header_that_lies_is_refused(change, good):
    refused(change(good))


def test_a_newer_version_asks_for_a_newer_program(good):
    newer = str(FORMAT_VERSION + 1)
    message = refused(with_metadata(good, format_version=newer))
    assert newer in message
    assert "update" in message


def test_a_vocabulary_that_is_not_the_weights_is_refused(tmp_path):
    longer = {"embedding_dim": 4, "vocabulary": {"words": ["a", "b", "c"]}}
    message = refused(with_config(speaking(tmp_path), text=longer))
    assert "words is torch.float32 (4, 4), its config asks for torch.float32 (5, 4)" in message


def test_a_foreign_safetensors_file_is_named_as_such():
    data = safetensors.torch.save({"weight": torch.zeros(3)}, {"format": "pt"})
    assert "not a model of this library" in refused(data)


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, Path.touch])
def test_a_path_without_a_model_is_refused(make, tmp_path):
    path = tmp_path / "model.safetensors"
    make(path)
    with pytest.raises(CheckpointError, match=r"model\.safetensors") as caught:
        load(path)
    assert one_sentence(caught.value)


def test_a_file_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)  # sparse
    with pytest.raises(CheckpointError, match="3221225472 bytes"):
        load(path)


def mutated(data: bytes, rng: random.Random, region: tuple[int, int]) -> bytes:
    """Bytes changed, left out, put in, or swapped with others, somewhere in a region."""
    start, length = rng.randrange(*region), rng.randint(1, 8)
    kind = rng.choice(("change", "drop", "insert", "swap"))
    if kind == "swap":
        other = rng.randrange(*region)
        swapped = bytearray(data)
        swapped[start], swapped[other] = data[other], data[start]
        return bytes(swapped)
    middle = b"" if kind == "drop" else rng.randbytes(length)
    rest = data[start:] if kind == "insert" else data[start + length :]
    return data[:start] + middle + rest


@pytest.mark.parametrize(("kind", "trials"), [("good", 1000), ("amortised", 250)])
def test_mutations_load_or_are_refused(kind, trials, request):
    """Damage to the header and to the weights by turns: a model or one sentence comes of it."""
    good, rng, errors = request.getfixturevalue(kind), random.Random(0), []
    weights_at = len(good) - len(split(good)[1])
    for trial in range(trials):
        data, region = good, (0, weights_at) if trial % 2 else (weights_at, len(good))
        for _ in range(rng.randint(1, 3)):
            data = mutated(data, rng, (region[0], min(region[1], len(data))))
        try:
            loads(data)
        except CheckpointError as error:
            errors.append(error)
    assert 0.5 * trials < len(errors) < 0.95 * trials
    assert [error for error in errors if not one_sentence(error)] == []


def test_the_helpers_alone_change_nothing(good):
    for same in (join(*split(copy.copy(good))), with_config(good), with_card(good)):
        assert loads(same)[1].name == "good"
    assert loads(with_tensors(good, lambda tensors: None))[1].name == "good"
