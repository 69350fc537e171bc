"""Score files and areas: against counts by hand, closed forms, and files that are damaged."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from safetensors.numpy import load, save

from train import scores
from train.scores import Scores, ScoresError


@pytest.fixture
def known() -> Scores:
    """300 normal test examples, 100 anomalies and 500 of reference, of two independent terms."""
    rng = np.random.default_rng(0)
    normal, reference = rng.standard_normal((2, 2, 500), dtype=np.float32)
    odd = rng.standard_normal((2, 100), dtype=np.float32) - np.float32([[4], [0]])
    terms = np.concatenate([normal[:, :300], odd], 1)
    names = ("reconstruction", "base")
    return Scores(
        terms=dict(zip(names, terms, strict=True)),
        reference=dict(zip(names, reference, strict=True)),
        is_anomaly=np.arange(400) >= 300,
        method="lebm",
        held_out=3,
        seed=7,
    )


def test_average_precision_steps_and_the_trapezoid_interpolates():
    """Anomalies at ranks 1 and 3 of 4: P(½) = 1, P(1) = 2/3; the corner between has P = ½."""
    is_anomaly, score = np.array([True, False, True, False]), np.array([4.0, 3.0, 2.0, 1.0])
    assert scores.average_precision(is_anomaly, score) == pytest.approx((1 + 2 / 3) / 2)
    trapezoid = 0.5 * 1 + 0.5 * (1 / 2 + 2 / 3) / 2
    assert scores.auprc_trapezoid(is_anomaly, score) == pytest.approx(trapezoid)


def test_a_fifth_of_the_anomalies_is_five_times_the_normal_examples(known):
    """Weights against copies; and the least area there is, by its closed form."""
    fifth = scores.average_precision(known.is_anomaly, known.total(), 0.2)
    is_anomaly, total = (
        np.r_[a[:300].repeat(5), a[300:]] for a in (known.is_anomaly, known.total())
    )
    assert fifth == pytest.approx(scores.average_precision(is_anomaly, total))
    many = np.arange(17_500) >= 10_750  # digit 1 of MNIST: 0.386 of the test
    least = scores.average_precision(many, -many.astype(float) - np.linspace(0, 0.5, len(many)))
    ratio = many.sum() / (~many).sum()
    assert least == pytest.approx(1 - np.log1p(ratio) / ratio, abs=1e-3)


def test_a_score_that_knows_nothing_has_the_prevalence_as_its_area(known):
    assert known.prevalence == 0.25
    for area in scores.AREAS.values():
        noise = np.random.default_rng(1).standard_normal((200, 400))
        areas = [area(known.is_anomaly, score) for score in noise]
        assert np.mean(areas) == pytest.approx(0.25, abs=0.02)


def test_a_score_that_is_not_finite_has_no_area(known):
    known.terms["base"][5] = np.nan
    assert all(np.isnan(area(known.is_anomaly, known.total())) for area in scores.AREAS.values())
    assert np.isnan(known.typicality()).all()


def test_typicality_finds_what_is_explained_too_easily(known):
    """Anomalies lie 4 deviations BELOW the normal examples: their sum ranks them last."""
    area = scores.average_precision
    assert area(known.is_anomaly, known.total()) < 0.2
    assert area(known.is_anomaly, known.typicality()) > 0.9


def test_typicality_with_one_gaussian_is_its_density(known, monkeypatch):
    """-log N of the standardised terms, with the mean and covariance of the reference."""
    normal = np.stack(list(known.reference.values()), 1).astype(np.float64)
    test = np.stack(list(known.terms.values()), 1).astype(np.float64)
    off, cov = test - normal.mean(0), np.cov(normal.T, bias=True)
    distance = (off @ np.linalg.inv(cov) * off).sum(1)
    white = np.cov((normal / normal.std(0)).T, bias=True)
    expected = 0.5 * (distance + np.log(np.linalg.det(2 * np.pi * white)))
    monkeypatch.setattr(scores, "_COMPONENTS", 1)
    np.testing.assert_allclose(known.typicality(), expected, rtol=1e-4)


def test_typicality_sees_no_anomaly(known):
    """Other anomalies leave the score of every normal example as it was."""
    before = known.typicality()[:300]
    known.terms["base"][300:] += 100
    np.testing.assert_array_equal(known.typicality()[:300], before)


def test_a_constant_term_and_a_small_reference_are_no_trouble(known):
    for terms in (known.terms, known.reference):
        terms["base"][:] = 2
    short = {name: values[:3] for name, values in known.reference.items()}
    few = Scores(known.terms, short, known.is_anomaly, "lebm", 3, 0)
    assert np.isfinite(known.typicality()).all()
    assert np.isfinite(few.typicality()).all()


def test_variants_leave_out_and_single_out_each_term(known):
    a, b = known.terms.values()
    assert list(known.variants()) == ["score", "reconstruction alone", "base alone", "typicality"]
    known.terms["tilt"] = known.terms["base"] * 3
    known.reference["tilt"] = known.reference["base"] * 3
    variants = known.variants()
    np.testing.assert_allclose(variants["score"], a + 4 * b, atol=1e-5)
    np.testing.assert_allclose(variants["without reconstruction"], 4 * b, atol=1e-5)
    np.testing.assert_allclose(variants["without tilt"], a + b, atol=1e-5)
    assert list(variants)[-1] == "typicality"


def test_a_file_gives_back_what_was_saved(known, tmp_path):
    path = tmp_path / "scores" / "step-000010.safetensors"
    scores.save(path, known)
    again = scores.load(path)
    assert list(again.terms) == list(known.terms)
    assert (again.method, again.held_out, again.seed) == ("lebm", 3, 7)
    for name in known.terms:
        np.testing.assert_array_equal(again.terms[name], known.terms[name])
        np.testing.assert_array_equal(again.reference[name], known.reference[name])
    np.testing.assert_array_equal(again.is_anomaly, known.is_anomaly)


def without_a_term(data: bytes) -> bytes:
    arrays, about = load(data), {"terms": ["reconstruction", "base"], "method": "lebm"}
    arrays.pop("test.base")
    about |= {"held_out": 3, "seed": 7}
    return save(arrays, {"lebm-scores": json.dumps(about)})


def with_a_shorter_term(data: bytes) -> bytes:
    arrays = load(data)
    arrays["test.base"] = arrays["test.base"][:-1]
    about = {"terms": ["reconstruction", "base"], "method": "lebm", "held_out": 3, "seed": 7}
    return save(arrays, {"lebm-scores": json.dumps(about)})


def of_one_class(data: bytes) -> bytes:
    arrays = load(data)
    arrays["is_anomaly"][:] = 1
    about = {"terms": ["reconstruction", "base"], "method": "lebm", "held_out": 3, "seed": 7}
    return save(arrays, {"lebm-scores": json.dumps(about)})


def saying(about: str) -> Callable[[bytes], bytes]:
    return lambda data: save(load(data), {"lebm-scores": about})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"\xff" * 100,
        lambda data: (2**63).to_bytes(8, "little") + data[8:],
        lambda data: save({"x": np.zeros(3)}),
        without_a_term,
        with_a_shorter_term,
        of_one_class,
        saying('"a text"'),
        saying('{"terms": ["base"], "method": "lebm", "held_out": 3, "seed": Infinity}'),
        saying("[" * 100_000),
    ],
)
def test_a_damaged_file_is_refused_in_a_sentence(spoil, known, tmp_path):
    path = tmp_path / "step-000010.safetensors"
    scores.save(path, known)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ScoresError, match="is damaged, or no file of scores"):
        scores.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ScoresError, match=r"gone\.safetensors cannot be read"):
        scores.load(tmp_path / "gone.safetensors")
