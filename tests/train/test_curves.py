"""Curves as SVG: well-formed, to scale, and nothing in them but what was given."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from train.curves import COLORS, Panel, svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*panels: Panel) -> ElementTree.Element:
    return ElementTree.fromstring(svg(list(panels)))


def places(root: ElementTree.Element) -> list[list[tuple[float, float]]]:
    return [
        [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
        for line in root.iter(f"{SVG}polyline")
    ]


def test_axes_are_linear_below_and_logarithmic_at_the_side():
    curve = [(float(i), 10.0 ** -(i / 3)) for i in range(1, 7)]
    (line,) = places(drawn(Panel("t", "minutes", "MSE", {"a": curve})))
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(line)]
    assert all(step == pytest.approx(steps[0], abs=0.2) for step in steps)
    assert steps[0][0] > 0
    assert steps[0][1] > 0  # a smaller value lies lower, where an SVG's y is larger


def test_a_name_has_one_colour_in_all_panels():
    first = Panel("t", "x", "y", {"a": [(1, 1)], "b": [(1, 2)]})
    second = Panel("t", "x", "y", {"b": [(1, 3), (2, 4)], "c": [(2, 3)]})
    colors = [line.attrib["stroke"] for line in drawn(first, second).iter(f"{SVG}polyline")]
    assert colors == [COLORS[0], COLORS[1], COLORS[1], COLORS[2]]


def test_names_are_text_and_never_markup():
    root = drawn(Panel("<script>", "a & b", 'say "y"', {"<img>": [(1.0, 2.0)]}))
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {"<script>", "a & b", 'say "y"', "<img>"} <= texts
    assert not list(root.iter(f"{SVG}script"))


@pytest.mark.parametrize("value", [3e-5, 0.0041, 1.0, 1.04, 777.0, 2.5e6])
def test_every_scale_has_ticks(value):
    root = drawn(Panel("t", "x", "y", {"a": [(0.5, value), (7.0, value * 1.5)]}))
    ends = [t for t in root.iter(f"{SVG}text") if t.attrib.get("text-anchor") == "end"]
    assert 2 <= len(ends) <= 12
    low, high = value / 1.2, 1.8 * value
    assert all(low <= float(str(tick.text)) <= high for tick in ends)


def test_one_point_is_enough():
    assert places(drawn(Panel("t", "x", "y", {"a": [(0.0, 0.3)]}))) == [[(70.0, 172.0)]]
