"""Data sets by name; each either loads whole or says in one sentence what to do.

Images stay uint8. Those decoded from many files are kept as one mapped file (`train.data.files`),
so that a set larger than memory can be learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from lebm.decoder import TextConfig
from lebm.model import ModelConfig
from train.data import faces, folder, sentences, toys, vision
from train.data.anomaly import hold_out
from train.data.base import Dataset, DatasetUnavailable, Request, to_model_range

__all__ = ["Dataset", "DatasetUnavailable", "hold_out", "load", "to_model_range", "unseen"]


def load(
    name: str,
    data_shape: tuple[int, ...],
    root: Path | None = None,
    *,
    download: bool = True,
    text: TextConfig | None = None,
) -> Dataset:
    """The named data set.

    Args:
        name: one of `train.config.DatasetName`.
        data_shape: shape of one example that the model expects; faces and a folder of pictures
            are fitted to it, every other data set must have it.
        root: local folder; None means the environment variable LEBM_DATA (but for one's own
            pictures), and where that is unset too, ./data, which torchvision fills.
        download: False takes what is there and downloads nothing.
        text: of a model of sentences. With a vocabulary, sentences are read with it; an empty one
            is taken from the training sentences.

    Raises:
        DatasetUnavailable: if it cannot be had or does not fit; the message says what to do.
    """
    if name not in _LOADERS:
        raise DatasetUnavailable(f"no data set {name!r}; there are {', '.join(_LOADERS)}")
    dataset = _LOADERS[name](Request(name, tuple(data_shape), root, download, text))
    if dataset.data_shape != tuple(data_shape):
        raise DatasetUnavailable(
            f"{name} has examples of shape {dataset.data_shape}, the model expects "
            f"{tuple(data_shape)}: set --model.data-shape accordingly"
        )
    return dataset


def unseen(
    facts: Mapping[str, object],
    config: ModelConfig,
    root: Path | None = None,
    *,
    download: bool = True,
) -> Tensor:
    """The test examples of a model, as its data set holds them.

    Where a class was held out, they are the normal ones of the data set divided anew.

    Args:
        facts: of the model's card.
        config: the model's.
        root: as `load`.
        download: as `load`.

    Raises:
        DatasetUnavailable: as `load` and `hold_out`, or if the card makes no sense.
    """
    name = str(facts.get("data", ""))
    dataset = load(name, config.data_shape, root, download=download, text=config.text)
    held_out, seed = facts.get("held-out class"), facts.get("split seed")
    if held_out is None:
        return dataset.test
    if not (isinstance(held_out, int) and isinstance(seed, int) and seed >= 0):
        raise DatasetUnavailable(
            f"the model's card names {held_out!r} as a class held out and {seed!r} as a seed"
        )
    return hold_out(dataset, held_out, seed).test


_LOADERS: dict[str, Callable[[Request], Dataset]] = {
    "pinwheel": toys.pinwheel,
    "two-moons": toys.two_moons,
    "ring": toys.ring,
    "digits": toys.digits,
    "mnist": vision.mnist,
    "fashion-mnist": vision.mnist,
    "svhn": vision.svhn,
    "cifar10": vision.cifar10,
    "celeba": faces.celeba,
    "image-folder": folder.image_folder,
    "grammar": sentences.grammar,
    "ptb": sentences.named,
    "snli": sentences.named,
    "yahoo": sentences.named,
    "text-file": sentences.text_file,
}
