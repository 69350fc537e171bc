"""MNIST, Fashion-MNIST, SVHN and CIFAR-10 through torchvision, and CIFAR-10 as JPEG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from train.data.base import Dataset, DatasetUnavailable, Request, in_one_line, local_root
from train.data.files import decoded

#: What reading damaged copies raises, in torchvision and in what it reads with.
_DAMAGED = (RuntimeError, OSError, ValueError, LookupError, AssertionError, EOFError, TypeError)
CIFAR10_COUNTS = (50_000, 10_000)
SVHN_COUNTS = (73_257, 26_032)


def mnist(request: Request) -> Dataset:
    """MNIST or Fashion-MNIST: 60,000 and 10,000 grey images of 28 pixels."""
    from torchvision import datasets  # a second to import; not needed for embedded data

    cls = {"mnist": datasets.MNIST, "fashion-mnist": datasets.FashionMNIST}[request.name]
    folder = request.name.replace("-", "_")
    files = f"the four idx files into DIR/{folder}/{cls.__name__}/raw"
    place = f"{folder}/{cls.__name__}/raw"
    options = [{"train": train} for train in _BOTH]
    splits = _torchvision(request, folder, place, files, cls, options)
    images = [split.data[:, None] for split in splits]
    return _counted(request, folder, images, (60_000, 10_000), [s.targets for s in splits])


def svhn(request: Request) -> Dataset:
    """Street View House Numbers, cropped: 73,257 and 26,032 colour images of 32 pixels."""
    from torchvision import datasets

    files = "train_32x32.mat and test_32x32.mat into DIR/svhn"
    options = [{"split": split} for split in ("train", "test")]
    splits = _torchvision(request, "svhn", "svhn", files, datasets.SVHN, options)
    images = [torch.from_numpy(split.data) for split in splits]
    return _counted(request, "svhn", images, SVHN_COUNTS, [s.labels for s in splits])


def cifar10(request: Request) -> Dataset:
    """CIFAR-10: 50,000 and 10,000 colour images of 32 pixels; its batches, or JPEG copies."""
    from torchvision import datasets

    root = local_root(request)
    if root is not None and not (root / "cifar10").exists() and (root / "cifar10_jpeg").exists():
        return _cifar10_jpeg(request, root / "cifar10_jpeg")
    files = "its folder cifar-10-batches-py into DIR/cifar10"
    options = [{"train": train} for train in _BOTH]
    splits = _torchvision(request, "cifar10", "cifar10", files, datasets.CIFAR10, options)
    images = [torch.from_numpy(s.data).permute(0, 3, 1, 2).contiguous() for s in splits]
    return _counted(request, "cifar10", images, CIFAR10_COUNTS, [s.targets for s in splits])


_BOTH = (True, False)


def _torchvision(
    request: Request, folder: str, place: str, files: str, cls: Any, options: list[dict[str, Any]]
) -> list[Any]:
    """torchvision's training and test splits, from the local root or downloaded."""
    root = local_root(request)
    where = (root or Path("data")) / folder
    try:
        return [cls(where, download=root is None, **option) for option in options]
    except _DAMAGED as error:
        if root is None:
            _remove_empty(where)
            remedy = (
                f"it could not be downloaded; check the network, or put {files} and pass "
                "--data-root DIR"
            )
        else:
            remedy = (
                f"no whole copy under {root / place}; correct --data-root, or leave it and "
                "LEBM_DATA out to download"
            )
        raise DatasetUnavailable(f"{request.name}: {remedy} ({in_one_line(error)})") from error


def _remove_empty(folder: Path) -> None:
    """Remove what a failed download leaves of folders without a file in them."""
    for path in sorted([folder, *folder.rglob("*")], reverse=True):  # the deepest first
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _counted(
    request: Request,
    folder: str,
    splits: list[Tensor],
    counts: tuple[int, int],
    classes: list[Any] | None = None,
) -> Dataset:
    train, test = splits
    if (len(train), len(test)) != counts:
        where = (local_root(request) or Path("data")) / folder
        raise DatasetUnavailable(
            f"{request.name}: {len(train)} training and {len(test)} test images in {where} instead "
            f"of {counts[0]:,} and {counts[1]:,}; delete the folder and fetch it again"
        )
    labels = None
    if classes is not None:
        first, second = (torch.as_tensor(each, dtype=torch.int64) for each in classes)
        labels = (first, second)
    return Dataset(request.name, train, test, labels=labels)


def _cifar10_jpeg(request: Request, folder: Path) -> Dataset:
    """The images as JPEG files under train/ and test/, in a folder or in a tar archive there."""
    archives = sorted(folder.glob("*.tar*"))
    source = archives[0] if archives and not (folder / "train").exists() else folder
    train, test, skipped = decoded(
        source,
        lambda name: {"train": "train", "test": "test"}.get(name.split("/")[0]),  # type: ignore
        (3, 32, 32),
        recipe="cifar10-jpeg",
    )
    whole = _counted(request, "cifar10_jpeg", [train, test], CIFAR10_COUNTS)
    return Dataset(
        whole.name,
        train,
        test,
        skipped,
        note="JPEG copies of CIFAR-10: distances to them cannot be compared with published ones",
    )
