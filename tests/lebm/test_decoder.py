"""The decoder of sentences: probabilities that sum to 1, padding, gradients, posteriors."""

from __future__ import annotations

import itertools

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from lebm import langevin, mala
from lebm.decoder import RecurrentDecoder, TextConfig
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.noise import ChainNoise
from lebm.vocabulary import END, Vocabulary

ERROR_RATE = 1e-4


@pytest.fixture
def make_text(make_model):
    """A small model of sentences over two words and <unk>, with weights large enough to matter."""

    def make(latent_dim: int = 3, length: int = 4, words: str = "ab") -> LatentEBM:
        text = TextConfig(embedding_dim=5, vocabulary=Vocabulary(tuple(words)))
        model = make_model(latent_dim, (length,), width=6, text=text)
        with torch.no_grad():
            for p in model.generator.parameters():
                p.mul_(2).add_(0.1)
        return model

    return make


def every_sentence(length: int, n_tokens: int) -> Tensor:
    """All rows of `length` tokens with nothing but END after the first END."""
    whole = [
        words + (END,) * (length - n)
        for n in range(length + 1)
        for words in itertools.product(range(1, n_tokens), repeat=n)
    ]
    return torch.tensor(whole)


@pytest.mark.parametrize(("length", "words"), [(1, "ab"), (4, "ab"), (3, "abcd"), (5, "")])
def test_the_probabilities_of_all_sentences_sum_to_one(length, words, make_text, rng):
    model = make_text(length=length, words=words)
    x = every_sentence(length, len(words) + 2)
    for z in torch.randn(3, 3, dtype=torch.float64, generator=rng):
        log_probs = model.log_likelihood(x, z.expand(len(x), -1))
        assert log_probs.exp().sum().item() == pytest.approx(1, abs=1e-12)
        given = model.posterior_density(x).terms["likelihood"](z.expand(len(x), -1))
        assert given.exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_a_sentence_is_the_product_of_its_steps(make_text, rng):
    model, x = make_text(), torch.tensor([[2, 1, 3, END]])
    z = torch.randn(1, 3, dtype=torch.float64, generator=rng)
    decoder, total = model.generator, 0.0
    h, previous = decoder.begin(z), torch.tensor([END])
    for word in x[0]:
        log_probs, h = decoder.step(previous, z, h)
        total += log_probs[0, word].item()
        previous = word[None]
    assert model.log_likelihood(x, z).item() == pytest.approx(total, abs=1e-12)


def test_what_is_heard_of_the_words_before_can_be_less_than_they_are(make_text, rng):
    """Each word's probability is that after the words heard; the words predicted stay."""
    model, x, heard = make_text(), torch.tensor([[2, 2, 3, END]]), torch.tensor([[2, 1, 3, END]])
    z = torch.randn(1, 3, dtype=torch.float64, generator=rng)
    decoder, total = model.generator, 0.0
    h, previous = decoder.begin(z), torch.tensor([END])
    for word, next_heard in zip(x[0], heard[0], strict=True):
        log_probs, h = decoder.step(previous, z, h)
        total += log_probs[0, word].item()
        previous = next_heard[None]
    assert model.log_likelihood(x, z, heard).item() == pytest.approx(total, abs=1e-12)
    assert torch.equal(model.log_likelihood(x, z, x), model.log_likelihood(x, z))


def test_the_cell_is_torchs_gated_recurrent_unit(make_text, rng):
    decoder = make_text(length=3).generator
    cell = nn.GRUCell(5 + 3, 6).double()
    both = torch.cat([decoder.from_word.weight, decoder.from_latent.weight], 1)
    cell.weight_ih, cell.bias_ih = nn.Parameter(both), nn.Parameter(decoder.from_word.bias)
    cell.weight_hh = nn.Parameter(decoder.from_state.weight)
    cell.bias_hh = nn.Parameter(decoder.from_state.bias)
    z = torch.randn(4, 3, dtype=torch.float64, generator=rng)
    word, h = torch.tensor([0, 1, 2, 3]), torch.randn(4, 6, dtype=torch.float64, generator=rng)
    _, ours = decoder.step(word, z, h)
    torch.testing.assert_close(ours, cell(torch.cat([decoder.words[word], z], 1), h))


