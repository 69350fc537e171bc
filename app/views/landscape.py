"""The Landscape page: the prior's energy over lines, planes, paths and directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from app import cache
from app.figures import landscape as figures
from app.figures.landscape import Strip
from app.jobs import Job
from app.models import ModelEntry
from app.sidebar import pick_model, plain
from app.studies import landscape
from app.studies.chain_run import decode
from app.studies.examples import aggregate_posterior
from app.studies.landscape import Directions, Place, Profile
from lebm.checkpoint import ModelCard
from lebm.model import LatentEBM
from train import data

_KEPT = "landscape.kept"
_QUANTITIES = {"−log p_α": "neg_log_prob", "−f": "energy"}
_N_POSTERIOR = 256


@dataclass(frozen=True, slots=True)
class _Scene:
    """What every view of the page works with."""

    entry: ModelEntry
    model: LatentEBM
    card: ModelCard
    seed: int

    @property
    def is_points(self) -> bool:
        return len(self.model.config.data_shape) == 1

    def keep(self, what: str, compute: Callable[[], object]) -> object:
        """The result of `compute`, kept in the session until something else of `what` is asked.

        `what` names all that the result depends on beside the scene; its first word names the
        slot.
        """
        slots = st.session_state.setdefault(_KEPT, {})
        tag = f"{self.entry.path} {self.entry.version} {self.seed} {what}"
        slot = what.partition(" ")[0]
        if slots.get(slot, ("",))[0] != tag:
            slots[slot] = (tag, compute())
        return slots[slot][1]

    def samples(self) -> Tensor:
        return self.keep(
            "samples", lambda: landscape.prior_samples(self.model, self.card, self.seed)
        )

    def context(self) -> np.ndarray:
        """Decoded prior samples of a model of points."""
        return decode(self.model, self.samples()[None])[0]


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
        seed = st.number_input(
            "Seed",
            min_value=0,
            max_value=2**31 - 1,
            value=0,
            key="seed",
            bind="query-params",
            help="Of the chains and of the noise that the points come from.",
        )
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
    _VIEWS[shown or "Line"](_Scene(entry, model, card, int(seed)))


def _choose(scene: _Scene, names: str) -> list[tuple[str, Tensor]]:
    """Controls for one point a letter of `names`; returns name and latent of each."""
    found = []
    for i, (name, column) in enumerate(zip(names, st.columns(len(names)), strict=True)):
        with column:
            kind = st.selectbox(
                f"Point {name}",
                landscape.KINDS,
                key=name.lower(),
                bind="query-params",
                help="Where a prior chain ends after the steps the model was trained with, where "
                "a posterior chain of an example ends, noise as chains start from, or z = 0.",
            )
            number = st.number_input(
                "Number",
                min_value=0,
                max_value=9_999,
                value=i,
                key=f"{name.lower()}n",
                bind="query-params",
                disabled=kind == "origin",
                help="Which chain or example; chain 17 is chain 17 of the Chains page.",
            )
        place = Place(kind, int(number), scene.seed)
        known = partial(cache.examples, scene.entry)
        find = partial(landscape.locate, place, scene.model, scene.card, known)
        found.append((name, scene.keep(f"point-{name} {place}", find)))
    return found


def _choose_quantity() -> str:
    chosen = st.segmented_control(
        "Energy",
        list(_QUANTITIES),
        default="−log p_α",
        required=True,
        key="of",
        bind="query-params",
        help="−log p_α(z), up to log Z, holds the Gaussian term; −f(z) is the network alone.",
    )
    return chosen or "−log p_α"


def _strips(profiles: dict[str, Profile], is_points: bool) -> list[Strip]:
    if is_points:
        return []
    return [Strip(name, p.decoded_at, p.decoded) for name, p in profiles.items()]


def _show_line(scene: _Scene) -> None:
    (_, a), (_, b) = _choose(scene, "AB")
    if torch.equal(a, b):
        st.info("A and B are the same point: choose another number for one of them.")
        return
    found = landscape.line(scene.model, a, b)
    _show_profile(
        scene,
        found,
        {0.0: "A", 1.0: "B"},
        ("The line through A and B", "share of the way from A to B", "nats"),
    )
    st.caption(f"A and B are {float((b - a).norm()):.2f} apart; the line goes on half as far.")


def _show_profile(
    scene: _Scene, found: Profile, marks: dict[float, str], titles: tuple[str, str, str]
) -> None:
    curves = figures.profile_curves(found.at, found.energy, found.neg_log_prob)
    strips = _strips({"decoded": found}, scene.is_points)
    st.plotly_chart(figures.along(curves, strips, marks, titles), key="profile")
    if scene.is_points:
        decoded = {"along the line": (found.decoded, figures.FOLLOWED)}
        st.plotly_chart(figures.data_curves(decoded, scene.context()), key="decoded")


def _show_plane(scene: _Scene) -> None:
    points = _choose(scene, "ABC")
    quantity = _choose_quantity()
    try:
        found = landscape.plane(scene.model, torch.stack([z for _, z in points]))
    except ValueError as error:
        st.info(f"There is nothing to show: {error}.")
        return
    marks = {name: at for (name, _), at in zip(points, found.marks, strict=True)}
    axes = ("z₁", "z₂") if found.is_whole else ("from A to B", "towards C")
    values = getattr(found, _QUANTITIES[quantity])
    left, right = st.columns(2)
    with left:
        chart = figures.plane_energy(found.ticks, values, marks, (f"{quantity}(z)", *axes))
        st.plotly_chart(chart, key="plane")
    with right:
        if scene.is_points:
            chart = figures.plane_points(found.decoded, scene.context())
        else:
            titles = ("Decoded g(z), each at its place", *axes)
            chart = figures.plane_pictures(found.coarse, found.decoded, marks, titles)
        st.plotly_chart(chart, key="plane-decoded")
    st.caption(
        "The whole latent plane."
        if found.is_whole
        else f"A plane of 2 out of {scene.model.config.latent_dim} dimensions, in latent units. "
        "Where A, B and C lie on one line, its second axis is a random direction."
    )


def _show_routes(scene: _Scene) -> None:
    (_, a), (_, b) = _choose(scene, "AB")
    if torch.equal(a, b):
        st.info("A and B are the same point: choose another number for one of them.")
        return
    quantity = _choose_quantity()
    tag = f"routes {a.tolist()} {b.tolist()}"
    found = scene.keep(tag, lambda: landscape.routes(scene.model, a, b))
    values = {n: (p.at, getattr(p, _QUANTITIES[quantity])) for n, p in found.items()}
    chart = figures.along(
        figures.route_curves(values),
        _strips(found, scene.is_points),
        {},
        ("Three ways from A to B", "share of the way", f"{quantity}(z), nats"),
    )
    _show_barriers(found)
    st.plotly_chart(chart, key="routes")
    if scene.is_points:
        _show_routes_in_planes(scene, found, {"A": a, "B": b})


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
    scene: _Scene, found: dict[str, Profile], points: dict[str, Tensor]
) -> None:
    """Paths of a model of points in the latent plane and in the data's."""
    whole = landscape.plane(scene.model, torch.stack([*points.values(), torch.zeros(2)]))
    lines = [(name, route.z.numpy()) for name, route in found.items()]
    marks = {name: z.numpy() for name, z in points.items()}
    left, right = st.columns(2)
    titles = ("The paths over −log p_α(z)", "z₁", "z₂")
    chart = figures.plane_energy(whole.ticks, whole.neg_log_prob, marks, titles, lines)
    left.plotly_chart(chart, key="routes-latent")
    curves = {name: (route.decoded, figures.ROUTES[name]) for name, route in found.items()}
    right.plotly_chart(figures.data_curves(curves, scene.context()), key="routes-data")


