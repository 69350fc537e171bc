"""Runs with a class held out: what they score, when, and `python -m train.anomaly`."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import lebm
from lebm import langevin
from lebm.langevin import LangevinConfig
from train import anomaly, records, report, scores
from train.anomaly import Detected, Options
from train.data import hold_out, to_model_range
from train.methods import METHODS
from train.run_dir import RunDir


@pytest.fixture
def train(start, make_config, labelled, tmp_path):
    """A finished run's folder; 3 is held out, and 15 checkpoints are saved."""

    def make(name: str, **changes):
        settings = {"held_out": 3, "epochs": 3, "save_every": 2, "posterior_chains": "persistent"}
        config = make_config("digits", **settings | changes)
        start(config, labelled, tmp_path / name).fit()
        return tmp_path / name

    return make


def steps(run) -> list[int]:
    return [int(file.stem[5:]) for file in RunDir(run).scores()]


def rows(text: str) -> list[dict[str, str]]:
    header, _, *lines = ([c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines())
    return [dict(zip(header, line, strict=True)) for line in lines]


def same_scores(a, b) -> bool:
    """Whether two runs left the same score files, byte for byte."""
    ours, others = (RunDir(path).scores() for path in (a, b))
    return [f.name for f in ours] == [f.name for f in others] and all(
        x.read_bytes() == y.read_bytes() for x, y in zip(ours, others, strict=True)
    )


def test_the_last_ten_checkpoints_are_scored_and_logged(train, read_csv):
    run = train("run")
    header, *logged = read_csv(run / "evaluation.csv")
    saved = [int(row[0]) for row in logged]
    assert len(saved) > scores.COUNTED
    assert steps(run) == saved[-scores.COUNTED :]
    area = header.index("auprc")
    assert all(row[area] == "nan" for row in logged[: -scores.COUNTED])
    known = [scores.load(file) for file in RunDir(run).scores()]
    expected = [scores.average_precision(k.is_anomaly, k.total()) for k in known]
    assert [float(row[area]) for row in logged[-scores.COUNTED :]] == expected


def test_all_test_examples_are_scored_in_their_order(train, labelled):
    known = scores.load(RunDir(train("run", method="vae")).scores()[-1])
    divided = hold_out(labelled, 3, seed=0)
    assert divided.anomalies is not None
    assert (~known.is_anomaly).sum() == len(divided.test)
    assert known.is_anomaly[len(divided.test) :].all()
    assert len(known.is_anomaly) == len(divided.test) + len(divided.anomalies)
    assert {len(values) for values in known.reference.values()} == {len(divided.train)}


@pytest.mark.parametrize("chains", ["short-run", "persistent"])
def test_a_killed_run_neither_doubles_nor_loses_scores(
    chains, train, start, resume, make_config, labelled, tmp_path, same_run
):
    """A kill after the scores of a checkpoint and before its state; a file of a lost step too."""
    whole = train("whole", posterior_chains=chains)
    config = make_config("digits", held_out=3, epochs=3, save_every=2, posterior_chains=chains)
    killed = start(config, labelled, tmp_path / "killed")

    class Killed(BaseException):
        pass

    save_state = RunDir.save_state

    def kill(run, state) -> None:
        if state["step"] == 14:
            raise Killed
        save_state(run, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunDir, "save_state", kill)
        with pytest.raises(Killed):
            killed.fit()
    run = RunDir(tmp_path / "killed")
    assert steps(run.path)[-1] == 14
    run.scores()[-1].rename(run.scores_path(15))  # as if the run had been slower
    resumed = resume(config, labelled, run.path)
    assert resumed.step == 12
    assert resumed.fit()
    assert same_run(whole, run.path)
    assert same_scores(whole, run.path)


@pytest.mark.parametrize(("chains", "expected"), [("persistent", [5, 2]), ("short-run", [5, 5])])
def test_persistent_chains_of_scored_examples_go_on_between_scorings(
    chains, expected, start, make_config, labelled, tmp_path, monkeypatch
):
    """The first scoring takes the reconstruction chain, later ones the posterior chain's steps."""
    two_steps = LangevinConfig(n_steps=2, step_size=0.02)
    config = make_config("digits", held_out=3, posterior_chains=chains, posterior_sampler=two_steps)
    method = start(config, labelled, tmp_path / "run").method
    walks: list[tuple[int, torch.Tensor, torch.Tensor]] = []

    def watched(density, z, sampler, *, generator):
        end = sample(density, z, sampler, generator=generator)
        walks.append((sampler.n_steps, z, end))
        return end

    sample = langevin.sample
    monkeypatch.setattr(langevin, "sample", watched)
    dataset = hold_out(labelled, 3, seed=0)
    for seed in range(2):
        scores.score(method, dataset, seed=seed)
    (first, _, end), (second, start_again, _) = walks
    assert [first, second] == expected
    assert torch.equal(start_again, end) == (chains == "persistent")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_score_of_finite_terms(method, train):
    known = scores.load(RunDir(train(method, method=method, save_every=100, epochs=1)).scores()[-1])
    assert known.method == method
    assert all(np.isfinite(values).all() for values in known.terms.values())


def test_the_tilted_model_s_score_is_minus_its_joint_log_density(train, labelled):
    """At the latents where the chains stand."""
    run = RunDir(train("run"))
    known, state = scores.load(run.scores()[-1]), run.load_state()
    assert state is not None
    model, _ = lebm.load(run.checkpoints()[-1])
    x = to_model_range(scores.examples(hold_out(labelled, 3, seed=0)))
    n, base_norm = len(known.is_anomaly), 0.5 * model.config.latent_dim * np.log(2 * np.pi)
    with torch.no_grad():
        expected = -model.unnorm_log_joint(x, state["scored"])[:n] - base_norm
    np.testing.assert_allclose(known.total(), expected.numpy(), rtol=1e-4)


def test_runs_of_several_seeds_are_one_row_a_score(train, tmp_path):
    runs = (train("a"), train("b", seed=1), train("c", method="vae"))
    text = anomaly.run(Options(runs, json=tmp_path / "all.json"))
    table = rows(text)
    own = [row for row in table if row["score"] == "score"]
    assert [(row["method"], row["seeds"]) for row in own] == [("lebm", "2"), ("vae", "1")]
    assert "±" in own[0]["AUPRC"]
    assert {row["score"] for row in table if row["method"] == "lebm"} == {
        *("score", "typicality", "reconstruction alone", "tilt alone", "base alone"),
        *("without reconstruction", "without tilt", "without base"),
    }
    record = records.load(tmp_path / "all.json")
    groups = record.as_type(list[list[Detected]])
    found = [[(run.method, run.seed) for run in group] for group in groups]
    assert found == [[("lebm", 0), ("lebm", 1)], [("vae", 0)]]
    one = groups[0][0].auprc["score"]
    assert len(one.each) == scores.COUNTED
    assert one.mean == pytest.approx(np.mean(one.each))
    assert one.deviation == pytest.approx(np.std(one.each, ddof=1))
    known = [scores.load(file) for file in RunDir(runs[0]).scores()]
    fifths = [scores.average_precision(k.is_anomaly, k.total(), 0.2) for k in known]
    assert one.of_a_fifth == pytest.approx(np.mean(fifths))
    assert anomaly.table(groups) == text
    first = Options((runs[0], runs[2]), json=tmp_path / "first.json")
    anomaly.run(first)
    assert anomaly.run(Options((tmp_path / "first.json", runs[1]))) == text
    assert "## Anomaly detection, Table 4" in report.text([record]).decode()


def test_scores_before_the_last_ten_do_not_count(train):
    """A run that went on after its end leaves more than ten."""
    run = RunDir(train("run"))
    found = anomaly.detect(run)
    first = scores.load(run.scores()[0])
    perfect = {name: first.is_anomaly.astype(np.float32) for name in first.terms}
    scores.save(run.scores_path(1), replace(first, terms=perfect))
    assert len(run.scores()) == scores.COUNTED + 1
    assert anomaly.detect(run) == found


def test_runs_that_cannot_be_read_get_a_sentence_each(train, tmp_path, monkeypatch, capsys):
    run = train("run", save_every=100)

    def complaint(*paths) -> str:
        monkeypatch.setattr(sys, "argv", ["anomaly", *map(str, paths)])
        assert anomaly.main() == 1
        text = capsys.readouterr().err
        assert text.startswith("error: ")
        assert text.count("\n") == 1
        return text

    assert "settings and the seed of another run" in complaint(run, run)
    assert "holds no run" in complaint(tmp_path / "nowhere")
    assert "held no class out" in complaint(train("normal", held_out=None))
    (file,) = RunDir(run).scores()
    data = file.read_bytes()
    file.write_bytes(data[:-7])
    assert "is damaged, or no file of scores" in complaint(run)
    file.write_bytes(RunDir(train("vae", method="vae", save_every=100)).scores()[0].read_bytes())
    assert "holds scores of vae with class 3 held out, the run is of lebm" in complaint(run)
    file.unlink()
    assert "has scored nothing yet" in complaint(run)


def test_published_areas_stand_beside_the_own_score_of_mnist_alone(train):
    run = anomaly.detect(RunDir(train("run")))
    mnist = replace(run, data="mnist", held_out=4)
    columns = rows(anomaly.table([[run], [mnist]], published=report._published_area))
    beside = {(c["data"], c["score"]): c["AUPRC (published)"] for c in columns}
    assert beside["mnist", "score"] == "0.630"
    assert set(beside.values()) == {"", "0.630"}
    assert beside["digits", "score"] == beside["mnist", "typicality"] == ""
