"""Section 2.6: three divergences and their gradients against quadrature in the plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch.distributions import Normal

import lebm
from lebm import langevin
from lebm.encoders import encode_gaussian
from lebm.exact import PlaneGrid, log_marginal
from train import evaluation
from train.config import AmortisedConfig
from train.data import to_model_range
from train.methods.amortised import Amortised
from train.objectives import divergence_less_log_z

GRID = PlaneGrid(extent=7, n_points=160)  # of z, and of ε


@pytest.fixture
def model(make_model):
    """A plane's model in which every network is far from nothing, in float64."""
    made = make_model(latent_dim=2, data_shape=(3,), noise_std=0.7, amortised=True)
    torch.manual_seed(3)
    for part, std in ((made.prior, 0.5), (made.amortised.synthesis, 0.2)):
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=std)
    return made


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(8))


def mean_over_noise(values: torch.Tensor) -> torch.Tensor:
    """The N(0, I) mean of values at ε = GRID.points."""
    weights = Normal(0.0, 1.0).log_prob(GRID.points).sum(1).exp() * GRID.cell_area
    return values @ weights


def integral(values: torch.Tensor) -> torch.Tensor:
    return values.sum() * GRID.cell_area


def objective(model, x: torch.Tensor) -> torch.Tensor:
    """Δ less the entropy of the data: the terms that learning uses, ε over a grid, not drawn."""
    noise, samplers = GRID.points, model.amortised
    z, log_q = samplers.synthesis(noise)
    total = mean_over_noise(divergence_less_log_z(model.prior, z, log_q))
    for row in x:
        rows = row.expand(len(noise), -1)
        z, log_q = samplers.inference(rows, noise)
        divergence = divergence_less_log_z(model.prior, z, log_q)
        total = total + mean_over_noise(model.log_likelihood(rows, z) - divergence) / len(x)
    return total


def divergences(model, x: torch.Tensor) -> Iterator[torch.Tensor]:
    """The three KL terms of Δ, densities on a grid of z: of the data (less its entropy), of
    q_φ(z|x) from the posterior, of q_ψ from the prior."""
    z = GRID.points
    log_prior = model.prior.unnorm_log_prob(z)
    log_prior = log_prior - GRID.log_integral(log_prior)
    rows = x[:, None].expand(-1, len(z), -1).flatten(0, 1)
    log_joint = model.log_likelihood(rows, z.repeat(len(x), 1)).view(len(x), -1) + log_prior
    evidence = GRID.log_integral(log_joint)
    yield -evidence.mean()
    mean, log_std = encode_gaussian(model.amortised.inference.encoder, x)
    q = Normal(mean[:, None], log_std.exp()[:, None]).log_prob(z).sum(-1)
    yield integral(q.exp() * (q - log_joint + evidence[:, None])) / len(x)
    q = model.amortised.synthesis.log_prob(z)
    yield integral(q.exp() * (q - log_prior))


def test_the_objective_is_the_three_divergences(model, x):
    data, inference, synthesis = divergences(model, x)
    torch.testing.assert_close(
        objective(model, x), -data - inference + synthesis, atol=1e-3, rtol=0
    )
    torch.testing.assert_close(-data, log_marginal(model, x, GRID).mean())
    assert inference > 0.1
    assert synthesis > 0.1


@pytest.mark.parametrize("part", ["prior", "generator", "inference", "synthesis"])
def test_every_network_s_gradient_is_that_of_the_divergences(part, model, x):
    samplers = {name: getattr(model.amortised, name) for name in ("inference", "synthesis")}
    network = (samplers | {"prior": model.prior, "generator": model.generator})[part]
    parameters = list(network.parameters())
    ours = torch.autograd.grad(objective(model, x), parameters)
    data, inference, synthesis = divergences(model, x)
    exact = torch.autograd.grad(-data - inference + synthesis, parameters)
    a, b = (torch.cat([g.flatten() for g in gradients]) for gradients in (ours, exact))
    error = 0.03 if part == "synthesis" else 0.005  # of the grid: it shrinks as the cells do
    assert b.norm() > 0.5
    assert (a - b).norm() < error * b.norm()


def test_annealing_spares_the_inference_network_alone(make_method, sentences):
    """At first its gradient is that of the likelihood; α and ψ have theirs from the beginning."""
    gradients = []
    for annealing in (0, 5):
        method = make_method("amortised", sentences, annealing=annealing, word_dropout=0)
        x, rng = sentences.train[:16], torch.Generator().manual_seed(4)
        method.iteration(x, torch.arange(16), generator=rng)
        model = method.model
        parts = (model.prior, model.amortised.synthesis, model.amortised.inference)
        gradients.append([torch.cat([p.grad.flatten() for p in q.parameters()]) for q in parts])
        fresh = make_method("amortised", sentences, annealing=annealing, word_dropout=0).model
        noise = fresh.prior.sample_base(16, generator=torch.Generator().manual_seed(4))
        nll = -fresh.log_likelihood(x, fresh.amortised.inference(x, noise)[0]).mean()
        nll.backward()
    whole, annealed = gradients
    torch.testing.assert_close(annealed[0], whole[0])
    torch.testing.assert_close(annealed[1], whole[1])
    alone = torch.cat([p.grad.flatten() for p in fresh.amortised.inference.parameters()])
    torch.testing.assert_close(annealed[2], alone)
    assert (whole[2] - alone).abs().max() > 1e-3


