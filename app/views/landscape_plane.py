"""The Plane view of the Landscape page: a square through three points, and any point of it."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch

from app.figures import landscape as figures
from app.studies import landscape, lines
from app.studies.landscape import Plane, Point
from app.views import landscape_sentences
from app.views.landscape_scene import QUANTITIES, Chosen, Scene, choose, choose_quantity

_CHART = "plane"
_REACH = 1_000.0  # farther than any plane goes
_SIDE = 230  # pixels of the decoded picture on screen
_STYLE = "<style>.st-key-selected img { image-rendering: pixelated; }</style>"


def show(scene: Scene) -> None:
    """Draw the view."""
    chosen = choose(scene, "ABC")
    if chosen is None:
        return
    quantity = choose_quantity()
    points = torch.stack(list(chosen.latents.values()))
    try:
        tag = f"plane {points.tolist()}"
        found = scene.keep(tag, lambda: landscape.plane(scene.model, points))
    except ValueError as error:
        st.info(f"There is nothing to show: {error}.")
        return
    _show_plane(scene, chosen, quantity, found)


@st.fragment
def _show_plane(scene: Scene, chosen: Chosen, quantity: str, found: Plane) -> None:
    marks = dict(zip(chosen.places, found.marks, strict=True))
    axes = ("z₁", "z₂") if found.is_whole else ("from A to B", "towards C")
    left, right = st.columns([3, 2])
    with right:
        point = _choose_point(scene, found)
        if scene.is_points:
            place = {"z": point.decoded}
            chart = figures.plane_points(found.decoded, scene.context(), place)
            st.plotly_chart(chart, key="plane-decoded")
        if scene.is_text:
            landscape_sentences.show_point(scene.model, found, point, list(chosen.places))
    with left:
        values, title = getattr(found, QUANTITIES[quantity]), f"{quantity}(z): click to decode"
        chart = figures.plane_energy(
            found.ticks, values, marks | {"z": point.at}, (title, *axes), clickable=True
        )
        st.plotly_chart(chart, key=_CHART, on_select=_remember_click, selection_mode="points")
        if scene.is_text:
            chart = landscape_sentences.map_of_words(
                scene.model, found, point, marks | {"z": point.at}, axes
            )
            st.plotly_chart(chart, key="plane-decoded")
        elif not scene.is_points:
            titles = ("Decoded g(z), each at its place", *axes)
            chart = figures.plane_pictures(found.coarse, found.decoded, marks, titles)
            st.plotly_chart(chart, key="plane-decoded")
    st.caption(
        "The whole latent plane."
        if found.is_whole
        else f"A plane of 2 out of {scene.model.config.latent_dim} dimensions, in latent units. "
        "Where A, B and C lie on one line, its second axis is a random direction."
    )
    scene.show_lines(lines.plane(scene.entry, chosen.places, scene.known, found, point))


def _remember_click() -> None:
    """Move the point to where the plane was clicked; a click beside everything moves nothing."""
    clicked = st.session_state[_CHART].selection.points
    if clicked:
        st.session_state["u"] = round(float(clicked[0]["x"]), 3)
        st.session_state["v"] = round(float(clicked[0]["y"]), 3)


def _choose_point(scene: Scene, found: Plane) -> Point:
    """Controls for a point of the plane, and what is there."""
    u, v = (
        column.number_input(
            label,
            -_REACH,
            _REACH,
            0.0,
            0.1,
            key=key,
            bind="query-params",
            help="Of the point that is decoded: click into the plane, or type.",
        )
        for column, label, key in zip(
            st.columns(2), ("Along the first axis", "Along the second"), "uv", strict=True
        )
    )
    point = landscape.point(scene.model, found, u, v)
    if not isinstance(point.decoded, str) and not scene.is_points:
        st.html(_STYLE)
        with st.container(key="selected"):
            grey = point.decoded.shape[-1] == 1
            pixels = np.squeeze(point.decoded, -1) if grey else point.decoded
            st.image(pixels, "g(z) at this point", width=_SIDE)
    shown = {
        "f(z)": (point.neg_energy, "The network alone, in nats: minus the energy"),
        "−log p_α(z)": (point.neg_log_prob, "Up to log Z, in nats: the Gaussian term included"),
        "‖z‖": (point.norm, "Distance from the origin of the latent space"),
    }
    with st.container(horizontal=True, gap="medium"):
        for label, (value, help_line) in shown.items():
            st.metric(label, f"{value:.2f}".replace("-", "−"), help=help_line, width="content")
    return point
