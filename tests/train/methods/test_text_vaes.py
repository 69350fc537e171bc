"""Annealing, free bits and refinement, against what they are said to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lebm.encoders import gaussian_kl, gaussian_kl_each
from lebm.vocabulary import END, UNKNOWN
from train.config import VAEConfig
from train.data import to_model_range


def iterate(method, dataset, times: int = 1) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    rows = torch.arange(8)
    x = to_model_range(dataset.train[rows])
    for _ in range(times):
        metrics = method.iteration(x, rows, generator=rng)
    return metrics


def encoded(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(2, 6, 3, generator=rng).unbind(0)


def test_the_terms_of_the_divergence_sum_to_it():
    mean, log_std = encoded()
    torch.testing.assert_close(gaussian_kl_each(mean, log_std).sum(-1), gaussian_kl(mean, log_std))


@pytest.mark.parametrize("name", ["vae", "sa-vae"])
def test_annealing_raises_the_weight_of_the_divergence_evenly(name, make_method, sentences):
    method = make_method(name, sentences, annealing=4)
    mean, log_std = encoded()
    weights = []
    for _ in range(6):
        weights.append(method.weight)
        cost = method.divergence_cost(mean, log_std, mean)
        torch.testing.assert_close(cost, method.weight * gaussian_kl(mean, log_std).mean())
        iterate(method, sentences)
    assert weights == [0, 0.25, 0.5, 0.75, 1, 1]


@pytest.mark.parametrize("name", ["lebm", "sri"])
def test_annealing_has_chains_follow_the_likelihood_first(name, make_method, sentences):
    """By 1 / w, at most 1 / 0.3; without annealing Bayes' rule holds from the first iteration."""
    method = make_method(name, sentences, annealing=4)
    weights = []
    for _ in range(6):
        weights.append(method.likelihood_weight)
        iterate(method, sentences)
    assert weights == pytest.approx([1 / 0.3, 1 / 0.3, 2, 4 / 3, 1, 1])
    assert make_method(name, sentences).likelihood_weight == 1


def test_chains_that_learn_climb_the_annealed_posterior(make_method, sentences, monkeypatch):
    method, seen = make_method("lebm", sentences, annealing=2), []

    def watched(x, likelihood_weight=1.0):
        seen.append(likelihood_weight)
        return posterior_density(x, likelihood_weight)

    posterior_density = method.model.posterior_density
    monkeypatch.setattr(method.model, "posterior_density", watched)
    for _ in range(3):
        iterate(method, sentences)
    method.infer(sentences.test, generator=torch.Generator().manual_seed(0))
    assert seen == pytest.approx([1 / 0.3, 2, 1, 1])


@pytest.mark.parametrize("name", ["lebm", "amortised", "sri", "vae", "sa-vae", "arae"])
def test_a_decoder_that_learns_hears_fewer_words(name, make_method, sentences, monkeypatch):
    """Dropped words reach every likelihood that the generator learns from, and none otherwise."""
    for rate, hears_all in ((0.0, True), (0.9, False)):
        method, told = make_method(name, sentences, word_dropout=rate), []

        def watched(x, z, heard=None, told=told, likelihood=method.model.log_likelihood):
            told.append(heard)
            return likelihood(x, z, heard)

        monkeypatch.setattr(method.model, "log_likelihood", watched)
        iterate(method, sentences)
        fewer = [heard for heard in told if heard is not None]
        assert (not fewer) == hears_all
        x = to_model_range(sentences.train[:8])
        for heard in fewer:
            assert (heard == UNKNOWN)[x != END].float().mean() > 0.8  # of words, at 0.9


def test_without_annealing_the_weight_is_one(make_method, sentences):
    assert make_method("vae", sentences).weight == 1
    assert make_method("fb-vae", sentences, vae=VAEConfig(pretraining=0)).weight == 1


