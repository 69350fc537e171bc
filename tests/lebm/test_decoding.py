"""Decoding, against the list of all sentences and their probabilities."""

from __future__ import annotations

import itertools

import pytest
import torch
from scipy import stats

from lebm import decoding
from lebm.decoder import RecurrentDecoder, TextConfig
from lebm.vocabulary import END, Vocabulary

LENGTH, N_TOKENS = 3, 4


@pytest.fixture
def decoder() -> RecurrentDecoder:
    torch.manual_seed(1)
    text = TextConfig(embedding_dim=4, vocabulary=Vocabulary(("a", "b")))
    decoder = RecurrentDecoder(2, LENGTH, 6, text).double()
    with torch.no_grad():
        for p in decoder.parameters():
            p.mul_(3)
    return decoder


@pytest.fixture
def sentences() -> torch.Tensor:
    whole = [
        words + (END,) * (LENGTH - n)
        for n in range(LENGTH + 1)
        for words in itertools.product(range(1, N_TOKENS), repeat=n)
    ]
    return torch.tensor(whole)


@pytest.fixture
def z(rng) -> torch.Tensor:
    return torch.randn(5, 2, dtype=torch.float64, generator=rng)


def ranked(decoder, sentences, z) -> tuple[torch.Tensor, torch.Tensor]:
    """Log probabilities of all sentences, largest first, `(n, n_sentences)`, and their order."""
    with torch.no_grad():
        rows = [decoder.log_prob(sentences, one.expand(len(sentences), -1)) for one in z]
    return torch.stack(rows).sort(1, descending=True)


def test_greedy_takes_the_likeliest_word_at_each_place(decoder, z):
    tokens = decoder(z)
    assert tokens.shape == (5, LENGTH)
    for one, row in zip(z, tokens, strict=True):
        h, word = decoder.begin(one[None]), torch.tensor([END])
        for token in row:
            log_probs, h = decoder.step(word, one[None], h)
            word = log_probs.argmax(1)
            assert word.item() == token.item()
            if token == END:
                break


def test_a_wide_search_lists_the_likeliest_sentences_in_order(decoder, sentences, z):
    log_probs, order = ranked(decoder, sentences, z)
    beams = decoding.beam_search(decoder, z, width=len(sentences))
    torch.testing.assert_close(beams.log_prob, log_probs, rtol=0, atol=1e-12)
    assert torch.equal(beams.tokens, sentences[order])


def test_what_a_search_finds_has_the_probability_it_says(decoder, z):
    beams = decoding.beam_search(decoder, z, width=3)
    for k in range(3):
        with torch.no_grad():
            log_prob = decoder.log_prob(beams.tokens[:, k], z)
        torch.testing.assert_close(beams.log_prob[:, k], log_prob, rtol=0, atol=1e-12)
    assert (beams.log_prob.diff(dim=1) <= 0).all()


def test_one_beam_is_greedy(decoder, z):
    assert torch.equal(decoding.beam_search(decoder, z, width=1).tokens[:, 0], decoder(z))


def test_more_beams_than_sentences_are_marked(decoder, sentences, z):
    beams = decoding.beam_search(decoder, z, width=len(sentences) + 3)
    assert beams.log_prob[:, -3:].isneginf().all()
    assert beams.log_prob[:, :-3].isfinite().all()


def test_samples_follow_the_probabilities(decoder, sentences, z, rng):
    """Pearson's test over all sentences; fails by chance once in 10,000 seeds."""
    n, one = 20_000, z[:1]
    tokens = decoding.sample(decoder, one.expand(n, -1), generator=rng)
    found = (tokens[:, None] == sentences).all(-1)
    assert (found.sum(1) == 1).all()
    with torch.no_grad():
        p = decoder.log_prob(sentences, one.expand(len(sentences), -1)).exp()
    common = p * n >= 5
    observed = torch.cat([found.sum(0)[common], found[:, ~common].sum()[None]])
    expected = torch.cat([p[common], p[~common].sum()[None]]) * n
    assert stats.chisquare(observed.numpy(), expected.numpy()).pvalue > 1e-4
    assert common.sum() > 5


def test_the_seed_decides_the_samples(decoder, z):
    def draw(seed: int) -> torch.Tensor:
        rng = torch.Generator().manual_seed(seed)
        return decoding.sample(decoder, z.repeat(20, 1), generator=rng)

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))


def test_cold_samples_are_greedy(decoder, z, rng):
    cold = decoding.sample(decoder, z, generator=rng, temperature=1e-6)
    assert torch.equal(cold, decoder(z))


def test_bad_settings_are_refused(decoder, z, rng):
    with pytest.raises(ValueError, match="temperature must be above 0, not 0"):
        decoding.sample(decoder, z, generator=rng, temperature=0)
    with pytest.raises(ValueError, match="width must be at least 1, not 0"):
        decoding.beam_search(decoder, z, width=0)
