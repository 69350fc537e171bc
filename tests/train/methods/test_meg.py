"""Maximum entropy generators: each loss by hand, who learns when, and what the energy tells."""

from __future__ import annotations

import copy

import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from lebm.model import ModelConfig
from train import data
from train.data import Dataset, to_model_range
from train.methods.meg import ENERGY_STEPS, PENALTY, information_loss, slope_penalty


def gradients(loss: torch.Tensor, network: nn.Module) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, list(network.parameters()), retain_graph=True))


def assert_learned_by(loss: torch.Tensor, network: nn.Module, learned: nn.Module) -> None:
    """The gradients that `learned` keeps of its step are those of the loss in `network`."""
    kept = [p.grad for p in learned.parameters()]
    torch.testing.assert_close(kept, gradients(loss, network), rtol=1e-4, atol=1e-6)


def test_the_penalty_of_a_quadratic_energy_is_its_closed_form(rng):
    """E = ½ a |x|² has the slope a x, so that the penalty is a² |x|² / 5, and 2 a |x|² / 5 in a."""

    class Quadratic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.tensor(3.0))

        def forward(self, x):
            return 0.5 * self.a * x.square().sum(-1, keepdim=True)

    x, energy = torch.randn(7, 5, generator=rng), Quadratic()
    energies, penalty = slope_penalty(energy, x)
    mean_square = x.square().mean()
    torch.testing.assert_close(energies, 1.5 * x.square().sum(-1))
    torch.testing.assert_close(penalty, 9 * mean_square)
    torch.testing.assert_close(gradients(penalty, energy), [6 * mean_square])
    assert not x.requires_grad


def test_the_information_loss_is_torch_s_cross_entropy_of_both_kinds_of_pairs(rng):
    joint, apart = 3 * torch.randn(2, 9, generator=rng)
    labels = torch.cat([torch.ones(9), torch.zeros(9)])
    expected = binary_cross_entropy_with_logits(torch.cat([joint, apart]), labels)
    torch.testing.assert_close(information_loss(joint, apart), expected)


def test_every_network_follows_its_loss(make_method, images, rng):
    """Recomputed from the weights before; the generator meets the energy after its own step."""
    method, rows = make_method("meg", images), torch.arange(16)
    g, e, encoder, t = (
        copy.deepcopy(network)
        for network in (method.model.generator, method.energy, method.encoder, method.estimator)
    )
    x, again = to_model_range(images.train[rows]), rng.clone_state()
    metrics = method.iteration(x, rows, generator=rng)
    z, z_apart = (torch.randn(16, 4, generator=again) for _ in range(2))
    fake, real = g(z), x.clone().requires_grad_()
    slope = torch.autograd.grad(e(real).sum(), real, create_graph=True)[0]
    gap = e(fake.detach()).mean() - e(x).mean()
    assert_learned_by(-gap + PENALTY * slope.square().mean(), e, method.energy)
    information = information_loss(t(fake, z), t(fake, z_apart))
    deceiving = method.energy(fake).mean() + information
    assert_learned_by(deceiving, g, method.model.generator)
    assert_learned_by(information, t, method.estimator)
    inversion = (encoder(fake.detach()) - z).square().mean()
    assert_learned_by(inversion, encoder, method.encoder)
    torch.testing.assert_close(metrics["energy_gap"], gap.detach())
    torch.testing.assert_close(metrics["information_loss"], information.detach())


def test_the_energy_learns_always_and_the_generator_every_fifth_time(make_method, images, rng):
    method, rows = make_method("meg", images), torch.arange(8)
    x, learned = to_model_range(images.train[rows]), []
    for _ in range(2 * ENERGY_STEPS):
        networks = (method.energy, method.model.generator, method.estimator, method.encoder)
        before = copy.deepcopy(networks)
        method.iteration(x, rows, generator=rng)
        pairs = zip(networks, before, strict=True)
        learned.append(
            [not all(map(torch.equal, a.parameters(), b.parameters())) for a, b in pairs]
        )
    expected = [[True] * 4, *[[True, False, False, False]] * (ENERGY_STEPS - 1)]
    assert learned == 2 * expected


def test_the_anomaly_score_is_the_energy(make_method, images, rng):
    method, x = make_method("meg", images), to_model_range(images.test)
    terms = method.anomaly_terms(x, torch.arange(len(x)), generator=rng)
    assert list(terms) == ["energy"]
    torch.testing.assert_close(terms["energy"], method.energy(x).detach()[:, 0])


def test_learning_closes_the_gap_and_gives_digits_the_lowest_energy(make_method, rng):
    """The generator catches up with an energy that was quicker, and makes many things, not one."""
    digits = data.load("digits", (1, 8, 8))
    dataset = Dataset("digits", digits.train[:600], digits.test[:200])
    method = make_method("meg", dataset, model=ModelConfig(8, (1, 8, 8), width=8, prior_hidden=32))
    gaps, z = [], torch.randn(200, 8, generator=rng)
    spread_at_first = spread(method, z)
    for _ in range(600):
        rows = torch.randint(600, (50,), generator=rng)
        x = to_model_range(dataset.train[rows])
        gaps.append(float(method.iteration(x, rows, generator=rng)["energy_gap"]))
    assert sum(gaps[-50:]) < 0.75 * sum(gaps[100:150])
    assert spread(method, z) > 2 * spread_at_first
    x = to_model_range(dataset.test)
    shuffled = x.flatten(1)[:, torch.randperm(64, generator=rng)].view_as(x)
    both = torch.cat([x, shuffled])
    energy = method.anomaly_terms(both, torch.arange(400), generator=rng)["energy"]
    assert roc_auc_score(torch.arange(400) >= 200, energy) > 0.98


@torch.no_grad()
def spread(method, z: torch.Tensor) -> float:
    """Standard deviation of a pixel over samples, mean over pixels."""
    return float(method.model.generator(z).std(0).mean())