def test_free_bits_cost_nothing_and_the_rest_costs_all(make_method, sentences):
    method = make_method("fb-vae", sentences, vae=VAEConfig(pretraining=0, free_bits=0.5))
    mean = torch.tensor([[3.0, 0.1, 0.0], [-3.0, 0.1, 0.0]], requires_grad=True)
    log_std = torch.zeros(2, 3)
    cost = method.divergence_cost(mean, log_std, mean)
    assert cost.item() == pytest.approx(4.5 + 0.5 + 0.5)
    (pull,) = torch.autograd.grad(cost, mean)
    assert pull[:, 0].tolist() == [1.5, -1.5]
    assert (pull[:, 1:] == 0).all()


def test_after_its_start_as_an_autoencoder_the_generator_begins_anew(make_method, sentences):
    method = make_method("fb-vae", sentences, vae=VAEConfig(pretraining=3), annealing=2)
    first = [p.detach().clone() for p in method.model.generator.parameters()]
    weights = []
    for _ in range(3):
        weights.append(method.weight)
        iterate(method, sentences)
    encoder = [p.detach().clone() for p in method.encoder.parameters()]
    method._begin_anew()
    again = list(method.model.generator.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(first, again, strict=True) if a.ndim > 1)
    assert all(map(torch.equal, encoder, method.encoder.parameters()))
    for _ in range(3):
        weights.append(method.weight)
        iterate(method, sentences)
    assert weights == [0, 0, 0, 0, 0.5, 1]


@pytest.mark.parametrize("kind", ["points", "sentences"])
def test_refining_raises_each_example_s_bound(kind, make_method, request):
    dataset = request.getfixturevalue(kind)
    x = to_model_range(dataset.train[:16])
    bounds = []
    for steps in (0, 1, 10):
        config = VAEConfig(refine_steps=steps, refine_rate=0.02)
        method = make_method("sa-vae", dataset, vae=config)
        rng = torch.Generator().manual_seed(0)
        mean, log_std = method.posterior(x, learning=False, generator=rng)
        noise = torch.randn(200, *mean.shape, generator=rng)
        z = mean + log_std.exp() * noise
        with torch.no_grad():
            nll = -torch.stack([method.model.log_likelihood(x, one) for one in z]).mean()
        bounds.append(float(-nll - gaussian_kl(mean, log_std).mean()))
    assert bounds[0] < bounds[1] < bounds[2]


def test_encoder_and_generator_learn_through_the_steps(make_method, sentences):
    """The gradient of a refined posterior reaches both, and is that of finite differences."""
    method = make_method("sa-vae", sentences, vae=VAEConfig(refine_steps=2, refine_rate=0.1))
    method.model.double()
    method.encoder.double()
    x = sentences.train[:4]

    def objective() -> torch.Tensor:
        rng = torch.Generator().manual_seed(0)
        mean, log_std = method.posterior(x, learning=True, generator=rng)
        return mean.sum() + log_std.sum()

    for p in (method.encoder.out.bias, method.model.generator.start.bias):
        (gradient,) = torch.autograd.grad(objective(), p)
        p.data[0] += 1e-5
        above = objective().item()
        p.data[0] -= 2e-5
        below = objective().item()
        p.data[0] += 1e-5
        assert gradient[0].item() == pytest.approx((above - below) / 2e-5, rel=1e-3, abs=1e-7)


def test_nothing_learns_while_it_infers(make_method, sentences):
    method = make_method("sa-vae", sentences)
    rng = torch.Generator().manual_seed(0)
    z = method.infer(sentences.test, generator=rng)
    assert not z.requires_grad
    assert all(p.grad is None for p in method.model.parameters())


@pytest.mark.parametrize(
    ("field", "value"), [("pretraining", -1), ("free_bits", -0.1), ("refine_rate", 0.0)]
)
def test_bad_settings_are_named(field, value):
    with pytest.raises(ValueError, match=f"vae.{field}"):
        replace(VAEConfig(), **{field: value})
