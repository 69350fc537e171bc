"""Data sets by name, in memory; each either loads whole or says in one sentence what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn import datasets as sk_datasets
from torch import Tensor

#: Share of unreadable files in a folder of pictures above which it is refused.
MAX_UNREADABLE = 0.01


class DatasetUnavailable(Exception):
    """A data set cannot be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples to learn from and held-out ones.

    Attributes:
        name: what was asked for.
        train: points float32 `(n, dim)`, or images uint8 `(n, channels, size, size)`.
        test: the same, held out.
        skipped: unreadable files left out.
    """

    name: str
    train: Tensor
    test: Tensor
    skipped: int = 0

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.train.shape[1:])


def to_model_range(examples: Tensor) -> Tensor:
    """float32 examples: images from 0..255 to [-1, 1], points as they are."""
    if examples.dtype == torch.uint8:
        return examples.float() / 127.5 - 1
    return examples


@dataclass(frozen=True, slots=True)
class Request:
    """What a loader is asked for: the arguments of `load`."""

    name: str
    data_shape: tuple[int, ...]
    root: Path | None
    download: bool


def load(
    name: str, data_shape: tuple[int, ...], root: Path | None = None, *, download: bool = True
) -> Dataset:
    """The named data set.

    Args:
        name: one of `train.config.DatasetName`.
        data_shape: shape of one example that the model expects; a folder of pictures is fitted
            to it, every other data set must have it.
        root: local folder; for MNIST and Fashion-MNIST None means the environment variable
            LEBM_DATA, and where that is unset too, ./data, which torchvision fills.
        download: False takes what is there and downloads nothing.

    Raises:
        DatasetUnavailable: if it cannot be had or does not fit; the message says what to do.
    """
    if name not in _LOADERS:
        raise DatasetUnavailable(f"no data set {name!r}; there are {', '.join(_LOADERS)}")
    dataset = _LOADERS[name](Request(name, tuple(data_shape), root, download))
    if dataset.data_shape != tuple(data_shape):
        raise DatasetUnavailable(
            f"{name} has examples of shape {dataset.data_shape}, the model expects "
            f"{tuple(data_shape)}: set --model.data-shape accordingly"
        )
    return dataset


def _points(name: str, points: np.ndarray) -> Dataset:
    """12,000 points, standardised to mean 0 and unit mean variance, the last 2,000 held out."""
    centred = points - points.mean(0)
    rows = torch.from_numpy((centred / centred.std()).astype(np.float32))
    return Dataset(name, rows[:10_000], rows[10_000:])


def _pinwheel(request: Request) -> Dataset:
    rng = np.random.default_rng(0)
    arm = rng.integers(5, size=12_000)
    radius, across = 1 + 0.3 * rng.normal(size=12_000), 0.1 * rng.normal(size=12_000)
    angle = 2 * np.pi * arm / 5 + 0.25 * np.exp(radius)
    x = radius * np.cos(angle) - across * np.sin(angle)
    y = radius * np.sin(angle) + across * np.cos(angle)
    return _points(request.name, np.stack([x, y], 1))


def _two_moons(request: Request) -> Dataset:
    points, _ = sk_datasets.make_moons(12_000, noise=0.07, random_state=0)
    return _points(request.name, points)


def _ring(request: Request) -> Dataset:
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * rng.integers(8, size=12_000) / 8
    centres = np.stack([np.cos(angle), np.sin(angle)], 1)
    return _points(request.name, centres + 0.1 * rng.normal(size=centres.shape))


def _digits(request: Request) -> Dataset:
    """1,797 digits with grey values 0 to 16, the last 297 held out."""
    images = sk_datasets.load_digits().images[:, None]
    pixels = torch.from_numpy(np.round(images * (255 / 16)).astype(np.uint8))
    return Dataset(request.name, pixels[:1500], pixels[1500:])


def _torchvision_grey(request: Request) -> Dataset:
    from torchvision import datasets  # a second to import; not needed for embedded data

    name, root = request.name, request.root
    if root is None and os.environ.get("LEBM_DATA"):
        root = Path(os.environ["LEBM_DATA"])
    if root is None and not request.download:
        root = Path("data")
    cls = {"mnist": datasets.MNIST, "fashion-mnist": datasets.FashionMNIST}[name]
    folder = (root or Path("data")) / name.replace("-", "_")
    try:
        splits = [cls(folder, train=train, download=root is None) for train in (True, False)]
    except (RuntimeError, OSError, ValueError, LookupError, AssertionError, EOFError) as error:
        if root is None:
            remedy = (
                "it could not be downloaded; check the network, or put the four idx files into "
                f"{folder / cls.__name__ / 'raw'} and pass --data-root {folder.parent}"
            )
        else:
            remedy = (
                f"no whole copy under {folder / cls.__name__ / 'raw'}; correct --data-root, or "
                "leave it and LEBM_DATA out to download"
            )
        raise DatasetUnavailable(f"{name}: {remedy} ({_first_line(error)})") from error
    train, test = (split.data[:, None] for split in splits)
    if len(train) != 60_000 or len(test) != 10_000:
        raise DatasetUnavailable(
            f"{name}: {len(train)} training and {len(test)} test images in {folder} instead of "
            "60,000 and 10,000; delete the folder and fetch it again"
        )
    return Dataset(name, train, test)


def _image_folder(request: Request) -> Dataset:
    """Every picture below the folder, by path; each tenth is held out.

    Unreadable files are skipped and counted; more than 1 in 100 of them and the folder is
    refused, since then something is wrong with it.
    """
    root = request.root
    if root is None or not root.is_dir():
        raise DatasetUnavailable(
            "image-folder needs a folder of pictures: pass --data-root DIR"
            + (f", {root} is none" if root else "")
        )
    if len(request.data_shape) != 3:
        raise DatasetUnavailable(
            f"image-folder needs a model of images, not of shape {request.data_shape}"
        )
    channels, size, _ = request.data_shape
    endings = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif"}
    files = sorted(p for p in root.rglob("*") if p.suffix.lower() in endings and p.is_file())
    images = [image for file in files if (image := _read_image(file, channels, size)) is not None]
    skipped = len(files) - len(images)
    if len(images) < 20:
        raise DatasetUnavailable(f"{root} holds {len(images)} readable pictures, 20 are needed")
    if skipped > MAX_UNREADABLE * len(files):
        raise DatasetUnavailable(
            f"{skipped} of {len(files)} pictures in {root} cannot be read: repair or remove them"
        )
    pixels = torch.stack(images)
    held_out = torch.arange(len(pixels)) % 10 == 9
    return Dataset(request.name, pixels[~held_out], pixels[held_out], skipped)


def _read_image(file: Path, channels: int, size: int) -> Tensor | None:
    """The picture's centre square at the model's size, uint8 `(channels, size, size)`."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            whole = opened.convert("RGBA") if "transparency" in opened.info else opened
            picture = whole.convert("L" if channels == 1 else "RGB")
        fitted = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return torch.from_numpy(np.array(fitted)).reshape(size, size, channels).permute(2, 0, 1)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


_LOADERS: dict[str, Callable[[Request], Dataset]] = {
    "pinwheel": _pinwheel,
    "two-moons": _two_moons,
    "ring": _ring,
    "digits": _digits,
    "mnist": _torchvision_grey,
    "fashion-mnist": _torchvision_grey,
    "image-folder": _image_folder,
}
