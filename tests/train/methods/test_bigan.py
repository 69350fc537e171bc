"""The bidirectional GAN: its losses and its score by hand, and what it learns of digits."""

from __future__ import annotations

import copy

import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from lebm.model import ModelConfig
from train import data
from train.config import OptimizerConfig
from train.data import Dataset, to_model_range
from train.methods.bigan import discriminator_loss
from train.methods.pairs import PairNetwork


def assert_learned_by(loss: torch.Tensor, network: nn.Module, learned: nn.Module) -> None:
    """The gradients that `learned` keeps of its step are those of the loss in `network`."""
    kept = [p.grad for p in learned.parameters()]
    expected = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)
    torch.testing.assert_close(kept, list(expected), rtol=1e-4, atol=1e-6)


def entropy(logits: torch.Tensor, label: float) -> torch.Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def test_the_discriminator_s_loss_is_torch_s_cross_entropy(rng):
    real, fake = 3 * torch.randn(2, 9, generator=rng)
    expected = entropy(real, 1) + entropy(fake, 0)
    torch.testing.assert_close(discriminator_loss(real, fake), expected)


def test_one_example_can_be_paired_with_several_latents(make_config, rng):
    config = make_config("digits").model
    network, x = PairNetwork(config), torch.randn(5, 1, 8, 8, generator=rng)
    z = torch.randn(2, 5, 4, generator=rng)
    each = torch.stack([network(x, z[0]), network(x, z[1])])
    torch.testing.assert_close(network(x, z), each)
    assert not torch.equal(each[0], each[1])


def test_every_network_follows_its_loss(make_method, images, rng):
    """Recomputed from the weights before; the others meet the discriminator after its step."""
    method, rows = make_method("bigan", images), torch.arange(16)
    g, e, d = (
        copy.deepcopy(network)
        for network in (method.model.generator, method.encoder, method.discriminator)
    )
    x, again = to_model_range(images.train[rows]), rng.clone_state()
    metrics = method.iteration(x, rows, generator=rng)
    z = torch.randn(16, 4, generator=again)
    fake, z_plus = g(z), e(x)
    telling = entropy(d(x, z_plus.detach()), 1) + entropy(d(fake.detach(), z), 0)
    assert_learned_by(telling, d, method.discriminator)
    assert_learned_by(entropy(method.discriminator(fake, z), 1), g, method.model.generator)
    assert_learned_by(entropy(method.discriminator(x, z_plus), 0), e, method.encoder)
    torch.testing.assert_close(metrics["discriminator_loss"], telling.detach())


def test_the_score_is_the_paper_s(make_method, images, rng):
    method, x = make_method("bigan", images), to_model_range(images.test)
    terms = method.anomaly_terms(x, torch.arange(len(x)), generator=rng)
    with torch.no_grad():
        z = method.encoder(x)
        distance = (x - method.model.generator(z)).flatten(1).norm(p=1, dim=1)
        probability = method.discriminator(x, z).sigmoid()
    expected = 0.9 * distance - 0.1 * probability.log()
    torch.testing.assert_close(terms["distance"] + terms["discriminator"], expected)


def test_learning_finds_shuffled_digits_odder_than_digits(make_method, rng):
    """A few hundred iterations; the area under the ROC curve."""
    digits = data.load("digits", (1, 8, 8))
    dataset = Dataset("digits", digits.train[:600], digits.test[:200])
    method = make_method(
        "bigan",
        dataset,
        model=ModelConfig(8, (1, 8, 8), width=8, prior_hidden=32),
        optimizer=OptimizerConfig(lr_generator=1e-3),
    )
    for _ in range(300):
        rows = torch.randint(600, (50,), generator=rng)
        method.iteration(to_model_range(dataset.train[rows]), rows, generator=rng)
    x = to_model_range(dataset.test)
    shuffled = x.flatten(1)[:, torch.randperm(64, generator=rng)].view_as(x)
    both = torch.cat([x, shuffled])
    terms = method.anomaly_terms(both, torch.arange(400), generator=rng)
    assert roc_auc_score(torch.arange(400) >= 200, sum(terms.values())) > 0.9
