"""Networks whose features a Fréchet distance compares; each from a local file of weights.

The file says by its own names which network it is for. Files are read as data
(`weights_only=True`); nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import importlib
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the name that everybody knows)

#: The weights behind every published FID, as torch-fidelity gives them out; the end of the name
#: is the start of their SHA-256.
INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
INCEPTION_SHA256 = "6726825d"
INCEPTION_URL = (
    f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{INCEPTION_FILE}"
)

#: What reading a damaged or hostile file raises.
_UNREADABLE = (
    OSError,
    RuntimeError,
    LookupError,
    AttributeError,
    ValueError,
    TypeError,
    EOFError,
    pickle.UnpicklingError,
)


#: Images that EfficientNet-Lite0 takes together, so that what lies between its layers stays in a
#: processor's caches: with channels last, three times as fast as 250 images at once.
_AT_ONCE = 16


class FeaturesUnavailable(Exception):
    """A feature extractor cannot be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Features:
    """A feature extractor.

    Attributes:
        label: what its distance is called: "FID" for the Inception network alone.
        network: uint8 images `(n, channels, size, size)` -> `(n, num_features)`; has the
            attribute `num_features`.
    """

    label: str
    network: nn.Module


def load(what: str) -> Features:
    """The extractor that a person asked for.

    Args:
        what: "inception", whose weights are looked for where torch keeps downloads; a file of
            weights of Inception, of EfficientNet-Lite0 or of the small MNIST network; or
            "module:function" for one's own, a function without arguments that returns a network
            from uint8 images to features with the attribute `num_features`.

    Raises:
        FeaturesUnavailable: if it cannot be had.
    """
    if what == "inception":
        return _inception(Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_FILE)
    path = Path(what)
    if not path.is_file():
        if ":" in what and path.suffix not in {".pth", ".pt"}:
            return _own(what)
        raise FeaturesUnavailable(
            f"--features {what}: no such file, and neither 'inception' nor module:function"
        )
    weights = _read(path)
    for first, build in _BY_FIRST_NAME.items():
        if first in weights:
            return build(path, weights)
    raise FeaturesUnavailable(f"{path} holds the weights of no network that is known here")


def load_or_go_without(what: str) -> Features | None:
    """As `load`; None for "none", and, with a sentence, where the weights of FID are missing.

    Raises:
        FeaturesUnavailable: if it cannot be had and is not FID's.
    """
    try:
        return None if what == "none" else load(what)
    except FeaturesUnavailable as error:
        if what != "inception":
            raise
        print(f"no FID: {error}", file=sys.stderr)
        return None


def _read(path: Path) -> dict[str, Tensor]:
    """Name -> tensor of a file of weights, nothing in it run."""
    try:
        weights = torch.load(path, weights_only=True, map_location="cpu")
    except _UNREADABLE as error:
        raise FeaturesUnavailable(f"{path} cannot be read as a file of weights") from error
    if not isinstance(weights, dict):
        raise FeaturesUnavailable(f"{path} does not hold named weights")
    return weights


def _inception(path: Path, weights: dict[str, Tensor] | None = None) -> Features:
    """torchmetrics' Inception-v3 with the weights that make its distance FID."""
    if not path.is_file():
        raise FeaturesUnavailable(
            f"FID needs the Inception weights: download {INCEPTION_URL} into {path.parent}, or "
            "pass --features FILE for another network (its distance is then not FID), or "
            "--features none"
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith(INCEPTION_SHA256):
        raise FeaturesUnavailable(
            f"{path} are other Inception weights than those of published FIDs: download "
            f"{INCEPTION_URL}"
        )
    if weights is None:
        _read(path)  # what torch-fidelity unpickles freely has passed the strict reader first
    try:
        return Features("FID", InceptionFeatures(path))
    except RuntimeError as error:
        raise FeaturesUnavailable(f"{path} does not hold all weights of Inception-v3") from error


def _own(what: str) -> Features:
    """What the user's own function returns."""
    module, _, function = what.partition(":")
    try:
        network = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError, TypeError) as error:
        raise FeaturesUnavailable(
            f"--features {what}: it must name a function without arguments ({error})"
        ) from error
    if not isinstance(network, nn.Module) or not isinstance(
        getattr(network, "num_features", None), int
    ):
        raise FeaturesUnavailable(
            f"--features {what}: the function must return a torch module with a whole number "
            "num_features"
        )
    return Features(_not_fid(what), network.eval())


