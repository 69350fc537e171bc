"""The Paths view of the Landscape page: three ways from one point to another."""

from __future__ import annotations

import streamlit as st
import torch
from torch import Tensor

from app.figures import landscape as figures
from app.figures import profiles
from app.studies import landscape, lines
from app.studies.landscape import Profile
from app.views import landscape_sentences
from app.views.landscape_scene import (
    QUANTITIES,
    Scene,
    choose_quantity,
    choose_two,
    draw_over_strips,
    strips,
)


def show(scene: Scene) -> None:
    """Draw the view."""
    chosen = choose_two(scene)
    if chosen is None:
        return
    a, b = chosen.latents.values()
    quantity = choose_quantity()
    tag = f"routes {a.tolist()} {b.tolist()}"
    found = scene.keep(tag, lambda: landscape.routes(scene.model, a, b))
    values = {n: (p.at, getattr(p, QUANTITIES[quantity])) for n, p in found.items()}
    titles = ("Three ways from A to B", "share of the way", f"{quantity}(z), nats")
    _show_barriers(found)
    curves = profiles.route_curves(values)
    figure = profiles.along(curves, strips(found), {}, titles)
    if scene.is_text:
        landscape_sentences.mark_changes(figure, found, QUANTITIES[quantity])
    draw_over_strips(figure, "routes")
    if scene.is_text:
        landscape_sentences.show_lists(found, "at", {0.0: "A", 1.0: "B"})
    if scene.is_points:
        _show_routes_in_planes(scene, found, chosen.latents)
    scene.show_lines(lines.routes(scene.entry, chosen.places, scene.known))


def _show_barriers(found: dict[str, Profile]) -> None:
    for column, (name, route) in zip(st.columns(len(found)), found.items(), strict=True):
        pass_ = route.barrier
        column.metric(
            f"Barrier, {name}",
            f"{pass_.forward:.1f} / {pass_.backward:.1f} nats",
            help="Climb in −log p_α to the highest pass on the way, from the lowest place before "
            "it (A's side) and from the lowest place behind it (B's side). exp(−climb) is the "
            "density of the pass relative to that valley.",
        )
    dim = found["low energy"].z.shape[1]
    st.caption(
        f"The low-energy path has sunk from the straight one into the valley below it (string "
        f"method, {landscape.ROUNDS} rounds), its ends held: a least path near the straight one, "
        "not surely the least of all."
        + (
            f" In {dim} dimensions samples lie far above the valley's floor, where there is little "
            "room: it first falls, and climbs at the end."
            if dim > 2
            else ""
        )
    )


def _show_routes_in_planes(
    scene: Scene, found: dict[str, Profile], points: dict[str, Tensor]
) -> None:
    """Paths of a model of points in the latent plane and in the data's."""
    whole = landscape.plane(scene.model, torch.stack([*points.values(), torch.zeros(2)]))
    lines = [(name, route.z.numpy()) for name, route in found.items()]
    marks = {name: z.numpy() for name, z in points.items()}
    left, right = st.columns(2)
    titles = ("The paths over −log p_α(z)", "z₁", "z₂")
    chart = figures.plane_energy(whole.ticks, whole.neg_log_prob, marks, titles, lines)
    left.plotly_chart(chart, key="routes-latent")
    curves = {name: (route.decoded, profiles.ROUTES[name]) for name, route in found.items()}
    right.plotly_chart(figures.data_curves(curves, scene.context()), key="routes-data")
