"""Table 2's numbers and the signs of collapse, against quadrature and known variances."""

from __future__ import annotations

import pytest
import torch

from lebm.decoder import TextConfig
from lebm.langevin import LangevinConfig
from lebm.vocabulary import END, Vocabulary
from train import text_metrics
from train.evaluate import Options, run
from train.importance import importance_bound
from train.language_model import LanguageModel, LanguageModelConfig


@pytest.fixture
def line(make_model):
    """A model of sentences with z on a line, where log p(x) is a sum over a grid."""
    text = TextConfig(embedding_dim=5, vocabulary=Vocabulary(("a", "b")))
    model = make_model(1, (4,), width=6, text=text)
    with torch.no_grad():
        for p in model.generator.parameters():
            p.mul_(2)
    return model.requires_grad_(False)


GRID = torch.linspace(-9, 9, 1801, dtype=torch.float64)[:, None]
X = torch.tensor([[2, 3, 3, END], [3, END, END, END], [1, 2, END, END]])


def log_integral(values: torch.Tensor) -> torch.Tensor:
    return values.logsumexp(-1) + torch.log(GRID[1, 0] - GRID[0, 0])


def test_the_bound_is_close_below_log_p_of_x(line, rng):
    log_z = float(log_integral(line.prior.unnorm_log_prob(GRID)))
    exact = (
        torch.stack([log_integral(line.unnorm_log_joint(x.expand(len(GRID), -1), GRID)) for x in X])
        - log_z
    )
    chain = LangevinConfig(40, 0.1)
    chains = text_metrics.posterior_chains(line, X, chain, generator=rng)
    assert chains.shape == (3, 8, 1)
    bounds = [importance_bound(line, X, chains, log_z, generator=rng) for _ in range(20)]
    bound = torch.stack(bounds).mean(0)
    assert (bound < exact + 0.02).all()
    assert (bound > exact - 0.1).all()


def test_a_poor_proposal_gives_a_lower_bound_still(line, rng):
    log_z = float(log_integral(line.prior.unnorm_log_prob(GRID)))
    exact = (
        torch.stack([log_integral(line.unnorm_log_joint(x.expand(len(GRID), -1), GRID)) for x in X])
        - log_z
    )
    far = 6 + 0.1 * torch.randn(3, 8, 1, dtype=torch.float64, generator=rng)
    bound = importance_bound(line, X, far, log_z, generator=rng)
    assert (bound < exact - 1).all()


def test_annealing_finds_the_partition_function(line):
    rng = torch.Generator().manual_seed(0)
    exact = float(log_integral(line.prior.unnorm_log_prob(GRID)))
    found, error = text_metrics.log_partition(line, generator=rng)
    assert found == pytest.approx(exact, abs=0.02)
    assert 0 < error < 0.02


def test_samples_that_are_real_sentences_are_read_as_those(sentences, monkeypatch):
    monkeypatch.setattr(text_metrics, "JUDGE", LanguageModelConfig(8, 8, max_epochs=2))
    device = torch.device("cpu")
    real = text_metrics.perplexities(sentences.train[:40], sentences, device)
    assert real["RPPL"] == real["RPPL of real"] > real["PPL of real"]
    other = text_metrics.perplexities(sentences.train[-40:], sentences, device)
    assert other["RPPL of real"] == real["RPPL of real"] != other["RPPL"]


def test_the_use_of_z_is_the_variance_of_its_means(rng):
    """Two latents that tell (variances 4 and 0.25), one that is noise, over 4,000 sentences."""
    means = torch.randn(4000, 1, 3, generator=rng) * torch.tensor([2.0, 0.5, 0.0])
    chains = means + torch.randn(4000, 8, 3, generator=rng)
    use = text_metrics.latent_use(chains)
    assert use.active_units == 2
    assert use.signal == pytest.approx(4.25, rel=0.1)
    nothing = text_metrics.latent_use(torch.randn(4000, 8, 3, generator=rng))
    assert nothing.active_units == 0
    assert nothing.signal < 0.05


class _Speaker:
    """A stand-in for a model: noise says "3", what the prior makes of it says "2"."""

    def __init__(self, makes: float) -> None:
        self.model, self.makes = self, makes
        self.prior = self

    def sample_base(self, n: int, *, generator: torch.Generator) -> torch.Tensor:
        return torch.rand(n, 1, generator=generator)

    def sample_prior(self, start: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
        return start - self.makes

    def generate(self, z: torch.Tensor) -> torch.Tensor:
        word = torch.where(z > 0, 3, 2).long()
        return torch.cat([word, torch.zeros_like(word)], 1)


def test_a_prior_that_is_worth_something_has_a_large_t(rng):
    torch.manual_seed(0)
    judge = LanguageModel(4, LanguageModelConfig(4, 4)).eval().requires_grad_(False)
    for p in judge.parameters():
        p.zero_()
    judge.bias[2] = 3.0  # likes the word 2
    gained = text_metrics.prior_gain(_Speaker(0.9), judge, 200, generator=rng)
    assert gained["greedy FPPL"] < gained["greedy FPPL of N(0, I)"]
    assert gained["t of the gain"] > 10
    assert set(text_metrics.prior_gain(_Speaker(0.0), judge, 200, generator=rng)) == {"greedy FPPL"}


def test_runs_on_sentences_are_measured(start, make_config, sentences, tmp_path, monkeypatch):
    monkeypatch.setattr("train.evaluate.data.load", lambda *args, **kw: sentences)
    monkeypatch.setattr(text_metrics, "JUDGE", LanguageModelConfig(8, 8, max_epochs=2))
    for method in ("lebm", "vae"):
        config = make_config("grammar", method=method, epochs=1)
        start(config, sentences, tmp_path / method).fit()
    paths = tuple(tmp_path / method for method in ("lebm", "vae"))
    few = {"features": "none", "samples": 40, "test_examples": 8}
    said = run(Options(paths, json=tmp_path / "numbers.json", **few))
    header, _, *rows = [line for line in said.splitlines() if line.startswith("|")]
    for name in ("NLL", "NLL, another's z", "−log p(x), at most", "FPPL", "RPPL", "PPL of real"):
        assert f"| {name} |" in header
    assert len(rows) == 2
    assert "MSE" not in header
    assert (tmp_path / "numbers.json").exists()
