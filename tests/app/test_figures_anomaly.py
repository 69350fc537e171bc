"""Figures of the Anomaly page."""

from __future__ import annotations

import numpy as np
import pytest

from app.figures import anomaly
from app.figures.style import FOLLOWED

RNG = np.random.default_rng(0)
IS_ANOMALY = np.arange(300) >= 200
SCORE = RNG.normal(size=300) + IS_ANOMALY


def test_histograms_are_shares_of_each_kind_and_hold_everything() -> None:
    score = SCORE.copy()
    score[0] = 1e6  # far outside: it stands in the last bin
    figure = anomaly.histograms(IS_ANOMALY, score, 0.5)
    assert [bar.name for bar in figure.data] == ["normal", "anomalies"]
    assert [bar.y.sum() for bar in figure.data] == pytest.approx([1, 1])
    assert figure.layout.shapes[0].x0 == 0.5
    assert max(figure.data[0].x) < 1e6


def test_the_threshold_stands_on_both_curves() -> None:
    at = np.linspace(0, 1, 5)
    for figure in (
        anomaly.precision_recall(at, at[::-1], 0.3, (0.25, 0.75)),
        anomaly.roc(at, at, (0.25, 0.75)),
    ):
        dot = figure.data[-1]
        assert (dot.x[0], dot.y[0]) == (0.25, 0.75)
        assert dot.marker.color == FOLLOWED
        assert figure.layout.xaxis.title.text
        assert figure.layout.title.text


@pytest.mark.parametrize("channels", [1, 3])
def test_each_picture_of_a_gallery_can_be_clicked_and_is_framed_by_its_kind(channels: int) -> None:
    pixels = RNG.integers(0, 256, (7, 8, 8, channels), np.uint8)
    numbers, kinds = np.arange(7) + 100, np.arange(7) % 2 == 0
    figure = anomaly.gallery(pixels, numbers, kinds, 3, "Most")
    targets = figure.data[1]
    assert list(targets.customdata) == list(numbers)
    assert (targets.x[3], targets.y[3]) == (0.5, 1.5)  # the second row of three
    colors = [shape.line.color for shape in figure.layout.shapes]
    assert colors == [anomaly.ANOMALY if kind else anomaly.NORMAL for kind in kinds]


def test_an_item_far_from_all_others_lies_inside_its_chart() -> None:
    values = SCORE.copy()
    values[7] = 50
    again = {"a": np.array([40.0, 60.0])}
    figure = anomaly.taken_apart(IS_ANOMALY, {"a": values, "b": SCORE}, 7, again)
    first = [t for t in figure.data if t.xaxis == "x"]
    bars, marks = first[:2], {t.name: t for t in first[2:]}
    assert max(bars[0].x) + bars[0].width / 2 >= 60
    assert list(marks["as scored"].x) == [50]
    assert list(marks["restarts"].x) == [40, 60]
    assert figure.layout.annotations[0].text == "a"


def test_constant_scores_can_be_drawn() -> None:
    anomaly.histograms(IS_ANOMALY, np.zeros(300), 0.0)
    anomaly.taken_apart(IS_ANOMALY, {"a": np.zeros(300)}, 0, {})


def test_the_checkpoint_that_is_shown_stands_out() -> None:
    figure = anomaly.over_checkpoints(np.array([5, 10]), np.array([0.4, np.nan]), 10, 0.3)
    assert list(figure.data[0].marker.color)[1] == FOLLOWED
