"""Noise that is a function of (seed, chain, step) alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lebm.noise import ChainNoise


@pytest.mark.parametrize("step", [0, 1, 63, 64, 200, 2500])
def test_a_chain_alone_has_the_noise_it_has_among_64(step):
    together = ChainNoise(3, range(64), 5).at(step)
    for chain in (0, 17, 63):
        assert torch.equal(ChainNoise(3, [chain], 5).at(step)[0], together[chain])


def test_order_of_the_chains_is_that_asked_for():
    forward, backward = (ChainNoise(3, chains, 5).at(1) for chains in ([4, 9], [9, 4]))
    assert torch.equal(forward, backward.flip(0))


def test_order_of_the_steps_does_not_matter():
    noise = ChainNoise(0, range(4), 3)
    first, _ = noise.at(5).clone(), noise.at(200)
    assert torch.equal(noise.at(5), first)
    assert torch.equal(ChainNoise(0, range(4), 3).at(200), noise.at(200))


def test_what_a_caller_does_to_its_noise_stays_with_the_caller():
    noise = ChainNoise(0, range(4), 3)
    before = noise.at(5).clone()
    noise.at(5).zero_()
    assert torch.equal(noise.at(5), before)


def test_seed_chain_and_step_each_change_every_number():
    reference = ChainNoise(0, [0], 8).at(0)
    others = [ChainNoise(1, [0], 8).at(0), ChainNoise(0, [1], 8).at(0), ChainNoise(0, [0], 8).at(1)]
    for other in others:
        assert (other != reference).all()


def test_a_seed_means_these_numbers_for_ever():
    """Philox 4x64 with key (seed, chain) and counter (0, 0, 0, step // 64), drawn in float32."""
    philox = np.random.Philox(counter=[0, 0, 0, 2], key=[11, 17])
    block = np.random.Generator(philox).standard_normal((64, 3), dtype=np.float32)
    assert torch.equal(ChainNoise(11, [17], 3).at(130)[0], torch.from_numpy(block[2]))


def test_noise_is_standard_normal_across_latents_chains_and_steps(p_value):
    noise = ChainNoise(0, range(8), 8)
    draws = torch.stack([noise.at(k) for k in range(2048)])  # (step, chain, latent)
    by_latent = draws.reshape(-1, 8)
    by_chain = draws.transpose(1, 2).reshape(-1, 8)
    by_step = draws.reshape(-1, 8, 64).transpose(1, 2).reshape(-1, 8)
    for rows in (by_latent, by_chain, by_step):
        assert p_value(rows) > 1e-4  # the three together fail by chance 3 times in 10,000 seeds


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_outside_its_range_is_refused(seed):
    with pytest.raises(ValueError, match=f"seed must be .*, not {seed}"):
        ChainNoise(seed, [0], 2)


@pytest.mark.parametrize("chains", [[], [-1], [3, -2]])
def test_chains_outside_their_range_are_refused(chains):
    with pytest.raises(ValueError, match="chains must be"):
        ChainNoise(0, chains, 2)


def test_a_negative_step_is_refused():
    with pytest.raises(ValueError, match="-1"):
        ChainNoise(0, [0], 2).at(-1)


def test_the_largest_seed_works():
    assert ChainNoise(2**63 - 1, [2**40], 2).at(0).isfinite().all()


def test_uniform_numbers_belong_to_chain_and_step():
    noise = ChainNoise(5, range(2000), 2)
    a, b = noise.uniform_at(1), noise.uniform_at(2)
    assert ((a >= 0) & (a < 1)).all()
    assert torch.equal(ChainNoise(5, [7], 3).uniform_at(2), b[7:8])
    # Of 2,000 uniforms the mean has standard error 0.0065; 4 of them, P < 1e-4.
    assert abs(a.mean().item() - 0.5) < 4 * 0.0065
    assert abs(torch.corrcoef(torch.stack([a, b]))[0, 1].item()) < 4 / 2000**0.5


def test_uniform_numbers_are_apart_from_the_noise():
    """The same ε with and without decisions, and no relation between them."""
    noise, silent = ChainNoise(5, range(2000), 1), ChainNoise(5, range(2000), 1)
    uniform, epsilon = noise.uniform_at(3), noise.at(3)
    assert torch.equal(epsilon, silent.at(3))
    related = torch.corrcoef(torch.stack([uniform, epsilon[:, 0].double()]))[0, 1]
    assert abs(related.item()) < 4 / 2000**0.5
