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
