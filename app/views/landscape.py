"""The Landscape page: the prior's energy over lines, planes, paths and directions."""

from __future__ import annotations

import streamlit as st

from app.sidebar import pick_model, pick_seed
from app.views import landscape_directions, landscape_line, landscape_paths, landscape_plane
from app.views.landscape_scene import Scene

_VIEWS = {
    "Line": landscape_line.show,
    "Plane": landscape_plane.show,
    "Paths": landscape_paths.show,
    "Directions": landscape_directions.show,
}


def page() -> None:
    """Draw the page."""
    st.header("Landscape")
    st.markdown(
        "The learned prior is a landscape over latent space: low where **−log p_α(z) = −f(z) + "
        "½‖z‖² + constant** is small, that is, where samples end up. Cut through it, cross it "
        "from one point to another, and see what it decodes to on the way."
    )
    chosen = pick_model()
    if chosen is None:
        return
    entry, model, card = chosen
    with st.sidebar:
        seed = pick_seed("Of the chains and of the noise that the points come from.")
    shown = st.segmented_control(
        "Show",
        list(_VIEWS),
        default="Line",
        required=True,
        key="show",
        bind="query-params",
        help="A line through two points, a plane through three, ways from one point to another, "
        "or the directions in which samples vary most.",
    )
    _VIEWS[shown or "Line"](Scene(entry, model, card, seed))
