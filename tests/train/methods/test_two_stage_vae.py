"""The two-stage VAE: each stage by itself, and the model they make together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from train.data import to_model_range

ROWS = torch.arange(8)


def iterate(method, dataset, seed: int = 0) -> dict[str, torch.Tensor]:
    x = to_model_range(dataset.train[ROWS])
    return method.iteration(x, ROWS, generator=torch.Generator().manual_seed(seed))


def test_the_second_stage_does_not_touch_the_first(make_method, images):
    """The same first stage learns whatever rate the second has."""
    methods = [make_method("2svae", images) for _ in range(2)]
    for group in methods[1].optimizers["second"].param_groups:
        group["lr"] = 0.0
    for method in methods:
        iterate(method, images)
    first, other = (
        [*method.encoder.parameters(), *method.decoder.parameters()] for method in methods
    )
    assert all(map(torch.equal, first, other))
    first, other = (list(method.hierarchy.means.parameters()) for method in methods)
    assert not any(map(torch.equal, first, other))


def test_the_bound_of_the_first_stage_is_a_vae_s(make_method, images):
    """With σ at its start the two methods' bounds agree, given the same encoder and noise."""
    ours, vae = make_method("2svae", images), make_method("vae", images)
    vae.encoder.load_state_dict(ours.encoder.state_dict())
    vae.model.generator.load_state_dict(ours.decoder.state_dict())
    x, generator = to_model_range(images.train[ROWS]), torch.Generator().manual_seed(0)
    noise = ours.model.prior.sample_base(8, generator=generator)[:, 4:]
    vae.model.prior.sample_base = lambda n, generator: noise
    expected = vae.iteration(x, ROWS, generator=generator)
    metrics = iterate(ours, images)
    for name in ("elbo", "kl", "mse", "grad_norm_generator", "grad_norm_encoder"):
        assert metrics[name].item() == pytest.approx(expected[name].item(), rel=1e-4), name


def test_sigma_goes_to_the_root_of_the_squared_error(make_method, images):
    method = make_method("2svae", images)
    mse = iterate(method, images)["mse"].item()
    sigma = method.config.model.noise_std
    expected = (0.99 * sigma**2 + 0.01 * mse) ** 0.5
    method.prepare_model()
    assert method.model.noise_std == pytest.approx(expected, rel=1e-6)
    assert method.model.config.noise_std == method.model.noise_std


def test_posterior_chains_step_as_far_as_the_learned_sigma_allows(make_method, images):
    """At a tenth of the run's σ the run's own step leaves the posterior; this one does not."""
    method = make_method("2svae", images)
    given = method.config.reconstruction
    assert method.reconstruction_sampler() == given
    method.memory["noise_variance"] *= 0.01
    method.prepare_model()
    chain = method.reconstruction_sampler()
    assert chain == replace(given, step_size=chain.step_size)
    assert chain.step_size == pytest.approx(given.step_size / 100)
    x = to_model_range(images.train[ROWS])
    given, chain = (replace(c, n_steps=200) for c in (given, chain))
    norms = [
        method.model.infer(x, c, generator=torch.Generator().manual_seed(0)).norm(dim=-1).max()
        for c in (chain, given)
    ]
    assert norms[0] < 3 * method.model.config.latent_dim**0.5 < norms[1]


def test_a_sigma_that_grew_leaves_the_step_as_it_is(make_method, images):
    method = make_method("2svae", images)
    method.memory["noise_variance"] *= 4
    method.prepare_model()
    assert method.reconstruction_sampler() == method.config.reconstruction


def test_the_model_draws_u_then_z_then_x(make_method, images, rng):
    method = make_method("2svae", images)
    noises = method.model.prior.sample_base(5, generator=rng)
    u, e = noises.chunk(2, 1)
    z = method.hierarchy.means[0](u) + method.hierarchy.log_scales[0].exp() * e
    assert torch.equal(method.model.generate(noises), method.decoder(z))


def test_the_second_stage_learns_where_codes_lie(make_method, points):
    """Codes of N(3, 0.2²) instead of an encoder's: draws of the prior go there."""
    method = make_method("2svae", points)
    generator = torch.Generator().manual_seed(0)
    for rate in [1e-2] * 400 + [1e-3] * 200:
        for group in method.optimizers["second"].param_groups:
            group["lr"] = rate
        codes = 3 + 0.2 * torch.randn(64, 2, generator=generator)
        method._second_stage(codes, torch.randn(64, 2, generator=generator))
    noises = method.model.prior.sample_base(2000, generator=generator)
    z = method.hierarchy.bottom_latent(noises).detach()
    assert (z.mean(0) - 3).abs().max() < 0.05
    assert (z.std(0) - 0.2).abs().max() < 0.05
