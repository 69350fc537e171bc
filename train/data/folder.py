"""A folder of one's own pictures."""

from __future__ import annotations

from itertools import count
from typing import Literal

from train.data.base import Dataset, DatasetUnavailable, Request
from train.data.files import decoded

_FEWEST = 20


def image_folder(request: Request) -> Dataset:
    """Every picture below the folder; each tenth by path is held out.

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
    seen = count(1)

    def split(name: str) -> Literal["train", "test"]:
        return "test" if next(seen) % 10 == 0 else "train"

    train, test, skipped = decoded(root, split, request.data_shape, recipe="image-folder")
    if (n := len(train) + len(test)) < _FEWEST:
        raise DatasetUnavailable(
            f"{root} holds {n} readable pictures, {_FEWEST} are needed to learn from them"
        )
    return Dataset(request.name, train, test, skipped)
