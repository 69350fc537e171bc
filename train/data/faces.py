"""CelebA, aligned and cropped, at any size of the model's."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from train.data.base import Dataset, DatasetUnavailable, Request, in_one_line, local_root
from train.data.files import decoded

#: Pictures up to the first number are for training, those from the second on for testing, the
#: rest for validation: the official partition (list_eval_partition.txt).
_LAST_TRAIN, _FIRST_TEST = 162_770, 182_638
_LAST_SMALL_TRAIN = 9_000


def celeba(request: Request) -> Dataset:
    """Faces: the centre square of the 178x218 pictures, resized (bilinear) to the model's size.

    That is the crop of the authors' public scripts, Resize then CenterCrop. All 162,770 training
    pictures are learned from (the scripts take 40,000 at 64 pixels and 30,000 at 128), and the
    official test pictures are held out.
    """
    if len(request.data_shape) != 3:
        raise DatasetUnavailable(
            f"celeba needs a model of images, not of shape {request.data_shape}"
        )
    root = local_root(request)
    if root is None:
        root = _download(Path("data"))
    whole, small = root / "celeba" / "img_align_celeba", root / "celeba_small"
    if whole.is_dir():
        train, test, skipped = decoded(whole, _official, request.data_shape, recipe="celeba")
        return Dataset(request.name, train, test, skipped)
    if small.is_dir():
        archives = sorted(small.glob("*.tar*"))
        source = archives[0] if archives else small
        train, test, skipped = decoded(source, _small, request.data_shape, recipe="celeba-small")
        note = "10,000 faces of CelebA at half their size, as JPEG again; the last 1,000 held out"
        return Dataset(request.name, train, test, skipped, note)
    raise DatasetUnavailable(
        f"celeba: no pictures under {whole}; unpack img_align_celeba.zip there, or correct "
        "--data-root"
    )


def _official(name: str) -> Literal["train", "test"] | None:
    number = _number(name)
    if number is None or _LAST_TRAIN < number < _FIRST_TEST:
        return None
    return "train" if number <= _LAST_TRAIN else "test"


def _small(name: str) -> Literal["train", "test"] | None:
    number = _number(name)
    if number is None:
        return None
    return "train" if number <= _LAST_SMALL_TRAIN else "test"


def _number(name: str) -> int | None:
    """Of a picture such as "img_align_celeba/000123.jpg"."""
    stem = Path(name).stem
    return int(stem) if stem.isdecimal() and len(stem) < 9 else None


def _download(root: Path) -> Path:
    """Fetch CelebA through torchvision; it comes from Google Drive, which often refuses."""
    from torchvision import datasets

    try:
        datasets.CelebA(root, split="all", download=True)
    except (RuntimeError, OSError, ValueError, ImportError) as error:
        raise DatasetUnavailable(
            "celeba: it could not be downloaded; fetch img_align_celeba.zip from its home page, "
            "unpack it into DIR/celeba and pass --data-root DIR "
            f"({in_one_line(error)})"
        ) from error
    return root
