"""The adversarially regularised autoencoder: losses by hand, codes on a sphere, a learned prior."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from lebm.decoder import TextConfig
from lebm.model import ModelConfig
from train import data
from train.config import ARAEConfig, OptimizerConfig
from train.methods import arae
from train.methods.arae import critic_loss

ROWS = torch.arange(8)


def test_a_linear_critic_s_loss_is_known(rng):
    """Its slope is its weight everywhere: of length 3, so that the penalty is 4."""
    critic = nn.Linear(2, 1, bias=False)
    critic.weight.data = torch.tensor([[3.0, 0.0]])
    real, fake = torch.randn(2, 9, 2, generator=rng)
    expected = 3 * (fake - real)[:, 0].mean() + arae.PENALTY * 4
    loss = critic_loss(critic, real, fake, torch.rand(9, 1, generator=rng))
    torch.testing.assert_close(loss, expected)
    (slope,) = torch.autograd.grad(loss, critic.weight)
    torch.testing.assert_close(slope[0, 0], (fake - real)[:, 0].mean() + arae.PENALTY * 2 * 2)


def test_the_critic_s_slope_is_held_on_the_sphere_of_radius_1(make_method, sentences):
    """There the authors' weights belong. Codes c apart by W have D rise by 1 + W/2, W at most 2."""
    method = make_method("arae", sentences, optimizer=OptimizerConfig(lr_prior=1e-2))
    rng = torch.Generator().manual_seed(0)
    for _ in range(150):
        method._learn_to_tell(method.codes(sentences.train[ROWS]).detach(), rng)
    z = method.codes(sentences.train[ROWS]).detach().requires_grad_()
    (slope,) = torch.autograd.grad(method._told(z) * len(z), z)
    assert 0.8 < slope.norm(dim=-1).mean() * math.sqrt(3) < 2


def test_codes_have_the_length_of_prior_noise(make_method, sentences):
    method = make_method("arae", sentences)
    z = method.codes(sentences.test)
    torch.testing.assert_close(z.norm(dim=-1), torch.full((16,), math.sqrt(3)))
    assert torch.equal(z, method.infer(sentences.test, generator=torch.Generator()))


def test_the_noise_dwindles_as_the_paper_s_does(make_method, sentences):
    method = make_method("arae", sentences, arae=ARAEConfig(noise=0.1))
    assert method.noise_std == pytest.approx(0.1 * math.sqrt(3))
    method.memory["iterations"] += 400
    assert method.noise_std == pytest.approx(0.1 * math.sqrt(3) * 0.9995**4)


def test_encoder_decoder_and_generator_of_codes_follow_their_losses(make_method, sentences):
    """Recomputed from the weights before and the critic that five steps have left."""
    method = make_method("arae", sentences, arae=ARAEConfig(noise=0.0, encoder_weight=0.7))
    encoder, decoder, synthesis = map(
        copy.deepcopy, (method.encoder, method.model.generator, method.synthesis)
    )
    rng, x = torch.Generator().manual_seed(0), sentences.train[ROWS]
    metrics = method.iteration(x, ROWS, generator=rng)
    z = nn.functional.normalize(encoder(x), dim=-1) * math.sqrt(3)
    word_nll = -decoder.log_prob(x, z).sum() / (x != 0).sum().add(8)
    torch.testing.assert_close(metrics["word_nll"], word_nll.detach())
    (word_nll + 0.7 * method.critic(z / math.sqrt(3)).mean()).backward()
    for kept, network in ((method.encoder, encoder), (method.model.generator, decoder)):
        for ours, expected in zip(kept.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, expected.grad, rtol=1e-4, atol=1e-6)
    again = torch.Generator().manual_seed(0)
    for _ in range(arae.CRITIC_STEPS):
        torch.randn(8, 3, generator=again), torch.rand(8, 1, generator=again)
    torch.randn(8, 3, generator=again)
    z = synthesis(torch.randn(8, 3, generator=again))
    (-method.critic(z / math.sqrt(3)).mean()).backward()
    for ours, expected in zip(method.synthesis.parameters(), synthesis.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad, rtol=1e-4, atol=1e-6)


def test_the_saved_mixture_is_that_of_the_generator_s_draws(make_method, sentences, rng):
    """Far away and flat, so that only the noise fills its third direction."""
    method = make_method("arae", sentences, arae=ARAEConfig(noise=0.2))
    method.synthesis = nn.Linear(3, 3)
    method.synthesis.weight.data = torch.diag(torch.tensor([2.0, 1.0, 0.0]))
    method.synthesis.bias.data = torch.tensor([5.0, 0.0, -1.0])
    method.prepare_model()
    start = method.model.prior.sample_base(20_000, generator=rng)
    drawn = method.model.sample_prior(start, method.prior_sampler(), generator=rng)
    noise = 0.2 * math.sqrt(3)
    expected = torch.tensor([4 + noise**2, 1 + noise**2, noise**2])
    torch.testing.assert_close(drawn.mean(0), method.synthesis.bias.data, atol=0.1, rtol=0)
    torch.testing.assert_close(drawn.var(0), expected, rtol=0.08, atol=0)
    own = method.sample_prior(start, generator=rng)
    torch.testing.assert_close(own, method.synthesis(start).detach())
    assert method.prior_gradients == 0


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    """The energy distance of two laws, from draws `(n, d)` of each; 0 where they are one."""
    return float(2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean())


def test_the_learned_prior_lies_where_the_codes_do(make_method):
    """A few hundred iterations on sentences; p_0 noise is several times as far from the codes."""
    whole = data.load("grammar", (20,), text=TextConfig(max_words=100))
    dataset = replace(whole, train=whole.train[:1000], test=whole.test[:500])
    method = make_method(
        "arae",
        dataset,
        model=ModelConfig(8, (20,), width=24, prior_hidden=64, text=TextConfig(16, 100)),
        optimizer=OptimizerConfig(lr_prior=1e-3, lr_generator=5e-3),
    )
    rng = torch.Generator().manual_seed(0)
    for _ in range(300):
        rows = torch.randint(1000, (32,), generator=rng)
        method.iteration(dataset.train[rows], rows, generator=rng)
    codes, noise = method.encode(dataset.test), torch.randn(500, 8, generator=rng)
    learned = method.sample_prior(noise, generator=rng)
    assert apart(learned, codes) < 0.5 * apart(noise, codes)


@pytest.mark.parametrize("field", ["noise", "encoder_weight"])
@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan])
def test_bad_settings_are_named(field, value):
    with pytest.raises(ValueError, match=f"arae.{field} must be at least 0"):
        ARAEConfig(**{field: value})
