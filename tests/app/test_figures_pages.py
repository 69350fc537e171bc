"""Figures of the Posterior and Landscape pages."""

from __future__ import annotations

import base64
import io

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from app.figures import landscape, posterior, profiles
from app.figures.pictures import picture
from app.figures.profiles import Strip

RNG = np.random.default_rng(0)
AT = np.linspace(-3, 3, 13)
PICTURES = RNG.integers(0, 256, (13, 8, 8, 1), np.uint8)


def _pixels(trace: go.Image) -> np.ndarray:
    """The picture of a trace, its first row at the top of the chart."""
    data = base64.b64decode(trace.source.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)))[::-1]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_fills_its_rectangle_upright(channels: int) -> None:
    pixels = RNG.integers(0, 256, (4, 6, channels), np.uint8)
    trace = picture(pixels, (-1, 2), (10, 12))
    np.testing.assert_array_equal(_pixels(trace).reshape(pixels.shape), pixels)
    assert (trace.x0 - trace.dx / 2, trace.y0 - trace.dy / 2) == (-1, 10)
    assert (trace.x0 + 5.5 * trace.dx, trace.y0 + 3.5 * trace.dy) == pytest.approx((2, 12))


def test_each_picture_of_a_strip_stands_at_its_place() -> None:
    curves = profiles.profile_curves(AT, AT**2, 2 * AT**2)
    strips = [Strip("decoded", AT, PICTURES), Strip("again", AT, PICTURES)]
    figure = profiles.along(curves, strips, {0.0: "mean"}, ("Title", "x", "y"))
    images = [trace for trace in figure.data if trace.type == "image"]
    assert [image.yaxis for image in images] == ["y2", "y3"]
    middle = images[0].x0 + (np.arange(8) + 5 * 8) * images[0].dx
    assert middle.mean() == pytest.approx(AT[5])
    np.testing.assert_array_equal(_pixels(images[0])[:, 40:48], PICTURES[5, ..., 0])
    curve, first, second = (figure.layout[name].domain for name in ("yaxis", "yaxis2", "yaxis3"))
    assert curve[0] > first[1] > first[0] >= second[1] > second[0] == 0
    assert figure.layout.shapes[0].x0 == 0


def test_the_terms_of_a_profile_add_up() -> None:
    total, energy, base = profiles.profile_curves(AT, np.sin(AT), np.cos(AT))
    np.testing.assert_allclose(total.values, energy.values + base.values)


def test_pictures_of_a_plane_stand_at_their_coordinates() -> None:
    coarse = np.array([-1.0, 0.0, 1.0])
    pictures = RNG.integers(0, 256, (3, 3, 4, 4, 1), np.uint8)
    figure = landscape.plane_pictures(coarse, pictures, {"A": np.zeros(2)}, ("t", "u", "v"))
    whole = _pixels(figure.data[0])
    np.testing.assert_array_equal(whole[:4, 8:], pictures[2, 2, ..., 0])  # top right is (1, 1)
    np.testing.assert_array_equal(whole[8:, :4], pictures[0, 0, ..., 0])
    assert figure.data[0].x0 - figure.data[0].dx / 2 == pytest.approx(-1.5)


def test_low_energy_is_drawn_dark_and_paths_on_top() -> None:
    values = RNG.normal(size=(13, 13))
    lines = [("straight", np.zeros((5, 2)))]
    figure = landscape.plane_energy(AT, values, {"A": np.zeros(2)}, ("t", "u", "v"), lines)
    shades = figure.data[0]
    assert shades.zmin == values.min()
    assert shades.colorscale[0][1].endswith("0.8)")
    assert figure.data[2].name == "straight"
    assert figure.data[2].line.color == profiles.ROUTES["straight"]


def test_every_place_of_a_clickable_plane_can_be_selected() -> None:
    values = RNG.normal(size=(13, 13))
    figure = landscape.plane_energy(AT, values, {}, ("t", "u", "v"), clickable=True)
    targets = figure.data[-1]
    assert {tuple(place) for place in zip(targets.x, targets.y, strict=True)} == {
        (u, v) for u in AT for v in AT
    }
    assert "select" in figure.layout.clickmode
    plain = landscape.plane_energy(AT, values, {}, ("t", "u", "v"))
    assert len(plain.data) == len(figure.data) - 1


def test_best_and_worst_restart_are_named() -> None:
    figure = posterior.restarts(np.array([0.2, 0.1, 0.4]), np.array([3.0, -1.0, 7.0]))
    assert list(figure.data[0].text) == ["", "best", "worst"]


def test_distances_are_in_the_order_of_the_restarts() -> None:
    distances = RNG.random((3, 3))
    order = np.array([2, 0, 1])
    figure = posterior.distances(distances, 2 * distances, order)
    assert list(figure.data[0].x) == ["2", "0", "1"]
    assert figure.data[0].z[0][1] == distances[2, 0]
    assert figure.data[1].z[2][1] == 2 * distances[1, 0]


def test_the_error_of_a_pixel_is_that_of_its_channels() -> None:
    example = np.zeros((2, 2, 3), np.uint8)
    other = example.copy()
    other[0, 1] = [255, 0, 0]
    np.testing.assert_allclose(posterior.pixel_error(example, other), [[0, 1 / 3], [0, 0]])
    figure = posterior.comparison(example, other, "best: 1", largest_error=0.5)
    assert figure.data[2].z[1][1] == pytest.approx(1 / 3)  # the first row of z lies at the bottom
    assert figure.data[2].zmax == 0.5


def test_axes_are_named() -> None:
    terms = {name: RNG.random((5, 4)) + 1 for name in ("a", "b", "c")}
    curves = profiles.profile_curves(AT, AT, AT)
    for figure in (
        posterior.restarts(np.ones(3), np.arange(3.0)),
        posterior.points(np.zeros(2), RNG.normal(size=(4, 2)), 0, 1),
        profiles.along(curves, [], {}, ("Title", "x", "y")),
        landscape.plane_points(RNG.normal(size=(5, 5, 2)), np.zeros((3, 2)), {}),
        landscape.data_curves({"straight": (np.zeros((4, 2)), "#000000")}, np.zeros((3, 2))),
    ):
        assert figure.layout.title.text
        assert figure.layout.xaxis.title.text
        assert figure.layout.yaxis.title.text
    figure = posterior.joint_terms(np.arange(5), terms)
    assert figure.layout.xaxis3.title.text == "step k"
    assert figure.layout.yaxis.type == "log"
    medians = [trace for trace in figure.data if trace.name in terms]
    np.testing.assert_allclose(medians[1].y, np.median(terms["b"], axis=1))
