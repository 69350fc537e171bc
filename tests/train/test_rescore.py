"""`python -m train.rescore`: each way to score against its definition, on a small run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

import lebm
from lebm.model import LatentEBM
from train import data, records, report, rescore, scores
from train.rescore import Options
from train.run_dir import RunDir


@pytest.fixture
def run(start, make_config, labelled, tmp_path, monkeypatch):
    """A finished run's folder in which 3 was held out; its data set has 100 digits."""
    config = make_config("digits", held_out=3, epochs=2)
    start(config, labelled, tmp_path / "run").fit()
    monkeypatch.setattr(data, "load", lambda *_, **__: labelled)
    return tmp_path / "run"


@pytest.fixture
def rescored(run, monkeypatch):
    """Scores the run: way -> which examples are anomalies, their scores, and the area found."""
    judged: list[tuple[np.ndarray, np.ndarray]] = []
    area = scores.average_precision
    monkeypatch.setattr(
        scores, "average_precision", lambda *two: (judged.append(two), area(*two))[1]
    )

    def score(**options):
        judged.clear()
        path = run.with_suffix(".json")
        rescore.run(Options((run,), json=path, **options))
        (found,) = records.load(path).as_type(list[rescore.Rescored])
        assert found.n_normal + found.n_anomalies == options["examples"]
        return {
            way: (*pair, value)
            for (way, value), pair in zip(found.auprc.items(), judged, strict=True)
        }

    return score


def test_each_way_is_its_definition(run, labelled, rescored):
    """All test examples, from chains made by hand."""
    divided = data.hold_out(labelled, 3, 0)
    test = scores.test_examples(divided)
    n = len(test)
    order = torch.from_numpy(np.random.default_rng(0).permutation(n))
    examples = torch.cat([test[order], divided.train])
    x = data.to_model_range(examples)
    model, card = lebm.load(RunDir(run).checkpoints()[-1])
    chain = card.reconstruction_sampler
    rng = torch.Generator().manual_seed(0)
    z = model.infer(x.repeat_interleave(2, 0), chain, generator=rng)
    joint = -model.unnorm_log_joint(x.repeat_interleave(2, 0), z).unflatten(0, (-1, 2))
    normal, first = x[n:], z[::2]
    std = (normal - model.generate(first[n:])).square().mean().sqrt().item()
    shrunk = min(1.0, (std / model.config.noise_std) ** 2)
    sharper = LatentEBM(replace(model.config, noise_std=std))
    sharper.load_state_dict(model.state_dict())
    shorter = replace(chain, step_size=chain.step_size * shrunk)
    sharp = -sharper.unnorm_log_joint(x, sharper.infer(x, shorter, generator=rng))
    base = model.config.latent_dim / 2 * np.log(2 * np.pi)  # which the sum of the terms lacks
    length = torch.from_numpy(rescore.complexity(examples))
    found = rescored(restarts=2, steps=5, examples=n)
    for way, expected in {
        "one chain, 5 steps": joint[:, 0],
        "the same, σ of normal examples": sharp,
        "best of 2 chains, 5 steps": joint.amin(1),
        "mean of 2 chains, 5 steps": joint.mean(1),
        "the best, less complexity": joint.amin(1) - base - length,
    }.items():
        is_anomaly, score, area = found[way]
        assert np.array_equal(is_anomaly, order.numpy() >= len(divided.test))
        np.testing.assert_allclose(score, expected[:n].detach().numpy(), rtol=1e-4, err_msg=way)
        assert area == average_precision_score(is_anomaly, score)


def test_long_chains_go_on_from_the_short(rescored):
    found = rescored(restarts=2, steps=7, examples=24)
    assert len(found) == 10
    assert all(0 < area <= 1 for *_, area in found.values())
    again = rescored(restarts=2, steps=5, examples=24)
    np.testing.assert_array_equal(
        again["one chain, 5 steps"][1], found["one chain, 5 steps"][1], strict=True
    )
    assert "one chain, 7 steps" not in again


def test_noise_is_more_complex_than_a_blank_by_what_it_takes_to_write_it_down():
    blank = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    noise = torch.randint(256, (1, 1, 64, 64), generator=torch.Generator().manual_seed(0))
    short, long = rescore.complexity(torch.cat([blank, noise.to(torch.uint8)]))
    assert long - short == pytest.approx(64 * 64 * np.log(256), rel=0.05)
    colour = noise.to(torch.uint8).expand(1, 3, 64, 64)
    assert rescore.complexity(colour).shape == (1,)


def test_a_record_has_a_section_of_the_results(run, tmp_path):
    text = rescore.run(Options((run,), examples=24, restarts=2, json=tmp_path / "r.json"))
    record = records.load(tmp_path / "r.json")
    page = report.text([record]).decode()
    assert "## Anomalies, scored in other ways" in page
    assert text in page
    assert "| chance | " in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"runs": ()}, "name at least one run"),
        ({"restarts": 1}, "restarts must be at least 2, not 1"),
        ({"examples": 0}, "examples must be at least 10, not 0"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
    ],
)
def test_settings_outside_their_range_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Options(**{"runs": (Path("runs/mnist"),)} | options)


def test_runs_that_cannot_be_scored_get_a_sentence_each(
    run, start, make_config, labelled, tmp_path, monkeypatch, capsys
):
    def complaint(*arguments) -> str:
        monkeypatch.setattr(sys, "argv", ["rescore", *map(str, arguments)])
        assert rescore.main() == 1
        return capsys.readouterr().err

    start(make_config("digits", epochs=1), labelled, tmp_path / "whole").fit()
    assert "nowhere holds no run" in complaint("nowhere")
    assert "held no class out" in complaint(tmp_path / "whole")
    anomalies_alone = replace(labelled, test=labelled.test[:0], anomalies=labelled.train)
    monkeypatch.setattr(data, "hold_out", lambda *_: anomalies_alone)
    assert "examples are all of one kind" in complaint(run)
    for file in RunDir(run).checkpoints():
        file.unlink()
    assert "holds no checkpoint" in complaint(run)
