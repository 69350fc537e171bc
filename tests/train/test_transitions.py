"""What chains do to sentences: the test by hand, the chains against one run, the command."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch
from scipy import stats

from lebm import checkpoint, langevin
from lebm.checkpoint import ModelCard
from lebm.decoder import TextConfig
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.noise import ChainNoise
from train import records, report, text_metrics, transitions
from train.language_model import LanguageModel, LanguageModelConfig
from train.transitions import Options, Transitions, paired_gain

SAMPLER = LangevinConfig(n_steps=5, step_size=0.1)


@pytest.fixture
def save(tmp_path, sentences):
    """A model of sentences in its file; keywords replace fields of its config."""

    def make(**changes):
        torch.manual_seed(0)
        text = TextConfig(6, vocabulary=sentences.vocabulary)
        config = replace(ModelConfig(3, (20,), width=8, prior_hidden=8, text=text), **changes)
        card = ModelCard("toy", SAMPLER, SAMPLER, SAMPLER, {"data": "grammar", "command": "cmd"})
        checkpoint.save(tmp_path / "toy.safetensors", LatentEBM(config), card)
        return tmp_path / "toy.safetensors"

    return make


@pytest.fixture
def command(monkeypatch, capsys, sentences):
    monkeypatch.setattr(transitions.data, "load", lambda *args, **kw: sentences)
    monkeypatch.setattr(text_metrics, "JUDGE", LanguageModelConfig(8, 8, max_epochs=2))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["transitions", "--accelerator", "cpu", *arguments])
        return transitions.main(), *capsys.readouterr()

    return run


def test_the_gain_is_the_mean_of_differences_and_its_tests_are_scipy_s(rng):
    before = torch.rand(60, dtype=torch.float64, generator=rng)
    after = before - 0.3 * torch.rand(60, dtype=torch.float64, generator=rng) + 0.05
    after[:3] = before[:3]
    gain = paired_gain(before, after)
    assert gain.mean == pytest.approx(float((before - after).mean()))
    t = stats.ttest_rel(before, after)
    interval = t.confidence_interval(0.95)
    assert gain.p_t == pytest.approx(t.pvalue)
    assert gain.mean - gain.half_width == pytest.approx(interval.low)
    assert gain.mean + gain.half_width == pytest.approx(interval.high)
    assert gain.p_wilcoxon == pytest.approx(stats.wilcoxon(before, after).pvalue)
    assert gain.better + gain.worse == 57
    back = paired_gain(after, before)
    assert (back.mean, back.better, back.worse) == (-gain.mean, gain.worse, gain.better)


def test_where_nothing_changes_nothing_is_found():
    same = torch.ones(20)
    gain = paired_gain(same, same)
    assert (gain.mean, gain.p_t, gain.p_wilcoxon) == (0, 1, 1)
    assert (gain.better, gain.worse) == (0, 0)


def test_noise_is_called_a_gain_once_in_twenty_times(rng):
    """500 pairs of equal laws; between 2 % and 9 % with a chance of error below 1 in 1,000."""
    found = [paired_gain(*torch.randn(2, 40, generator=rng)) for _ in range(500)]
    for p in ("p_t", "p_wilcoxon"):
        assert 10 <= sum(getattr(gain, p) < 0.05 for gain in found) <= 45


def test_the_sign_of_a_gain_is_that_of_likelihood():
    """A reader that gives the word 2 three nats more than any other: 1.5 a token, END counted."""
    judge = LanguageModel(4, LanguageModelConfig(4, 4)).eval().requires_grad_(False)
    for p in judge.parameters():
        p.zero_()
    judge.bias[2] = 3.0
    before, after = (torch.tensor([[word, 0]] * 30) for word in (3, 2))
    walk = transitions._Walk([before, after], [torch.zeros(30)] * 2, torch.ones(30).bool())
    first, last = transitions._stops(walk, judge, (0, 100))
    assert first.gain is None
    assert last.gain is not None
    assert last.gain.mean == pytest.approx(1.5)
    assert (last.gain.better, last.gain.worse) == (30, 0)
    assert first.perplexity / last.perplexity == pytest.approx(torch.tensor(1.5).exp().item())


def test_chains_are_those_of_one_run_and_diverged_ones_are_left_out(save, monkeypatch):
    model, _ = checkpoint.load(save())
    with torch.no_grad():
        for p in model.prior.f.parameters():
            p.mul_(3)
    options = Options(save(), chains=20, steps=(0, 3, 70), seed=4)
    tight = replace(SAMPLER, max_radius=3.6)
    walk = transitions._walk(model.requires_grad_(False), 1.0, tight, options)
    density, noise = model.prior_density(), ChainNoise(4, range(20), 3)
    start = langevin.init(density, noise.at(0))
    whole = langevin.run(density, start, replace(tight, n_steps=70), noise=noise)
    for i, step in enumerate(options.steps):
        assert torch.equal(walk.tokens[i], model.generate(whole.z[step]))
        torch.testing.assert_close(walk.energy[i], -model.prior.neg_energy(whole.z[step]))
    assert torch.equal(walk.good, whole.state.failed_at < 0)
    assert 0 < int(walk.good.sum()) < 20


def test_the_command_writes_what_it_prints_and_the_report_repeats_it(save, command, tmp_path):
    json = tmp_path / "t.json"
    arguments = [str(save()), "--chains=30", "--steps", "0", "2", "6", "--panels=2"]
    status, said, _ = command(*arguments, f"--json={json}")
    assert status == 0
    record = records.load(json)
    found = record.as_type(Transitions)
    assert said.strip() == transitions.text(found).strip()
    assert said.strip() in report.render(record)
    assert "`cmd`" in said
    assert (found.chains, found.diverged) == (30, 0)
    assert [stop.step for stop in found.stops] == [0, 2, 6]
    assert found.stops[0].perplexity == found.control[0].perplexity  # the same noise
    assert [panel.chain for panel in found.panels] == [0, 1]
    assert all(len(panel.sentences) == 3 for panel in found.panels)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"text": None, "data_shape": (2,)}, "model of points"), ({"prior": "gaussian"}, "exactly")],
)
def test_models_without_such_chains_are_refused(save, command, changes, said):
    status, _, error = command(str(save(**changes)))
    assert status == 1
    assert said in error


def test_a_run_that_saved_nothing_is_a_sentence(command, tmp_path):
    status, _, error = command(str(tmp_path))
    assert status == 1
    assert "holds no checkpoint" in error


@pytest.mark.parametrize(
    ("field", "value"),
    [("chains", 10), ("steps", (0,)), ("steps", (5, 5)), ("steps", (-1, 4)), ("panels", 2000)],
)
def test_bad_options_are_named(field, value, tmp_path):
    with pytest.raises(ValueError, match=f"{field} must be"):
        Options(tmp_path, **{field: value})
