"""Checkpoints of the public scripts, written by networks built here as those scripts build them."""

from __future__ import annotations

import io
import pickle
import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lebm import reference
from lebm.checkpoint import CheckpointError, load, save
from lebm.langevin import LangevinConfig, update
from lebm.model import LatentEBM
from lebm.reference import Assumed
from lebm.signs import PullTest

NZ, NDF, NGF = 5, 7, 2
PULL = PullTest(0.0, 0.0, 1.0, 1.0, 0.0)


class NetE(nn.Module):
    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        f = activation
        self.ebm = nn.Sequential(nn.Linear(NZ, NDF), f, nn.Linear(NDF, NDF), f, nn.Linear(NDF, 1))

    def forward(self, z: Tensor) -> Tensor:
        """Energy `(n, 1, 1, 1)` of z `(n, NZ, 1, 1)`."""
        return self.ebm(z[..., 0, 0])[..., None, None]


class NetG(nn.Module):
    """Transposed convolutions, each but the last followed by a placeholder and an activation."""

    def __init__(self, multiples: tuple[int, ...]) -> None:
        super().__init__()
        widths = [NZ, *(NGF * m for m in multiples), 3]
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise(widths)):
            layers.append(nn.ConvTranspose2d(a, b, 4, *((1, 0) if i == 0 else (2, 1))))
            if i < len(multiples):
                layers += [nn.Identity(), nn.LeakyReLU(0.2)]
        self.gen = nn.Sequential(*layers, nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.gen(z)


SVHN, CELEBA, CELEBA_128 = (8, 4, 2), (8, 4, 2, 1), (16, 8, 4, 2, 1)


def networks(multiples=SVHN, activation: nn.Module | None = None) -> tuple[NetE, NetG]:
    torch.manual_seed(0)
    return NetE(activation or nn.GELU()), NetG(multiples)


def checkpoint_of(net_e: nn.Module, net_g: nn.Module) -> dict[str, Any]:
    """What train_svhn.py saves, Adam's states after a step included."""
    states = {"epoch": 70}
    for part, net in (("E", net_e), ("G", net_g)):
        optimizer = torch.optim.Adam(net.parameters(), 1e-4, betas=(0.5, 0.999))
        net(torch.zeros(1, NZ, 1, 1)).sum().backward()
        optimizer.step()
        states |= {f"net{part}": net.state_dict(), f"opt{part}": optimizer.state_dict()}
    return states


def saved(checkpoint: object, *, old: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(checkpoint, file, _use_new_zipfile_serialization=not old)
    return file.getvalue()


def imported(checkpoint: object, *, old: bool = False, **assumed: Any) -> LatentEBM:
    found = reference.loads(saved(checkpoint, old=old), name="svhn.pth", assumed=Assumed(**assumed))
    return found.model


def draws(n: int = 20) -> Tensor:
    return torch.randn(n, NZ, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize(("multiples", "pixels"), [(SVHN, 32), (CELEBA, 64), (CELEBA_128, 128)])
def test_f_is_minus_their_energy_and_g_is_their_generator(multiples, pixels, old):
    """With the activation that both scripts take unless told otherwise."""
    net_e, net_g = networks(multiples)
    model = imported(checkpoint_of(net_e, net_g), old=old)
    z = draws()
    with torch.no_grad():
        energy, pictures = net_e(z[..., None, None]), net_g(z[..., None, None])
    torch.testing.assert_close(model.prior.neg_energy(z), -energy[:, 0, 0, 0])
    torch.testing.assert_close(model.generate(z), pictures)
    assert pictures.shape[-1] == pixels


def test_a_step_of_their_chain_is_a_step_of_ours():
    net_e, net_g = networks()
    model = imported(checkpoint_of(net_e, net_g))
    z, noise, delta = draws(), draws().flip(0), 0.4
    leaf = z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net_e(leaf[..., None, None]).sum(), leaf)
    theirs = z - 0.5 * delta**2 * (gradient + z) + delta * noise
    leaf = z.clone().requires_grad_()
    (force,) = torch.autograd.grad(model.prior.unnorm_log_prob(leaf).sum(), leaf)
    card = reference.loads(saved(checkpoint_of(*networks())), name="a").card
    ours, _ = update(z, force, noise, card.prior_sampler)
    torch.testing.assert_close(ours, theirs)


def test_posterior_chains_of_the_card_take_their_steps():
    """δ = 0.1, K₁ = 20; reconstructions, which start at noise, take five times as many."""
    card = reference.loads(saved(checkpoint_of(*networks())), name="a").card
    assert card.posterior_sampler == LangevinConfig(20, 0.1**2 / 2)
    assert card.reconstruction_sampler == replace(card.posterior_sampler, n_steps=100)


def test_the_layout_for_several_gpus_is_read():
    net_e, net_g = networks(CELEBA_128)
    wrapper = nn.Module()
    wrapper.netE, wrapper.netG = net_e, net_g
    for prefix in ("", "module."):
        states = {f"{prefix}{key}": value for key, value in wrapper.state_dict().items()}
        model = imported({"epoch": 20, "net": states})
        torch.testing.assert_close(
            model.generate(draws(2)), net_g(draws(2)[..., None, None]).detach()
        )


def test_what_was_found_is_said():
    found = reference.loads(saved(checkpoint_of(*networks())), name="svhn.pth")
    text = " ".join(found.findings)
    assert "All 14 weights" in text
    assert "left out: epoch, optE, optG" in text
    assert "sign of its last layer was turned" in text
    assert "|f + energy| is at most 0.0e+00" in text
    assert "The pull −z is added by the prior" in text
    assert "gelu in the prior" in text
    assert "s = 0.08" in text


def test_an_import_survives_our_own_format(tmp_path):
    found = reference.loads(saved(checkpoint_of(*networks())), name="svhn.pth")
    save(tmp_path / "svhn.safetensors", found.model, found.card)
    model, card = load(tmp_path / "svhn.safetensors")
    torch.testing.assert_close(model.generate(draws(2)), found.model.generate(draws(2)))
    assert card.facts["finding 2"] == found.findings[1]


def test_what_the_file_does_not_say_can_be_given():
    net_e, net_g = networks(SVHN, nn.LeakyReLU(0.2))
    model = imported(checkpoint_of(net_e, net_g), activation="leaky_relu", noise_std=0.2)
    assert model.noise_std == 0.2
    energy = net_e(draws()[..., None, None]).detach()[:, 0, 0, 0]
    torch.testing.assert_close(model.prior.neg_energy(draws()), -energy)


def refused(checkpoint: object) -> str:
    data = checkpoint if isinstance(checkpoint, bytes) else saved(checkpoint)
    with pytest.raises(CheckpointError) as caught:
        reference.loads(data, name="theirs.pth")
    message = str(caught.value)
    assert "theirs.pth" in message
    assert len(message) < 300
    assert message.isprintable()
    return message


def changed(part: str, key: str, value: Any) -> dict[str, Any]:
    checkpoint = checkpoint_of(*networks())
    if value is None:
        del checkpoint[part][key]
    else:
        checkpoint[part][key] = value
    return checkpoint


@pytest.mark.parametrize(
    ("checkpoint", "reason"),
    [
        (lambda: changed("netE", "ebm.2.bias", None), "missing or unknown"),
        (lambda: changed("netE", "ebm.6.bias", torch.zeros(3)), "missing or unknown"),
        (lambda: changed("netG", "gen.1.running_mean", torch.zeros(3)), "missing or unknown"),
        (lambda: changed("netE", "ebm.4.weight", torch.zeros(2, NDF)), "should be"),
        (lambda: changed("netE", "ebm.0.weight", torch.zeros(4)), "names and shapes"),
        (lambda: changed("netG", "gen.0.weight", torch.zeros(NZ)), "names and shapes"),
        (lambda: changed("netG", "gen.0.weight", torch.zeros(NZ, 1, 4, 4)), "names and shapes"),
        (lambda: changed("netG", "gen.9.weight", None), "layers of weights"),
        (lambda: changed("netE", "ebm.0.bias", torch.full((NDF,), torch.nan)), "NaN or infinite"),
        (lambda: changed("netE", "ebm.0.bias", torch.zeros(NDF, dtype=torch.long)), "should be"),
        (lambda: changed("netE", "ebm.0.bias", 3), "not a weight"),
        (lambda: changed("netE", "ebm.0.bias", torch.zeros(1).expand(2**40)), "not a weight"),
        (lambda: {"state_dict": {}}, "holds state_dict"),
        (lambda: {}, "holds nothing"),
        (lambda: [1, 2], "does not hold a checkpoint"),
        (lambda: {"net": {}}, "0 layers"),
        (lambda: {"netE": 3, "netG": 4}, "lacks the networks"),
    ],
)
def test_what_does_not_match_is_one_sentence(checkpoint, reason):
    assert reason in refused(checkpoint())


def payload(marker: Path) -> object:
    class Payload:
        def __reduce__(self):
            return Path.touch, (marker,)

    return Payload()


class Greedy:
    def __reduce__(self):
        return bytearray, (10**12,)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path, old, protocol):
    marker = tmp_path / "payload-ran"
    checkpoint = checkpoint_of(*networks()) | {"epoch": payload(marker)}
    file = io.BytesIO()
    torch.save(checkpoint, file, pickle_protocol=protocol, _use_new_zipfile_serialization=not old)
    assert "nothing in it was run" in refused(file.getvalue())
    assert "nothing in it was run" in refused(pickle.dumps(payload(marker), protocol))
    assert not marker.exists()


@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_that_would_take_all_memory_is_refused(old):
    assert "bytearray" in refused(saved({"netE": Greedy(), "netG": {}}, old=old))


def test_a_zip_that_would_unpack_to_more_than_a_model_is_refused(monkeypatch):
    monkeypatch.setattr(reference, "MAX_BYTES", 2**20)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("archive/data.pkl", b"\0" * 2**21)
    assert "nothing in it was run" in refused(file.getvalue())


@pytest.mark.parametrize("old", [False, True])
def test_a_file_cut_or_changed_anywhere_is_refused_or_a_model(old, monkeypatch):
    monkeypatch.setattr(reference, "pull_test", lambda *_, **__: PULL)  # chains take long
    data = saved(checkpoint_of(*networks()), old=old)
    for length in range(0, len(data) - 1, len(data) // 40):
        refused(data[:length])
    generator, errors = torch.Generator().manual_seed(0), []
    for place in torch.randint(0, 6000, (100,), generator=generator).tolist():  # the pickle
        broken = bytearray(data)
        broken[place] ^= 0xFF
        try:
            reference.loads(bytes(broken), name="theirs.pth")
        except CheckpointError as error:
            errors.append(str(error))
    assert 60 < len(errors) < 95  # about 80; the others hit a number or a name nobody asks for
    assert all("theirs.pth" in error and error.isprintable() for error in errors)


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"PK\x03\x04" + b"\0" * 50, b"text\n" * 99])
def test_what_is_no_checkpoint_is_refused(data):
    assert "nothing in it was run" in refused(data)
