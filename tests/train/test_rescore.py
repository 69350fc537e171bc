"""`python -m train.rescore`: each way to score against its definition, on a small run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import lebm
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


def auprc(run, **options) -> dict[str, float]:
    path = run.with_suffix(".json")
    rescore.run(Options((run,), json=path, **options))
    (found,) = records.load(path).as_type(list[rescore.Rescored])
    assert found.n_normal + found.n_anomalies == options["examples"]
    return found.auprc


def test_one_chain_is_the_joint_of_the_model_s_own_inference(run, labelled):
    """All test examples, whose order plays no part in an area, from chains made by hand."""
    divided = data.hold_out(labelled, 3, 0)
    test = scores.test_examples(divided)
    order = np.random.default_rng(0).permutation(len(test))
    x = data.to_model_range(torch.cat([test[torch.from_numpy(order)], divided.train]))
    model, card = lebm.load(RunDir(run).checkpoints()[-1])
    chains = x.repeat_interleave(2, 0)
    rng = torch.Generator().manual_seed(0)
    z = model.infer(chains, card.reconstruction_sampler, generator=rng)
    joint = -model.unnorm_log_joint(chains, z).unflatten(0, (-1, 2))[: len(test)].numpy()
    is_anomaly = order >= len(divided.test)
    found = auprc(run, restarts=2, steps=3, examples=len(test))
    for way, score in {
        "one chain, 3 steps": joint[:, 0],
        "best of 2 chains, 3 steps": joint.min(1),
        "mean of 2 chains, 3 steps": joint.mean(1),
    }.items():
        assert found[way] == pytest.approx(scores.average_precision(is_anomaly, score), abs=1e-6)


def test_every_way_is_an_area_and_long_chains_go_on_from_the_short(run, capsys):
    found = auprc(run, restarts=2, steps=5, examples=24)
    assert len(found) == 10
    assert all(0 < area <= 1 for area in found.values())
    again = auprc(run, restarts=2, steps=3, examples=24)
    assert again["one chain, 3 steps"] == found["one chain, 3 steps"]
    assert "one chain, 5 steps" not in again


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
