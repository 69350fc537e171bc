"""Checkpoints of the authors' public scripts, read as models of this library.

Their prior network outputs the ENERGY, so f = −output; their step is δ, so s = δ²/2; their
latents have two more axes of length 1. A file is a pickle of torch: its names are checked before
anything is read, and it is never unpickled freely.

Source: https://github.com/bpucla/latent-space-EBM-prior, train_svhn.py and train_celeba_128.py
(file layout, names and shapes of the weights, settings).
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lebm.checkpoint import MAX_BYTES, CheckpointError, ModelCard
from lebm.generators import IMAGE_LAYOUTS
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.prior import Activation
from lebm.signs import PullTest, pull_test

SUFFIXES = ("pth", "pt", "ckpt")

#: All that a state dict of plain weights names; whatever else a pickle asks for is refused.
_HARMLESS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor_v2|parameter)"
    r"|torch (Float|Half|Double|Long|Int)Storage|torch (Size|device)"
)
_PICKLES_OF_OLD = 5  # magic number, protocol, system, the object, the storages' keys
_SIZES = {4: 32, 5: 64, 6: 128}  # layers of the generator -> pixels
_LAYER = re.compile(r"netG\.gen\.(\d{1,2})\.weight")
_UNREADABLE = (
    *(ValueError, TypeError, LookupError, AttributeError, EOFError, OSError, RuntimeError),
    *(MemoryError, pickle.UnpicklingError, zipfile.BadZipFile),
)


@dataclass(frozen=True, slots=True)
class Assumed:
    """What their files do not say; the defaults are those of train_svhn.py."""

    activation: Activation = "gelu"
    """Of the prior, their e_activation; leaky_relu is their "lrelu", of slope 0.2. Their "swish"
    and "mish" do not exist here."""
    noise_std: float = 0.3
    """σ."""
    prior_steps: int = 60
    """K_0."""
    prior_delta: float = 0.4
    """δ of the prior chain; s = δ²/2."""
    posterior_steps: int = 20
    """K_1."""
    posterior_delta: float = 0.1
    """δ of the posterior chain."""

    def card(self, name: str, facts: dict[str, str | int | float]) -> ModelCard:
        """The card of a model with these settings."""
        s = self.posterior_delta**2 / 2
        return ModelCard(
            name=name,
            prior_sampler=LangevinConfig(self.prior_steps, self.prior_delta**2 / 2),
            posterior_sampler=LangevinConfig(self.posterior_steps, s),
            reconstruction_sampler=LangevinConfig(5 * self.posterior_steps, s),
            facts=facts,
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """A model of theirs as one of ours.

    Attributes:
        model: the model.
        card: its card; the findings stand among the facts.
        findings: what was matched, turned, assumed and tested, a sentence each.
    """

    model: LatentEBM
    card: ModelCard
    findings: tuple[str, ...]


def loads(data: bytes, *, name: str, assumed: Assumed | None = None) -> Imported:
    """The model in one of their checkpoint files.

    Args:
        data: the file.
        name: for messages and the card.
        assumed: what the file does not say.

    Raises:
        CheckpointError: if the file is too large, no such checkpoint, names anything but plain
            weights, or its names and shapes are not those of their networks.
    """
    assumed = assumed or Assumed()
    checkpoint = _read(data, name)
    theirs = _networks(checkpoint, name)
    config = _config(theirs, assumed, name)
    model = _convert(theirs, config, name)
    card = assumed.card(name, {"imported from": name, "data": "unknown"})
    pull = pull_test(model, card.prior_sampler, generator=torch.Generator().manual_seed(0))
    left_out = sorted(str(key)[:20] for key in checkpoint.keys() - {"netE", "netG", "net"})
    findings = (
        f"All {len(theirs)} weights have the names and shapes of their networks for "
        f"{config.data_shape[-1]} pixels; left out: {', '.join(left_out) or 'nothing'}.",
        "Their network outputs the energy: the sign of its last layer was turned. On 256 draws "
        f"|f + energy| is at most {_check_sign(theirs, model):.1e}.",
        *_describe(pull),
        f"Assumed, since the file does not say: {config.prior_activation} in the prior, LeakyReLU "
        f"0.2 in the generator, σ = {config.noise_std:g}, the energy as the network outputs it "
        f'(form "identity"), K₀ = {assumed.prior_steps} steps of δ = {assumed.prior_delta:g}, '
        f"which is s = {card.prior_sampler.step_size:g} here.",
    )
    card.facts.update({f"finding {i}": text for i, text in enumerate(findings, 1)})
    return Imported(model, card, findings)


def _read(data: bytes, name: str) -> dict[Any, Any]:
    """The checkpoint as plain containers and tensors."""
    if len(data) > MAX_BYTES:
        raise CheckpointError(f"{name} has {len(data)} bytes, more than any model of theirs")
    try:
        odd = next((n for n in _named(data) if not _HARMLESS.fullmatch(n)), None)
        if odd is not None:
            raise CheckpointError(
                f"{name} asks for {odd[:80]!r}, which weights do not need; nothing in it was run"
            )
        checkpoint = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise CheckpointError(
            f"{name} is not a checkpoint of torch, or it is damaged; nothing in it was run"
        ) from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(f"{name} does not hold a checkpoint of the reference scripts")
    return checkpoint


def _named(data: bytes) -> Iterator[str]:
    """Every module and name that the file's pickles ask for, read without running them."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            if sum(member.file_size for member in file.infolist()) > MAX_BYTES:
                raise ValueError("larger unpacked than any model")
            (member,) = (n for n in file.namelist() if n.endswith("data.pkl"))
            streams = [io.BytesIO(file.read(member))]
    else:  # as torch wrote before version 1.6: pickles one after the other
        streams = [io.BytesIO(data)] * _PICKLES_OF_OLD
    for stream in streams:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "GLOBAL":
                yield str(argument)
            elif opcode.name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"):
                yield opcode.name