def _show_directions(scene: _Scene) -> None:
    left, right = st.columns(2)
    source = left.selectbox(
        "Of",
        ["prior samples", "aggregate posterior"],
        key="from",
        bind="query-params",
        help=f"The ends of {landscape.N_SAMPLES} prior chains, or one posterior sample for each of "
        f"{_N_POSTERIOR} examples.",
    )
    number = right.number_input(
        "Direction",
        min_value=1,
        max_value=scene.model.config.latent_dim,
        value=1,
        key="dir",
        bind="query-params",
        help="Principal directions, the one with the largest variance first.",
    )
    z = scene.samples() if source == "prior samples" else _posterior_samples(scene)
    if z is None:
        return
    found = landscape.principal_directions(z)
    number = min(int(number), len(found.deviations)) - 1
    _show_profile(
        scene,
        landscape.traversal(scene.model, found, number),
        {0.0: "mean"},
        (f"Direction {number + 1} through the mean", "standard deviations", "nats"),
    )
    st.caption(_describe(found, number))


def _describe(found: Directions, number: int) -> str:
    return (
        f"Direction {number + 1} holds {found.shares[number]:.1%} of these latents' variance, "
        f"with a standard deviation of {found.deviations[number]:.2f}; under N(0, I) every "
        "direction has 1."
    )


def _posterior_samples(scene: _Scene) -> Tensor | None:
    """The aggregate posterior, inferred once a model by a job; None while it runs."""

    def infer(job: Job[Tensor]) -> None:
        known = cache.examples(scene.entry)
        x = data.to_model_range(known.rows[:_N_POSTERIOR])

        def report(share: float) -> None:
            job.progress = share

        z = aggregate_posterior(
            scene.model, scene.card, x, report=report, should_stop=job.should_stop
        )
        if z is not None:
            job.publish(z, 1.0)

    job = cache.jobs().start(f"posterior {scene.entry.path} {scene.entry.version}", infer)

    @st.fragment(run_every=0.5 if job.running else None)
    def progress() -> None:
        job.watch()
        if job.running:
            st.progress(job.progress, "Inferring the posterior of each example")
        elif st.session_state.get("landscape.posterior") != id(job):
            st.session_state["landscape.posterior"] = id(job)
            st.rerun()

    progress()
    if job.error:
        st.error(f"The aggregate posterior could not be inferred: {plain(job.error)}")
    if job.latest is not None:
        st.caption(f"From {plain(cache.examples(scene.entry).source)}")
    return job.latest


_VIEWS = {
    "Line": _show_line,
    "Plane": _show_plane,
    "Paths": _show_routes,
    "Directions": _show_directions,
}
