"""The VAE under a tilted prior: one iteration's gradients, replayed from the same noise."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from lebm.encoders import encode_gaussian, gaussian_kl
from train.data import to_model_range


@pytest.fixture
def method(make_method, images):
    """With an f that is far from nothing, and half of the divergence's weight."""
    made = make_method("tilted-vae", images, annealing=2)
    for parameter in made.model.prior.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    made.count_iteration()
    assert made.weight == 0.5
    return made


def gradients(loss: torch.Tensor, network: torch.nn.Module) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, [*network.parameters()], retain_graph=True))


def test_every_network_s_gradient_is_its_own_and_no_other_s(method, images, rng):
    """Encoder and generator follow the bound under p_α, f follows eq. 7 at the same draws."""
    before, again = deepcopy(method), rng.clone_state()
    model, prior = before.model, before.model.prior
    x = to_model_range(images.train[:6])
    metrics = method.iteration(x, torch.arange(6), generator=rng)

    mean, log_std = encode_gaussian(before.encoder, x)
    z_plus = mean + log_std.exp() * prior.sample_base(6, generator=again)
    nll = -model.log_likelihood(x, z_plus).mean()
    divergence = (gaussian_kl(mean, log_std) - prior.neg_energy(z_plus)).mean()
    bound = nll + 0.5 * divergence
    torch.testing.assert_close(metrics["objective"], -(nll + divergence).detach())
    start = prior.sample_base(6, generator=again)
    z_minus = model.sample_prior(start, method.config.prior_sampler, generator=again)
    contrast = prior.neg_energy(z_minus).mean() - prior.neg_energy(z_plus.detach()).mean()
    for loss, network, learned in (
        (bound, before.encoder, method.encoder),
        (bound, model.generator, method.model.generator),
        (contrast, prior, method.model.prior),
    ):
        left = [p.grad for p in learned.parameters()]
        torch.testing.assert_close(left, gradients(loss, network))


def test_samples_are_the_prior_s_chain_from_noise(method, rng):
    start, again = method.model.prior.sample_base(5, generator=rng), rng.clone_state()
    z = method.sample_prior(start, generator=rng)
    chain = method.config.prior_sampler
    assert torch.equal(z, method.model.sample_prior(start, chain, generator=again))
    assert not torch.equal(z, start)
    assert method.prior_gradients == chain.n_steps > 0


def test_the_anomaly_score_is_minus_the_bound_with_the_tilt(method, make_method, images, rng):
    """The VAE's two terms with the same encoder and noise, and -f at the same draw."""
    x, again = to_model_range(images.test), rng.clone_state()
    terms = method.anomaly_terms(x, torch.arange(len(x)), generator=rng)
    plain = make_method("vae", images)
    plain.encoder.load_state_dict(method.encoder.state_dict())
    plain.model.generator.load_state_dict(method.model.generator.state_dict())
    expected = plain.anomaly_terms(x, torch.arange(len(x)), generator=again.clone_state())
    with torch.no_grad():
        mean, log_std = encode_gaussian(method.encoder, x)
        z = mean + log_std.exp() * method.model.prior.sample_base(len(x), generator=again)
        expected["tilt"] = -method.model.prior.neg_energy(z)
    torch.testing.assert_close(terms, expected)
