"""The Line view of the Landscape page: the energy through two points, over what it decodes to."""

from __future__ import annotations

import streamlit as st

from app.figures import landscape as figures
from app.figures import profiles
from app.figures.style import FOLLOWED
from app.studies import landscape, lines
from app.studies.landscape import Profile
from app.views import landscape_sentences
from app.views.landscape_scene import Scene, choose_two, draw_over_strips, strips


def show(scene: Scene) -> None:
    """Draw the view."""
    chosen = choose_two(scene)
    if chosen is None:
        return
    a, b = chosen.latents.values()
    titles = ("The line through A and B", "share of the way from A to B", "nats")
    show_profile(scene, landscape.line(scene.model, a, b), {0.0: "A", 1.0: "B"}, titles)
    st.caption(f"A and B are {float((b - a).norm()):.2f} apart; the line goes on half as far.")
    scene.show_lines(lines.line(scene.entry, chosen.places, scene.known))


def show_profile(
    scene: Scene, found: Profile, marks: dict[float, str], titles: tuple[str, str, str]
) -> None:
    """Draw a curve through latent space and what it decodes to."""
    curves = profiles.profile_curves(found.at, found.energy, found.neg_log_prob)
    figure = profiles.along(curves, strips({"decoded": found}), marks, titles)
    if scene.is_text:
        landscape_sentences.mark_changes(figure, {"decoded": found}, "neg_log_prob")
    draw_over_strips(figure, "profile")
    if scene.is_text:
        landscape_sentences.show_lists({"decoded": found}, "at", marks)
    if scene.is_points:
        decoded = {"along the line": (found.decoded, FOLLOWED)}
        st.plotly_chart(figures.data_curves(decoded, scene.context()), key="decoded")
