"""Curves, thresholds and restarts of the Anomaly page, against counts by hand and closed forms."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import lebm
from app.models import ModelEntry
from app.studies import anomaly
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from train import data, scores
from train.run_dir import RunDir, RunError
from train.scores import Scores

#: Ranked from the top: anomaly, normal, anomaly, normal, normal.
IS_ANOMALY = np.array([False, True, False, True, False])
SCORE = np.array([1.0, 2.0, 3.0, 4.0, 0.0])
ALL_ONE = {"reconstruction": 1.0, "tilt": 1.0, "base": 1.0}
EXAMPLE = anomaly.list_scored(Path("nowhere"))[anomaly.EXAMPLE]


def known() -> Scores:
    step = max(anomaly.steps(EXAMPLE))
    return scores.load(anomaly.steps(EXAMPLE)[step])


def test_curves_pass_through_the_points_counted_by_hand() -> None:
    found = anomaly.curves(IS_ANOMALY, SCORE)
    points = set(zip(found.recall, found.precision, strict=True))
    assert {(0.5, 1.0), (0.5, 0.5), (1.0, 2 / 3)} <= points
    assert found.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert found.auroc == pytest.approx(5 / 6)  # of 2 x 3 pairs one is the wrong way round
    assert (found.false_alarms[0], found.found[-1]) == (0, 1)


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    rng = np.random.default_rng(0)
    is_anomaly = rng.random(20_000) < 0.4
    found = anomaly.curves(is_anomaly, rng.standard_normal(20_000) + is_anomaly)
    assert len(found.recall) <= 600
    assert len(found.found) <= 600
    assert (found.recall[0], found.recall[-1]) == (1, 0)
    assert (found.found[0], found.found[-1]) == (0, 1)


@pytest.mark.parametrize(
    ("flagged", "counts"),
    [(0.0, (0, 0, 2, 3)), (0.2, (1, 0, 1, 3)), (0.6, (2, 1, 0, 2)), (1.0, (2, 3, 0, 0))],
)
def test_a_threshold_s_confusion_is_counted(flagged: float, counts: tuple[int, ...]) -> None:
    cut = anomaly.confusion(IS_ANOMALY, SCORE, flagged)
    found = (cut.true_positives, cut.false_positives, cut.false_negatives, cut.true_negatives)
    assert found == counts
    assert (cut.threshold <= SCORE).sum() == sum(counts[:2])


def test_equal_scores_are_flagged_together() -> None:
    cut = anomaly.confusion(IS_ANOMALY, np.zeros(5), 0.2)
    assert (cut.true_positives, cut.false_positives) == (2, 3)


def test_a_threshold_in_words() -> None:
    some = anomaly.confusion(IS_ANOMALY, SCORE, 0.6).in_words
    assert "Of 3 flagged examples 2 are anomalies: **precision 66.7%**" in some
    assert "recall 100.0%" in some
    assert "33.3% of the normal" in some
    assert "all 2 anomalies are missed" in anomaly.confusion(IS_ANOMALY, SCORE, 0.0).in_words


def test_the_ranking_can_be_of_one_kind() -> None:
    one = Scores({"a": SCORE}, {"a": SCORE}, IS_ANOMALY, "vae", 1, 0)
    assert anomaly.ranked(one, SCORE, "all").tolist() == [3, 2, 1, 0, 4]
    assert anomaly.ranked(one, SCORE, "anomalies").tolist() == [3, 1]
    assert anomaly.ranked(one, SCORE, "normal").tolist() == [2, 0, 4]


def test_weights_of_one_are_the_method_s_own_score() -> None:
    np.testing.assert_allclose(anomaly.combined(known(), "sum", ALL_ONE), known().total())
    base = anomaly.combined(known(), "sum", dict.fromkeys(ALL_ONE, 0.0) | {"base": 1.0})
    np.testing.assert_allclose(base, known().terms["base"])
    typical = anomaly.combined(known(), "typicality", {})
    np.testing.assert_allclose(typical, known().typicality())


def test_areas_over_checkpoints_are_those_of_the_log() -> None:
    files = tuple((file, 0) for file in anomaly.steps(EXAMPLE).values())
    found = anomaly.areas(files, "sum", tuple(ALL_ONE.items()))
    rows = (EXAMPLE.path / "evaluation.csv").read_text().splitlines()
    column = rows[0].split(",").index("auprc")
    logged = [float(row.split(",")[column]) for row in rows[1:]]
    assert found == pytest.approx(logged[-len(found) :])
    assert np.mean(found) > 1.5 * known().prevalence


def test_a_damaged_checkpoint_leaves_a_gap(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"nothing")
    good = next(iter(anomaly.steps(EXAMPLE).values()))
    first, second = anomaly.areas(((good, 0), (tmp_path / "bad", 0)), "sum", tuple(ALL_ONE.items()))
    assert np.isfinite(first)
    assert np.isnan(second)


def test_the_example_s_pictures_are_those_that_were_scored() -> None:
    """Scored anew with the posterior chain of the model, the terms correlate with the kept ones."""
    tests = anomaly.examples(EXAMPLE, 0, len(known().is_anomaly))
    step = max(anomaly.steps(EXAMPLE))
    model, card = lebm.load(EXAMPLE.checkpoint_path(step))
    assert card.facts["held-out class"] == EXAMPLE.config().held_out == known().held_out
    kept = known().terms["reconstruction"][::25]
    fresh = [
        anomaly.restarts(model, data.to_model_range(x[None]), card.reconstruction_sampler, 4, 0)
        for x in tests[::25]
    ]
    medians = [np.median(each.terms["reconstruction"]) for each in fresh]
    assert np.corrcoef(kept, medians)[0, 1] > 0.8


def test_examples_of_other_data_are_refused() -> None:
    with pytest.raises(data.DatasetUnavailable, match="505 test examples here, 7 were scored"):
        anomaly.examples(EXAMPLE, 0, 7)


def test_scores_in_a_run_without_a_class_held_out_are_refused(tmp_path: Path) -> None:
    text = (EXAMPLE.path / "config.json").read_text()
    (tmp_path / "config.json").write_text(text.replace('"held_out": 1', '"held_out": null'))
    with pytest.raises(RunError, match="held no class out"):
        anomaly.examples(RunDir(tmp_path), 0, 505)


def test_runs_with_scores_are_listed_and_the_example_last(tmp_path: Path) -> None:
    for name in ("scored", "plain"):
        (tmp_path / name / "scores").mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "scored" / "scores" / "step-000007.safetensors").write_bytes(b"")
    (tmp_path / "scored" / "scores" / "notes.txt").write_bytes(b"")
    listed = anomaly.list_scored(tmp_path)
    assert list(listed) == ["scored", anomaly.EXAMPLE]
    assert list(anomaly.steps(listed["scored"])) == [7]


def test_restarts_are_chains_with_noise_of_their_own(make_gaussian: Callable) -> None:
    """Long chains of a Gaussian model: their terms' means are those of the exact posterior."""
    made = make_gaussian()
    x = torch.tensor([[0.3, -1.4, 2.2]])
    mean, precision = made.posterior(x[0].double())
    spread = torch.distributions.MultivariateNormal(mean, precision_matrix=precision)
    model: LatentEBM = made.model.float().requires_grad_(False)
    sampler = LangevinConfig(n_steps=300, step_size=0.01)
    found = anomaly.restarts(model, x, sampler, 600, 0)
    torch.manual_seed(0)
    z = spread.sample((20_000,)).float()
    exact = scores.joint_terms(model, x.expand(len(z), -1), z)
    for name, values in found.terms.items():  # 4.5 standard errors, and a step's bias
        error = exact[name].std().item() * (1 / 600 + 1 / 20_000) ** 0.5
        assert values.mean() == pytest.approx(exact[name].mean().item(), abs=4.5 * error + 0.03)
    few = anomaly.restarts(model, x, sampler, 3, 0)
    np.testing.assert_allclose(few.terms["base"], found.terms["base"][:3])


