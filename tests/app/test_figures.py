from __future__ import annotations

import numpy as np

from app import figures


def test_the_energy_profile_draws_the_median_and_its_band() -> None:
    steps = np.arange(1001)
    energy = np.random.default_rng(0).normal(size=(1001, 50)) - steps[:, None]
    figure = figures.energy_profile(steps, energy, short_step=60, max_points=101)
    low, high, median = figure.data
    assert len(median.x) == 101
    np.testing.assert_allclose(median.y, np.median(energy[::10], axis=1))
    assert (np.asarray(low.y) <= median.y).all()
    assert (np.asarray(high.y) >= median.y).all()
    assert figure.layout.shapes[0].x0 == 60


def test_axes_are_named() -> None:
    curve = np.exp(-np.arange(5))
    for figure in (
        figures.autocorrelations({"energy": curve}),
        figures.energy_profile(np.arange(3), np.zeros((3, 2)), 1),
    ):
        assert figure.layout.title.text
        assert figure.layout.xaxis.title.text
        assert figure.layout.yaxis.title.text


def test_selected_points_can_be_told_apart() -> None:
    rng = np.random.default_rng(0)
    groups = {"a": (rng.normal(size=(5, 2)), "#000000"), "b": (rng.normal(size=(7, 2)), "#111111")}
    figure = figures.projection(groups, ("z₁", "z₂"), selectable="b")
    scatters = {trace.name: trace for trace in figure.data if trace.type == "scattergl"}
    assert scatters["a"].customdata is None
    assert list(scatters["b"].customdata) == list(range(7))


def test_the_interval_of_log_z_is_students() -> None:
    figure = figures.log_partition_curve(np.array([0.0, 1.0]), np.zeros(2), np.ones(2), here=1.0)
    assert list(figure.data[0].error_y.array) == [2.36, 2.36]
