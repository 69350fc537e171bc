"""The evidence lower bound against closed forms of a model that is Gaussian throughout."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from lebm.encoders import build_encoder, encode_gaussian, gaussian_kl
from train.data import to_model_range
from train.methods.vae import negative_elbo


def cubature(d: int) -> torch.Tensor:
    """Points ±√d e_i: their mean is the exact N(0, I) expectation of any quadratic."""
    axes = d**0.5 * torch.eye(d, dtype=torch.float64)
    return torch.cat([axes, -axes])


@pytest.fixture
def gaussian(make_gaussian):
    """A linear model with f = 0 whose posterior has a diagonal covariance."""
    made = make_gaussian(tilted=False)
    with torch.no_grad():
        made.weight.copy_(torch.tensor([[1.2, 0.0], [0.0, 0.5], [0.9, 0.0]]))
    return made


def elbo(gaussian, x: torch.Tensor, mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
    """Its exact value for one x: the expectation over ε of a quadratic."""
    noise = cubature(2)
    rows = (t.expand(len(noise), -1) for t in (x, mean, log_std))
    nll, kl = negative_elbo(gaussian.model, *rows, noise)
    return -(nll + kl).mean()


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_the_bound_is_the_evidence_less_the_divergence_from_the_posterior(shift, gaussian):
    x = torch.tensor([0.3, -1.4, 2.2], dtype=torch.float64)
    mean, precision = gaussian.posterior(x)
    off_mean = mean + shift
    log_std = -0.5 * precision.diagonal().log() + shift
    q = Independent(Normal(off_mean, log_std.exp()), 1)
    as_full = MultivariateNormal(q.mean, torch.diag(q.variance))
    gap = kl_divergence(as_full, MultivariateNormal(mean, precision_matrix=precision))
    expected = gaussian.marginal.log_prob(x) - gap
    torch.testing.assert_close(elbo(gaussian, x, off_mean, log_std), expected)
    assert (gap < 1e-12) == (shift == 0)


def test_the_divergence_is_torch_s(rng):
    mean, log_std = torch.randn(2, 6, 3, dtype=torch.float64, generator=rng)
    q = Independent(Normal(mean, log_std.exp()), 1)
    p = Independent(Normal(torch.zeros_like(mean), 1.0), 1)
    torch.testing.assert_close(gaussian_kl(mean, log_std), kl_divergence(q, p))


@pytest.mark.parametrize("size", [8, 28, 32, 64, 128])
def test_an_encoder_mirrors_the_generator(size, make_model):
    """Kernels of the same shapes, in and out exchanged, in reverse order."""
    model = make_model(data_shape=(3, size, size), width=2)
    encoder = build_encoder(model.config.data_shape, 2, model.config.latent_dim).double()
    kernels = [p.shape for p in encoder.parameters() if p.ndim == 4]
    mirrored = [p.shape for p in model.generator.parameters() if p.ndim == 4]
    assert kernels == mirrored[::-1]  # transposed kernels are kept (in, out), others (out, in)
    x = torch.zeros(2, 3, size, size, dtype=torch.float64)
    assert encoder(x).shape == (2, model.config.latent_dim)


def test_the_anomaly_score_is_minus_the_bound(make_method, images, rng):
    """Term by term, with the same noise."""
    method = make_method("vae", images)
    x = to_model_range(images.test)
    again = rng.clone_state()
    terms = method.anomaly_terms(x, torch.arange(len(x)), generator=rng)
    noise = method.model.prior.sample_base(len(x), generator=again)
    with torch.no_grad():
        mean, log_std = encode_gaussian(method.encoder, x)
        nll = -method.model.log_likelihood(x, mean + log_std.exp() * noise)
        normal = Independent(Normal(mean, log_std.exp()), 1)
        kl = kl_divergence(normal, Independent(Normal(torch.zeros_like(mean), 1.0), 1))
    torch.testing.assert_close(terms, {"reconstruction": nll, "kl": kl})


def test_the_two_stage_score_is_minus_the_first_stage_s_bound(make_method, images, rng):
    """Its terms are the VAE's at the σ that was learned."""
    method = make_method("2svae", images)
    method.memory["noise_variance"].fill_(0.04)
    method.prepare_model()
    x = to_model_range(images.test)
    again = rng.clone_state()
    terms = method.anomaly_terms(x, torch.arange(len(x)), generator=rng)
    with torch.no_grad():
        mean, log_std = encode_gaussian(method.encoder, x)
        noise = torch.randn(mean.shape, generator=again)
        pixels = Independent(Normal(method.decoder(mean + log_std.exp() * noise), 0.2), 3)
    torch.testing.assert_close(terms["reconstruction"], -pixels.log_prob(x))
    torch.testing.assert_close(terms["kl"], gaussian_kl(mean, log_std))