def test_the_lines_make_the_score_and_the_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    step, weights = max(anomaly.steps(EXAMPLE)), ALL_ONE | {"tilt": 0.5}
    entry = ModelEntry("runs/x", "", EXAMPLE.checkpoint_path(step), 0)
    names: dict = {}
    exec(anomaly.lines(entry, EXAMPLE, step, "sum", weights, (400, 5, 3)), names)
    np.testing.assert_allclose(names["score"], anomaly.combined(known(), "sum", weights), rtol=1e-5)
    model, card = lebm.load(entry.path)
    x = data.to_model_range(anomaly.examples(EXAMPLE, 0, 505)[400:401])
    found = anomaly.restarts(model, x, card.reconstruction_sampler, 5, 3)
    for name, values in found.terms.items():
        np.testing.assert_allclose(names["restarts"][name].numpy(), values, rtol=1e-4, atol=1e-4)
    exec(anomaly.lines(entry, EXAMPLE, step, "typicality", weights, None), names)
    np.testing.assert_allclose(names["score"], known().typicality())


def test_the_lines_find_the_data_where_the_run_did(tmp_path: Path) -> None:
    run, root = RunDir(tmp_path / "run"), tmp_path / "its data"
    shutil.copytree(EXAMPLE.path, run.path)
    config = (EXAMPLE.path / "config.json").read_text()
    (run.path / "config.json").write_text(
        config.replace('"data_root": null', f'"data_root": "{root}"')
    )
    step = max(anomaly.steps(run))
    entry = ModelEntry("runs/x", "", run.checkpoint_path(step), 0)
    written = anomaly.lines(entry, run, step, "sum", ALL_ONE, (400, 2, 0))
    assert f"data.load('digits', model.config.data_shape, Path({str(root)!r}))" in written
    names: dict = {}
    exec(written, names)
    assert names["x"].shape == (2, 1, 8, 8)
