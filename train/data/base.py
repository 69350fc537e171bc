"""What a data set is, and what a loader is asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lebm.decoder import TextConfig
from lebm.vocabulary import Vocabulary

_LONGEST_REASON = 300  # characters of an error of another program's


class DatasetUnavailable(Exception):
    """A data set cannot be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples to learn from and held-out ones.

    Attributes:
        name: what was asked for.
        train: points float32 `(n, dim)`, images uint8 `(n, channels, size, size)`, or sentences
            int64 `(n, T)`.
        test: the same, held out.
        skipped: unreadable pictures, or sentences that are too long, left out.
        note: what a person should know of these data.
        labels: the class of each training and each held-out example, int64 `(n,)`, where the
            data have classes.
        anomalies: examples of a class left out of both, where one is (`hold_out`).
        vocabulary: the words behind the numbers, of sentences.

    Raises:
        DatasetUnavailable: if a value is not finite; the message names the example.
    """

    name: str
    train: Tensor
    test: Tensor
    skipped: int = 0
    note: str = ""
    labels: tuple[Tensor, Tensor] | None = None
    anomalies: Tensor | None = None
    vocabulary: Vocabulary | None = None

    def __post_init__(self) -> None:
        for part, examples in (("training", self.train), ("held-out", self.test)):
            if not examples.is_floating_point():
                continue
            wrong = (~examples.isfinite()).flatten(1).any(1).nonzero()[:, 0].tolist()
            if wrong:
                more = f" and {len(wrong) - 1} more" if wrong[1:] else ""
                raise DatasetUnavailable(
                    f"{self.name}: {part} example {wrong[0]}{more} (counted from 0) has a value "
                    "that is not finite: repair the data or leave it out"
                )

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.train.shape[1:])


def to_model_range(examples: Tensor) -> Tensor:
    """Examples for a model: images from 0..255 to [-1, 1], points and sentences as they are."""
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
    text: TextConfig | None


def local_root(request: Request) -> Path | None:
    """The folder to look in: the one asked for, else LEBM_DATA; None where one may download."""
    if request.root is not None:
        return request.root
    if os.environ.get("LEBM_DATA"):
        return Path(os.environ["LEBM_DATA"])
    return None if request.download else Path("data")


def in_one_line(error: BaseException) -> str:
    """What an error says, its first words: the reason of a download stands below its first line."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= _LONGEST_REASON else f"{said[:_LONGEST_REASON]} ..."
