"""Pictures from folders and archives, decoded once into a file that is mapped into memory.

Archives are read as a stream: no member is unpacked to disk, names are data, and the sizes of
members are limited.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
import numpy as np
import torch
from PIL import Image
from PIL.Image import Resampling
from torch import Tensor

from train.data.base import DatasetUnavailable
from train.pictures import fit_square

#: Share of unreadable pictures above which a folder or an archive is refused.
MAX_UNREADABLE = 0.01
ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif"}
_MAX_PICTURE = 2**24  # bytes of one file
_MAX_MEMBERS = 1_000_000
_NAMED = 3  # of the pictures that cannot be read
_CHUNK = 1000  # images that are written together
_DAY = 86_400  # seconds; nothing is decoded for so long

Split = Callable[[str], Literal["train", "test"] | None]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a cache holds."""

    train: int
    test: int
    skipped: int


def decoded(
    source: Path, split: Split, shape: tuple[int, ...], *, recipe: str
) -> tuple[Tensor, Tensor, int]:
    """Training and test images of a folder or a tar archive, uint8, and how many were unreadable.

    They are decoded the first time and mapped from a file ever after: under LEBM_CACHE, or
    `~/.cache/lebm`. The file is another one when the source changes. Both parts are shuffled,
    always alike: a source may be sorted by class, and the first n of a part stand for all of it.

    Args:
        source: the folder or the archive.
        split: says by a picture's path inside the source whether it is learned from, held out
            or left out (None); asked once for each, in the order of the source.
        shape: `(channels, size, size)`.
        recipe: a name for this way of splitting and cropping; part of the file's name.

    Raises:
        DatasetUnavailable: if the source is damaged, holds too few pictures, or cannot be kept.
    """
    text = f"shuffled {recipe} {shape} {_fingerprint(source)}"
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    folder = cache_folder() / f"{recipe}-{key}"
    counts = _counts(folder, shape)
    if counts is None:
        counts = _decode(source, split, shape, folder)
    train, test = (_mapped(folder / part, shape) for part in ("train", "test"))
    return train, test, counts.skipped


def cache_folder() -> Path:
    """Where decoded pictures are kept."""
    return Path(os.environ.get("LEBM_CACHE") or Path.home() / ".cache" / "lebm")