def _not_fid(features: str) -> str:
    return f"Fréchet distance (features: {features})"


class InceptionFeatures(nn.Module):
    """The 2,048 features of FID, of torch-fidelity's Inception-v3; grey images become colour."""

    num_features = 2048

    def __init__(self, path: Path) -> None:
        super().__init__()
        from torchmetrics.image.fid import NoTrainInceptionV3  # two seconds to import

        self.network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(path))

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images.expand(-1, 3, -1, -1))


class MNISTFeatures(nn.Module):
    """The 128 hidden units of a small network for MNIST; images of any size are made 28x28."""

    num_features = 128

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, images: Tensor) -> Tensor:
        x = (_resized(images.float().mean(1, keepdim=True), 28) / 255 - 0.1307) / 0.3081
        return self.classifier[:2](self.features(x).flatten(1))


class _SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME": the odd pixel goes right and below."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        short = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[:1:-1]]
        sides = [side for n in short for side in (n // 2, n - n // 2)]
        return super().forward(F.pad(x, sides))


class _MBConv(nn.Module):
    """An inverted bottleneck; the names are those of the weights."""

    def __init__(self, d_in: int, d_out: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = d_in * expand
        if expand > 1:
            self._expand_conv = nn.Conv2d(d_in, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = _SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv = nn.Conv2d(wide, d_out, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(d_out, eps=1e-3)
        self._expands, self._skips = expand > 1, stride == 1 and d_in == d_out

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self._skips else y


class EfficientNetLite0(nn.Module):
    """The 1,280 features of EfficientNet-Lite0, trained on ImageNet; images are made 128x128.

    Source: Tan and Le 2019, "EfficientNet", in the Lite form: no squeeze-and-excitation, ReLU6.
    """

    num_features = 1280
    #: Repeats, kernel, stride, expansion and channels out, of each stage.
    stages = (
        (1, 3, 1, 1, 16),
        (2, 3, 2, 6, 24),
        (2, 5, 2, 6, 40),
        (3, 3, 2, 6, 80),
        (3, 5, 1, 6, 112),
        (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    )

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _SameConv(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        blocks, d_in = [], 32
        for repeats, kernel, stride, expand, d_out in self.stages:
            for i in range(repeats):
                blocks.append(_MBConv(d_in, d_out, kernel, stride if i == 0 else 1, expand))
                d_in = d_out
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, eps=1e-3)
        self._fc = nn.Linear(1280, 1000)  # of the classifier; its weights are in the file

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self._few(part) for part in images.split(_AT_ONCE)])

    def _few(self, images: Tensor) -> Tensor:
        colour = images.float().expand(-1, 3, -1, -1)
        x = (_resized(colour, 128) - 127) / 128
        x = x.contiguous(memory_format=torch.channels_last)
        x = self._blocks(F.relu6(self._bn0(self._conv_stem(x))))
        return F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))


def _resized(images: Tensor, size: int) -> Tensor:
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


def _filled(network: nn.Module, path: Path, weights: dict[str, Tensor]) -> Features:
    """The network with weights from a file."""
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise FeaturesUnavailable(
            f"{path} does not hold all weights of {type(network).__name__}"
        ) from error
    return Features(_not_fid(path.stem), network.eval().requires_grad_(False))


#: The first name in a file of weights -> what they are for.
_BY_FIRST_NAME: dict[str, Callable[[Path, dict[str, Tensor]], Features]] = {
    "Conv2d_1a_3x3.conv.weight": _inception,
    "_conv_stem.weight": lambda path, weights: _filled(EfficientNetLite0(), path, weights),
    "features.0.weight": lambda path, weights: _filled(MNISTFeatures(), path, weights),
}
