from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from app import figures


def test_whoever_draws_has_pandas_whole() -> None:
    """Half imported by another thread, it broke Plotly."""
    script = "import sys, app.figures; sys.exit('pandas' not in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0


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
    clouds = {
        "a": figures.Cloud(rng.normal(size=(5, 2)), "#000000"),
        "b": figures.Cloud(rng.normal(size=(7, 2)), "#111111", rows=np.arange(0, 14, 2)),
    }
    figure = figures.projection(clouds, ("z₁", "z₂"))
    scatters = {trace.name: trace for trace in figure.data if trace.type == "scattergl"}
    assert scatters["a"].customdata is None
    assert list(scatters["b"].customdata) == list(range(0, 14, 2))


def test_layers_lie_on_the_projection_when_asked_for() -> None:
    rng = np.random.default_rng(0)
    energy = rng.normal(size=9)
    cloud = figures.Cloud(rng.normal(size=(9, 2)), "#000000", energy=energy)
    axis, chains = np.linspace(-1, 1, 5), rng.normal(size=(4, 3, 2))
    figure = figures.projection(
        {"a": cloud}, ("z₁", "z₂"), contours=(axis, np.ones((5, 5))), chains=chains
    )
    kinds = [trace.type for trace in figure.data]
    assert kinds == ["scattergl", "histogram", "histogram", "contour", "scatter", "scatter"]
    np.testing.assert_array_equal(figure.data[0].marker.color, energy)
    lines, ends = figure.data[-2:]
    assert len(lines.x) == 3 * (4 + 1)  # each line ends in a gap
    np.testing.assert_allclose(np.column_stack([ends.x, ends.y])[:3], chains[0])


def test_the_interval_of_log_z_is_students() -> None:
    figure = figures.log_partition_curve(np.array([0.0, 1.0]), np.zeros(2), np.ones(2), here=1.0)
    assert list(figure.data[0].error_y.array) == [2.36, 2.36]