def _networks(checkpoint: dict[Any, Any], name: str) -> dict[str, Tensor]:
    """Both networks' weights under one naming, "netE.ebm.0.weight" and so on."""
    if isinstance(checkpoint.get("net"), dict):  # one wrapped for several GPUs
        pairs = checkpoint["net"].items()
        flat = {str(key).removeprefix("module."): value for key, value in pairs}
    elif all(isinstance(checkpoint.get(part), dict) for part in ("netE", "netG")):
        flat = {
            f"{part}.{key}": value
            for part in ("netE", "netG")
            for key, value in checkpoint[part].items()
        }
    else:
        raise CheckpointError(
            f"{name} lacks the networks netE and netG of the reference scripts; it holds "
            f"{', '.join(str(key)[:20] for key in list(checkpoint)[:8]) or 'nothing'}"
        )
    for key, value in flat.items():
        plain = isinstance(value, Tensor) and value.layout == torch.strided
        if not plain or value.device.type != "cpu" or value.numel() * 2 > MAX_BYTES:
            raise CheckpointError(f"{name}: {key[:60]!r} is not a weight")
    return flat


def _config(theirs: dict[str, Tensor], assumed: Assumed, name: str) -> ModelConfig:
    """Sizes as the shapes say them."""
    layers = sorted(int(m[1]) for key in theirs if (m := _LAYER.fullmatch(key)))
    if (pixels := _SIZES.get(len(layers))) is None:
        raise CheckpointError(
            f"{name}: its generator has {len(layers)} layers of weights, theirs have 4, 5 or 6; "
            "batch normalisation is not supported"
        )
    try:
        hidden, latent_dim = theirs["netE.ebm.0.weight"].shape
        channels = theirs[f"netG.gen.{layers[-1]}.weight"].shape[1]
        width = theirs["netG.gen.0.weight"].shape[1] // IMAGE_LAYOUTS[pixels][1]
        return ModelConfig(
            latent_dim=latent_dim,
            data_shape=(channels, pixels, pixels),
            width=width,
            noise_std=assumed.noise_std,
            prior_hidden=hidden,
            prior_activation=assumed.activation,
        )
    except (KeyError, IndexError, ValueError) as error:
        raise CheckpointError(
            f"{name}: its weights do not have the names and shapes of the reference networks "
            f"({' '.join(str(error).split())[:120]})"
        ) from error


def _convert(theirs: dict[str, Tensor], config: ModelConfig, name: str) -> LatentEBM:
    """The model with their weights, every name and shape matched, f with its sign turned."""
    with torch.device("meta"):
        try:
            model = LatentEBM(config)
        except ValueError as error:
            raise CheckpointError(f"{name}: no such model can be built: {error}") from error
    expected = {_their_name(key): (key, value) for key, value in model.state_dict().items()}
    if odd := sorted(expected.keys() ^ theirs.keys()):
        raise CheckpointError(
            f"{name}: {len(odd)} names of weights are missing or unknown, the first is "
            f"{odd[0][:60]!r}"
        )
    ours = {}
    for their_name, (key, want) in expected.items():
        value = theirs[their_name]
        if value.shape != want.shape or not value.is_floating_point():
            raise CheckpointError(
                f"{name}: {their_name} is {tuple(value.shape)}, it should be {tuple(want.shape)}"
            )
        ours[key] = value.detach().float().contiguous()
        if not ours[key].isfinite().all():
            raise CheckpointError(f"{name}: {their_name} holds NaN or infinite weights")
    for kind in ("weight", "bias"):
        ours[f"prior.f.4.{kind}"] = -ours[f"prior.f.4.{kind}"]
    model.load_state_dict(ours, assign=True)
    model.generator.to(memory_format=torch.channels_last)
    return model.requires_grad_(False).eval()


def _their_name(key: str) -> str:
    """Their name of a weight of ours; their generator has a placeholder more in each layer."""
    network, _, layer, kind = key.split(".")
    return (
        f"netE.ebm.{layer}.{kind}"
        if network == "prior"
        else (f"netG.gen.{int(layer) // 2 * 3}.{kind}")
    )


def _check_sign(theirs: dict[str, Tensor], model: LatentEBM) -> float:
    """The largest |f + energy| on draws from N(0, I), the energy by their weights as they are."""
    z = model.prior.sample_base(256, generator=torch.Generator().manual_seed(0))
    energy = z
    for layer in (0, 2, 4):
        weight, bias = (theirs[f"netE.ebm.{layer}.{kind}"].float() for kind in ("weight", "bias"))
        energy = functional.linear(energy, weight, bias)
        energy = model.prior.f.get_submodule(str(layer + 1))(energy) if layer < 4 else energy
    return float((model.prior.neg_energy(z) + energy[:, 0]).abs().max())


def _describe(pull: PullTest) -> Iterator[str]:
    yield (
        f"Chains from N(0, I) on f bring the energy from {pull.energy_before:.2f} to "
        f"{pull.energy_after:.2f}. This alone does not prove the sign, since chains on −f are as "
        "well behaved: it takes examples of the data, whose latents must have the larger f."
    )
    yield (
        f"The pull −z is added by the prior here, as in their sampler: with it ‖z‖ ends at "
        f"{pull.norm_with:.2f} √d, without it at {pull.norm_without:.2f} √d; the slope of f "
        f"against −½‖z‖² is {pull.slope:+.2f}"
        + (
            ", near 1: the network seems to hold the Gaussian itself, and −z would count twice."
            if pull.counted_twice
            else " (1 would mean that the network holds the Gaussian itself)."
        )
    )