def _fingerprint(source: Path) -> str:
    """Changes whenever a file is added, removed or written."""
    source = source.resolve()
    files = (p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    stats = ((file, file.stat()) for file in sorted(files))
    text = "\n".join(f"{file} {s.st_size} {s.st_mtime_ns}" for file, s in stats)
    return hashlib.sha256(text.encode()).hexdigest()


def _counts(folder: Path, shape: tuple[int, ...]) -> Counts | None:
    """What the cache in a folder holds, if it is whole."""
    try:
        counts = msgspec.json.decode((folder / "counts.json").read_bytes(), type=Counts)
        sizes = [(folder / part).stat().st_size for part in ("train", "test")]
    except (OSError, msgspec.DecodeError):
        return None
    whole = [n * int(np.prod(shape)) for n in (counts.train, counts.test)]
    return counts if sizes == whole else None


def _decode(source: Path, split: Split, shape: tuple[int, ...], folder: Path) -> Counts:
    """Decode everything into a new folder, which appears whole or not at all."""
    print(f"decoding the pictures of {source}, once; this can take minutes", file=sys.stderr)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clear_away(folder.parent.glob(f".{folder.name}-*"))
        work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    except OSError as error:
        raise _unkept(folder, error) from error
    try:
        with (work / "train").open("wb") as train, (work / "test").open("wb") as test:
            counts = _write(source, split, shape, {"train": train, "test": test})
        for part in ("train", "test"):
            _shuffle(work / part, shape)
        (work / "counts.json").write_bytes(msgspec.json.encode(asdict(counts)))
        _keep(work, folder, shape)
    except OSError as error:
        raise _unkept(folder, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return counts


def _clear_away(works: Iterator[Path]) -> None:
    """Delete what processes left that were killed while they decoded."""
    for work in works:
        if work.stat().st_mtime < time.time() - _DAY:
            shutil.rmtree(work, ignore_errors=True)


def _shuffle(file: Path, shape: tuple[int, ...]) -> None:
    """Put a file's images into an order that is random and always the same."""
    images = np.memmap(file, np.uint8, "r").reshape(-1, *shape)
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = file.with_suffix(".shuffled")
    with shuffled.open("wb") as to:
        for start in range(0, len(order), _CHUNK):
            to.write(images[order[start : start + _CHUNK]].tobytes())
    shuffled.replace(file)


def _keep(work: Path, folder: Path, shape: tuple[int, ...]) -> None:
    """Give what was decoded its name, unless another process came first: its files are in use."""
    if _counts(folder, shape) is not None:
        return
    shutil.rmtree(folder, ignore_errors=True)  # damaged
    try:
        work.rename(folder)
    except OSError:
        if _counts(folder, shape) is None:
            raise


def _write(
    source: Path, split: Split, shape: tuple[int, ...], files: dict[str, BinaryIO]
) -> Counts:
    channels, size, _ = shape
    done = {"train": 0, "test": 0}
    unreadable = []
    for name, data in pictures(source):
        part = split(name)
        if part is None:
            continue
        image = _read(data, channels, size)
        if image is None:
            unreadable.append(name)
            continue
        files[part].write(image.contiguous().numpy().tobytes())
        done[part] += 1
    n = done["train"] + done["test"]
    if min(done.values()) == 0:
        raise DatasetUnavailable(
            f"{source} holds {done['train']} readable pictures to learn from and {done['test']} "
            "held-out ones: is it the right folder?"
        )
    skipped = len(unreadable)
    if skipped > MAX_UNREADABLE * (n + skipped):
        named = ", ".join(repr(name[:200]) for name in unreadable[:_NAMED])
        raise DatasetUnavailable(
            f"{skipped} of {n + skipped} pictures in {source} cannot be read "
            f"({named}{', ...' if skipped > _NAMED else ''}): "
            + ("repair or remove them" if source.is_dir() else "fetch it again")
        )
    return Counts(done["train"], done["test"], skipped)


def _unkept(folder: Path, error: OSError) -> DatasetUnavailable:
    return DatasetUnavailable(
        f"decoded pictures cannot be kept in {folder.parent} ({error.strerror}): make room, or set "
        "LEBM_CACHE to another folder"
    )


def _mapped(file: Path, shape: tuple[int, ...]) -> Tensor:
    """All images in a file, read where they are used and never written."""
    n = file.stat().st_size // int(np.prod(shape))
    flat = torch.from_file(str(file), shared=False, size=n * int(np.prod(shape)), dtype=torch.uint8)
    return flat.view(n, *shape)


def pictures(source: Path) -> Iterator[tuple[str, bytes]]:
    """Path inside the source and content of every picture in a folder or a tar archive.

    Of a file in a folder that is too large to be a picture nothing is read: it is unreadable.

    Raises:
        DatasetUnavailable: if the archive is damaged or made to fill the memory.
    """
    if source.is_dir():
        for file in sorted(source.rglob("*")):
            if file.suffix.lower() in ENDINGS and file.is_file():
                small = file.stat().st_size <= _MAX_PICTURE
                yield file.relative_to(source).as_posix(), file.read_bytes() if small else b""
        return
    try:
        with tarfile.open(source, "r|*") as archive:
            for number, member in enumerate(archive):
                if number >= _MAX_MEMBERS or member.size > _MAX_PICTURE:
                    raise DatasetUnavailable(
                        f"{source} holds more or larger files than an archive of pictures has"
                    )
                content = archive.extractfile(member) if member.isreg() else None
                if content is not None and Path(member.name).suffix.lower() in ENDINGS:
                    yield member.name, content.read()
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error, ValueError) as error:
        raise DatasetUnavailable(f"{source} is damaged or cut short: fetch it again") from error


def _read(data: bytes, channels: int, size: int) -> Tensor | None:
    """The picture's centre square at the model's size, uint8 `(channels, size, size)`."""
    try:
        with Image.open(BytesIO(data)) as opened:
            return fit_square(opened, channels, size, Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
