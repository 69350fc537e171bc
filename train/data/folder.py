"""A folder of one's own pictures."""

from __future__ import annotations

import torch

from train.data.base import Dataset, DatasetUnavailable, Request
from train.data.files import ENDINGS, MAX_UNREADABLE, read_image


def image_folder(request: Request) -> Dataset:
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
    files = sorted(p for p in root.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
    images = [image for file in files if (image := read_image(file, channels, size)) is not None]
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
