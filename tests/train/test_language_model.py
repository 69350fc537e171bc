"""The judge of samples: probabilities, perplexities, and that it learns."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from lebm.vocabulary import END
from train import language_model
from train.language_model import LanguageModel, LanguageModelConfig, fit, perplexity, word_nll

CPU = torch.device("cpu")
SMALL = LanguageModelConfig(embedding_dim=8, hidden=16, dropout=0.0, learning_rate=2e-2)


@pytest.fixture
def model() -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(4, SMALL).double().eval().requires_grad_(False)


def test_the_probabilities_of_all_sentences_sum_to_one(model):
    whole = [
        words + (END,) * (3 - n)
        for n in range(4)
        for words in itertools.product((1, 2, 3), repeat=n)
    ]
    log_probs = [-model.token_nll(torch.tensor([row])).sum() for row in whole]
    assert torch.stack(log_probs).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_padding_and_company_change_nothing(model):
    x = torch.tensor([[2, 3, END, END, END], [3, 1, 2, 2, END]])
    together = model.token_nll(x)
    alone = torch.cat([model.token_nll(x[:1, :3]), model.token_nll(x[1:])])
    torch.testing.assert_close(together, alone)


def test_perplexity_counts_words_and_ends_alike(model):
    x = torch.tensor([[2, 3, END, END, END], [3, 1, 2, 2, END], [END] * 5])
    nll = torch.cat([model.token_nll(x[i : i + 1]) for i in range(3)])
    assert len(nll) == 3 + 5 + 1
    expected = math.exp(float(nll.mean()))
    assert perplexity(model, x) == pytest.approx(expected, rel=1e-12)
    assert perplexity(model, x, batch_size=1) == pytest.approx(expected, rel=1e-12)


def test_a_sentence_s_own_mean_is_that_of_its_words(model):
    x = torch.tensor([[2, 3, END, END, END], [3, 1, 2, 2, END], [END] * 5])
    means = [model.token_nll(x[i : i + 1]).mean() for i in range(3)]
    torch.testing.assert_close(word_nll(model, x, batch_size=2), torch.stack(means))


def test_a_model_that_knows_nothing_is_as_perplexed_as_there_are_words(model):
    for p in model.parameters():
        p.data.zero_()
    assert perplexity(model, torch.tensor([[2, 3, END], [1, END, END]])) == pytest.approx(4)


def coins(n: int, seed: int) -> torch.Tensor:
    """ "2 2" or "3 3", each by chance: one bit in three tokens, a perplexity of 2^(1/3)."""
    first = torch.randint(2, 4, (n, 1), generator=torch.Generator().manual_seed(seed))
    return torch.cat([first, first, torch.zeros_like(first)], 1)


def test_it_learns_what_there_is_to_know():
    model = fit(coins(800, 0), 4, SMALL, seed=0, device=CPU)
    assert perplexity(model, coins(200, 1)) == pytest.approx(2 ** (1 / 3), abs=0.02)
    wrong = torch.tensor([[2, 3, END]])
    assert perplexity(model, wrong) > 3


def test_a_pass_that_is_worse_by_chance_ends_nothing(monkeypatch):
    """It learns on, stops after three such passes in a row, and is what it was at its best."""
    scores, passes = iter([5.0, 4.0, 4.5, 4.2, 3.0, 3.1, 3.3, 3.2, 1.0]), []

    def learn(model, *_):
        passes.append(len(passes) + 1)
        model.bias.data.fill_(passes[-1])

    monkeypatch.setattr(language_model, "_learn", learn)
    monkeypatch.setattr(language_model, "perplexity", lambda *_: next(scores))
    sentences = torch.ones(20, 3, dtype=torch.long)
    model = fit(sentences, 4, SMALL, seed=0, device=CPU)
    assert passes == list(range(1, 9))
    assert (model.bias == 5).all()


def test_the_seed_decides_all_and_nothing_else_is_drawn():
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    a, b, c = (fit(coins(60, 0), 4, SMALL, seed=s, device=CPU) for s in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(a.bias, b.bias)
    assert not torch.equal(a.bias, c.bias)


def test_too_few_sentences_are_refused():
    with pytest.raises(ValueError, match="needs 20 sentences, not 19"):
        fit(coins(19, 0), 4, SMALL, seed=0, device=CPU)
