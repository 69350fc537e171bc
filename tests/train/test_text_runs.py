"""Runs on sentences: they resume, leave sentences to read, and know their vocabulary."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import lebm
from lebm import langevin
from lebm.decoder import TextConfig
from lebm.model import ModelConfig
from lebm.vocabulary import Vocabulary
from train import text_evaluation
from train.config import TEXT_METHODS, OptimizerConfig
from train.run_dir import RunDir, RunError


@pytest.mark.parametrize("name", TEXT_METHODS)
def test_a_run_stopped_within_an_epoch_ends_as_if_it_had_not_been(
    name, start, resume, make_config, sentences, tmp_path, same_run
):
    config = make_config("grammar", method=name, posterior_chains="persistent", save_every=8)
    start(config, sentences, tmp_path / "whole").fit()
    trainer = start(config, sentences, tmp_path / "pieces")
    assert not trainer.fit(lambda p: trainer.stop() if p.step == 10 else None)
    assert resume(config, sentences, tmp_path / "pieces").fit()
    assert same_run(tmp_path / "whole", tmp_path / "pieces")


@pytest.mark.parametrize("name", TEXT_METHODS)
def test_a_run_leaves_a_model_its_words_and_sentences_to_read(
    name, start, make_config, sentences, tmp_path, rng
):
    trainer = start(make_config("grammar", method=name, epochs=1), sentences, tmp_path / "run")
    trainer.fit()
    model, card = lebm.load(trainer.run.checkpoints()[-1])
    assert model.config.text.vocabulary == sentences.vocabulary
    assert (card.facts["words"], card.facts["longest sentence"]) == (60, 19)
    assert "σ" not in card.facts
    x, chain = sentences.test[:5], card.reconstruction_sampler
    z = langevin.sample(model.posterior_density(x), torch.zeros(5, 3), chain, generator=rng)
    assert z.isfinite().all()
    assert model.reconstruct(x, chain, generator=rng).shape == x.shape
    for kind in ("gaussian", "prior", "reconstruction"):
        text = (tmp_path / "run" / "samples" / f"{kind}-000007.txt").read_text()
        words = {word for word in text.split() if word != "<unk>"}
        assert words <= set(sentences.vocabulary.words)
    first = text.splitlines()
    assert len(first) == 32
    assert first[::2] == sentences.vocabulary.decode(sentences.test)
    rows = (tmp_path / "run" / "evaluation.csv").read_text().splitlines()
    assert rows[0] == "step,epoch,seconds,test_nll,test_nll_shuffled"


def test_words_do_not_fill_the_settings_file(start, make_config, sentences, tmp_path):
    start(make_config("grammar"), sentences, tmp_path / "run")
    assert RunDir(tmp_path / "run").config().model.text == TextConfig(6, 60)


def test_a_run_is_not_resumed_with_other_words(start, resume, make_config, sentences, tmp_path):
    config = make_config("grammar", epochs=1)
    start(config, sentences, tmp_path / "run").fit()
    others = Vocabulary(sentences.vocabulary.words[::-1])
    with pytest.raises(RunError, match="sentences of other words"):
        resume(config, replace(sentences, vocabulary=others), tmp_path / "run")


@pytest.mark.parametrize("name", TEXT_METHODS)
def test_a_method_learns_sentences(name, start, make_config, sentences, tmp_path):
    """From 60 words and the end alike, log 62 = 4.1 nats a word, to less than 2.5."""
    config = make_config(
        "grammar",
        method=name,
        model=ModelConfig(3, (20,), width=16, prior_hidden=8, text=TextConfig(16, 60)),
        optimizer=OptimizerConfig(lr_generator=1e-2),
        epochs=12,
        save_every=1000,
    )
    trainer = start(config, sentences, tmp_path / "run")
    trainer.fit()
    row = text_evaluation.evaluate(trainer.model, trainer.method.infer, sentences.test)
    n_words = (sentences.test != 0).sum(1).float().mean() + 1
    assert row["test_nll"] / n_words < 2.5


@pytest.mark.parametrize("batch", [5, 2])
def test_another_s_latent_is_that_of_the_sentence_before(make_model, sentences, batch):
    """Of all of them, so that a last batch of one has no sentence for another."""
    text = TextConfig(4, vocabulary=sentences.vocabulary)
    model = make_model(2, (20,), text=text).float()
    z = torch.arange(10.0).view(5, 2) / 5
    latents = iter(z.split(batch))
    own, others = text_evaluation.reconstruction_nll(
        model, lambda x, *, generator: next(latents), sentences.test[:5], seed=0, batch=batch
    )
    for i in range(5):
        x = sentences.test[i : i + 1]
        expected = [-model.log_likelihood(x, z[j : j + 1]).item() for j in (i, (i - 1) % 5)]
        assert [own[i].item(), others[i].item()] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["2svae", "rae", "sri-5"])
def test_methods_that_learn_no_sentences_say_so(name, make_config):
    with pytest.raises(ValueError, match="learns no sentences: lebm, amortised, tilted-vae, vae"):
        make_config("grammar", method=name)


def test_the_command_trains_and_resumes_on_a_file_of_one_s_own(command, tmp_path):
    lines = [f"The {a} sees the {b}.\n" for a in "abcdef" for b in "uvwxyz"]
    (tmp_path / "my.txt").write_text("".join(lines))
    sizes = ["--model.width", "8", "--model.text.embedding-dim", "6", "--threads", "1"]
    status, said = command("text-file", "--data-root", "my.txt", "--epochs", "1", *sizes)
    assert status == 0, said
    assert "33 examples" in said
    assert "nats a word" in said
    status, said = command("resume", "runs/text-file", "--epochs", "2")
    assert status == 0, said
    (tmp_path / "my.txt").write_text("The x sees the x.\n" * 36)
    status, said = command("resume", "runs/text-file", "--epochs", "3")
    assert status == 1
    assert "sentences of other words" in said


def test_sizes_can_be_set_and_words_cannot(command):
    _, said = command("text", "--help")
    assert "--model.text.max-words" in said
    assert "vocabulary" not in said.lower().replace("its vocabulary", "")
    _, said = command("digits", "--help")
    assert "--model.text" not in said
