"""The Directions view of the Landscape page: through the mean along principal directions."""

from __future__ import annotations

import streamlit as st
from torch import Tensor

from app import cache
from app.jobs import Job
from app.sidebar import plain
from app.studies import landscape, lines
from app.studies.examples import aggregate_posterior
from app.studies.landscape import Directions
from app.views.landscape_line import show_profile
from app.views.landscape_scene import Scene
from app.waiting import follow
from train import data

_N_POSTERIOR = 256


def show(scene: Scene) -> None:
    """Draw the view."""
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
    show_profile(
        scene,
        landscape.traversal(scene.model, found, number),
        {0.0: "mean"},
        (f"Direction {number + 1} through the mean", "standard deviations", "nats"),
    )
    st.caption(_describe(found, number))
    scene.show_lines(
        lines.prior_directions(scene.entry, scene.seed, number)
        if source == "prior samples"
        else lines.posterior_directions(scene.entry, scene.known(), _N_POSTERIOR, number)
    )


def _describe(found: Directions, number: int) -> str:
    return (
        f"Direction {number + 1} holds {found.shares[number]:.1%} of these latents' variance, "
        f"with a standard deviation of {found.deviations[number]:.2f}; under N(0, I) every "
        "direction has 1."
    )


def _posterior_samples(scene: Scene) -> Tensor | None:
    """The aggregate posterior, inferred once a model by a job; None while it runs."""

    def infer(job: Job[Tensor]) -> None:
        known = scene.known()
        x = data.to_model_range(known.rows[:_N_POSTERIOR])
        z = aggregate_posterior(
            scene.model, scene.card, x, report=job.report, should_stop=job.should_stop
        )
        if z is not None:
            job.publish(z, 1.0)

    job = cache.jobs().start(f"posterior {scene.entry.path} {scene.entry.version}", infer)

    def draw() -> None:
        if job.running:
            st.progress(job.progress, "Inferring the posterior of each example")

    follow(job, draw)
    if job.error:
        st.error(f"The aggregate posterior could not be inferred: {plain(job.error)}")
    if job.latest is not None:
        st.caption(f"From {plain(scene.known().source)}")
    return job.latest