def test_padding_and_company_change_nothing(make_text, rng):
    model = make_text(length=6)
    x = torch.tensor([[2, 3, END, END, END, END], [3, 1, 2, 2, 3, END], [END] * 6])
    z = torch.randn(3, 3, dtype=torch.float64, generator=rng)
    together = model.log_likelihood(x, z)
    alone = torch.cat([model.log_likelihood(x[i : i + 1], z[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-13)
    dirty = x.clone()
    dirty[0, 3:] = torch.tensor([1, 2, 3])  # beyond the end
    assert torch.equal(model.log_likelihood(dirty, z), together)
    assert torch.equal(model.log_likelihood(x[:1, :3], z[:1]), alone[:1])


def test_a_beginning_is_as_likely_as_all_that_begin_so(make_text, rng):
    model, z = make_text(length=4), torch.randn(1, 3, dtype=torch.float64, generator=rng)
    whole = every_sentence(4, 4)
    begins = whole[(whole[:, :2] == torch.tensor([2, 3])).all(1)]
    parts = model.log_likelihood(begins, z.expand(len(begins), -1)).exp().sum()
    beginning = model.log_likelihood(torch.tensor([[2, 3]]), z).exp()
    assert parts.item() == pytest.approx(beginning.item(), abs=1e-13)


def test_chains_see_the_values_and_the_forces_of_the_likelihood(make_text, rng):
    model = make_text(length=5)
    x = every_sentence(5, 4)[::3]
    z = torch.randn(len(x), 3, dtype=torch.float64, generator=rng).requires_grad_()
    plain, fast = model.log_likelihood(x, z), model.posterior_density(x).terms["likelihood"](z)
    weights = 1 + torch.rand(len(x), dtype=torch.float64, generator=rng)
    forces = [torch.autograd.grad(v @ weights, z)[0] for v in (plain, fast)]
    torch.testing.assert_close(fast, plain, rtol=0, atol=1e-12)
    torch.testing.assert_close(forces[1], forces[0], rtol=0, atol=1e-12)
    assert forces[0].norm(dim=1).min() > 1e-3  # z matters


def test_large_batches_are_cut_into_pieces_that_agree(make_text, rng):
    model = make_text(length=4)
    x = every_sentence(4, 4).repeat(4, 1)  # more tokens than are scored at once
    z = torch.randn(1, 3, dtype=torch.float64, generator=rng).expand(len(x), -1)
    fast = model.posterior_density(x).terms["likelihood"](z)
    torch.testing.assert_close(fast, model.log_likelihood(x, z), rtol=0, atol=1e-12)


def test_learning_reaches_every_weight_and_chains_reach_none(make_text, rng):
    model, x = make_text(), torch.tensor([[2, 3, 1, END], [3, END, END, END]])
    z = torch.randn(2, 3, dtype=torch.float64, generator=rng)
    model.log_likelihood(x, z).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.generator.parameters())
    model.zero_grad()
    sampler = LangevinConfig(2, 0.01)
    langevin.sample(model.posterior_density(x), z, sampler, generator=rng)
    assert all(p.grad is None for p in model.parameters())


class _GaussianDecoder(RecurrentDecoder):
    """Sentences whose likelihood in z is that of a linear map seen through noise of σ = 0.8."""

    def setup(self, weight: Tensor) -> _GaussianDecoder:
        self.weight = weight
        return self

    def given(self, x: Tensor):
        seen = self.words.detach()[x[:, 0]]
        return lambda z: -(seen - z @ self.weight.T).square().sum(1) / (2 * 0.8**2)


def test_posterior_chains_of_a_linear_gaussian_decoder_settle_at_its_posterior(
    make_text, make_gaussian, rng, p_value
):
    """As for points, but through the path of sentences: words are seen as vectors W z + noise."""
    gaussian, model, n = make_gaussian(), make_text(latent_dim=2, length=2), 20_000
    model.prior.f = gaussian.model.prior.f
    text = TextConfig(embedding_dim=3, vocabulary=Vocabulary(("a", "b")))
    model.generator = _GaussianDecoder(2, 2, 4, text).double().setup(gaussian.weight)
    x = torch.tensor([[3, END]])
    mean, precision = gaussian.posterior(model.generator.words.detach()[3] + gaussian.bias)
    step_size = 0.8 / float(torch.linalg.eigvalsh(precision).max())
    z = torch.randn(n, 2, dtype=torch.float64, generator=rng)
    sampler = LangevinConfig(n_steps=60, step_size=step_size)
    z = langevin.sample(model.posterior_density(x.expand(n, -1)), z, sampler, generator=rng)
    eigenvalues, basis = torch.linalg.eigh(precision)
    settled = (eigenvalues * (1 - step_size * eigenvalues / 2)).sqrt()
    assert p_value((z - mean) @ basis * settled) > ERROR_RATE
    assert p_value(z - mean) < ERROR_RATE


def test_chains_that_start_at_the_posterior_by_quadrature_stay_there(make_text, rng):
    """The real decoder, z on a line, so that its posterior is a sum over a grid."""
    model, n = make_text(latent_dim=1, length=4), 2000
    x = torch.tensor([[2, 3, 3, END]])
    grid = torch.linspace(-8, 8, 1601, dtype=torch.float64)[:, None]
    p = torch.softmax(model.unnorm_log_joint(x.expand(len(grid), -1), grid).detach(), 0)
    moments = [float(p @ grid[:, 0] ** k) for k in range(5)]
    start = grid[torch.multinomial(p, n, replacement=True, generator=rng)]
    noise, density = ChainNoise(0, range(n), 1), model.posterior_density(x.expand(n, -1))
    chain = langevin.run(
        density,
        langevin.init(density, start),
        LangevinConfig(n_steps=15, step_size=0.2),
        noise=noise,
        kernel=mala.adjusted(noise),
    )
    z = chain.z[-1, :, 0].double()
    for k in (1, 2):
        error = ((moments[2 * k] - moments[k] ** 2) / n) ** 0.5
        assert 2 * stats.norm.sf(abs(float((z**k).mean()) - moments[k]) / error) > ERROR_RATE
    assert abs(moments[1]) + abs(moments[2] - 1) > 0.2  # not the prior: the sentence says something
    assert (z - start[:, 0]).abs().mean() > 0.1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"data_shape": (1, 8, 8)}, "data_shape"),
        ({"latent_layers": 2, "latent_dim": 4}, "one latent layer"),
    ],
)
def test_sizes_that_no_text_has_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        ModelConfig(**({"latent_dim": 3, "data_shape": (4,), "text": TextConfig()} | changes))


@pytest.mark.parametrize("changes", [{"embedding_dim": 0}, {"max_words": 0}, {"max_words": 10**6}])
def test_bad_text_settings_name_the_field(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        TextConfig(**changes)


def test_the_kind_of_an_example_is_known():
    assert ModelConfig(2, (2,)).kind == "points"
    assert ModelConfig(2, (1, 8, 8)).kind == "images"
    assert ModelConfig(2, (8,), text=TextConfig()).kind == "text"