def test_the_prior_learns_from_the_difference_of_the_samplers(model, x):
    """Δ moves α as eq. 7 does, with draws of q_φ and q_ψ for z⁺ and z⁻."""
    f, noise, samplers = model.prior.neg_energy, GRID.points, model.amortised
    z_plus = [samplers.inference(r.expand(len(noise), -1), noise)[0].detach() for r in x]
    z_minus = samplers.synthesis(noise)[0].detach()
    gap = sum(mean_over_noise(f(z)) for z in z_plus) / len(x) - mean_over_noise(f(z_minus))
    for a, b in zip(
        torch.autograd.grad(gap, list(model.prior.parameters()), allow_unused=True),
        torch.autograd.grad(objective(model, x), list(model.prior.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def gradient(network) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in network.parameters()])


@pytest.mark.parametrize("steps", [(0, 0), (2, 2), (0, 3)])
def test_an_iteration_climbs_the_objective_in_all_networks_but_the_flow(steps, make_method, points):
    """Each Adam's first step is its rate times the sign of the gradient."""
    method = make_method("amortised", points, amortised=AmortisedConfig(*steps))
    assert isinstance(method, Amortised)
    samplers = method.samplers
    rates = method.config.optimizer
    parts = {
        "prior": (method.model.prior, rates.lr_prior),
        "generator": (method.model.generator, rates.lr_generator),
        "inference": (samplers.inference, rates.lr_generator),
        "synthesis": (samplers.synthesis, -rates.lr_generator),
    }
    assert rates.lr_prior != rates.lr_generator
    before = {n: [p.detach().clone() for p in net.parameters()] for n, (net, _) in parts.items()}
    rows = torch.arange(8)
    x = to_model_range(points.train[rows])
    method.iteration(x, rows, generator=torch.Generator().manual_seed(5))
    for name, (network, rate) in parts.items():
        for p, old in zip(network.parameters(), before[name], strict=True):
            far = p.grad.abs() > 1e-5  # Adam's epsilon does not count
            slope = -p.grad  # of Δ: the loss is its negative
            expected = old + rate * slope.sign()
            torch.testing.assert_close(p[far], expected[far], rtol=0, atol=2e-6)


def test_warm_starts_leave_the_samplers_gradients_and_change_the_others(make_method, points):
    rows = torch.arange(8)
    x = to_model_range(points.train[rows])
    plain, refined = (
        make_method("amortised", points, amortised=AmortisedConfig(steps, steps))
        for steps in (0, 3)
    )
    for method in (plain, refined):
        method.iteration(x, rows, generator=torch.Generator().manual_seed(5))
    for name in ("inference", "synthesis"):
        a, b = (gradient(getattr(m.samplers, name)) for m in (plain, refined))
        assert torch.equal(a, b)
    for name in ("prior", "generator"):
        a, b = (gradient(getattr(m.model, name)) for m in (plain, refined))
        assert (a - b).norm() > 0.01 * a.norm()


@pytest.mark.parametrize("steps", [0, 4])
def test_draws_are_the_samplers_and_then_langevin_s(steps, make_method, images, rng):
    method = make_method("amortised", images, amortised=AmortisedConfig(steps, steps))
    model, config = method.model, method.config
    chain = replace(config.prior_sampler, n_steps=steps)
    noise = torch.randn(6, 4, generator=rng)
    start = method.samplers.synthesis(noise)[0].detach()
    expected = langevin.sample(
        model.prior_density(), start, chain, generator=torch.Generator().manual_seed(1)
    )
    drawn = method.sample_prior(noise, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(drawn, expected)
    assert method.prior_gradients == steps
    x = to_model_range(images.test[:6])
    start = method.samplers.inference.mean(x).detach()
    chain = replace(config.posterior_sampler, n_steps=steps)
    z = langevin.sample(
        model.posterior_density(x), start, chain, generator=torch.Generator().manual_seed(2)
    )
    again = method.reconstruct(x, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(again, model.generate(z))


def test_a_refined_prior_leaves_the_generator_s_gradient(make_method, points):
    rows = torch.arange(8)
    x = to_model_range(points.train[rows])
    plain, refined = (
        make_method("amortised", points, amortised=AmortisedConfig(prior_steps=steps))
        for steps in (0, 3)
    )
    for method in (plain, refined):
        method.iteration(x, rows, generator=torch.Generator().manual_seed(5))
    assert torch.equal(*(gradient(m.model.generator) for m in (plain, refined)))
    a, b = (gradient(m.model.prior) for m in (plain, refined))
    assert (a - b).norm() > 0.01 * a.norm()


@pytest.mark.parametrize("name", ["posterior_steps", "prior_steps"])
def test_refining_a_negative_number_of_steps_is_refused(name):
    with pytest.raises(ValueError, match=rf"amortised\.{name} must be at least 0, not -1"):
        AmortisedConfig(**{name: -1})


def test_learned_samplers_travel_with_the_model(start, make_config, points, tmp_path, rng):
    trainer = start(make_config(method="amortised", epochs=1), points, tmp_path / "run")
    trainer.fit()
    model, card = lebm.load(trainer.run.checkpoints()[-1])
    noise = torch.randn(5, 2, generator=rng)
    samplers = trainer.method.samplers
    assert torch.equal(model.amortised.synthesis(noise)[0], samplers.synthesis(noise)[0])
    x = to_model_range(points.test[:5])
    mine, theirs = (s.inference(x, noise)[0] for s in (model.amortised, samplers))
    assert torch.equal(mine, theirs)
    assert card.facts["parameters of q_ψ"] > 1000
    assert evaluation.evaluate(model, trainer.method.reconstruct, points.test)["test_mse"] < 10
