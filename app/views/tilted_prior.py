"""The Tilted prior page: how far p_α has moved from p_0, and where to."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch

from app import cache, figures
from app.jobs import Job
from app.sidebar import pick_model
from app.studies import tilt
from app.studies.chain_run import decode
from app.studies.tilt import TILTS, TiltView
from lebm.checkpoint import ModelCard
from lebm.model import LatentEBM
from train.pictures import mosaic

_SHOWN = 36


def page() -> None:
    """Draw the page."""
    st.header("Tilted prior")
    st.markdown(
        "The learned prior is a Gaussian, tilted: **p(z) = exp(λ f(z)) p₀(z) / Z(λ)** with λ = 1. "
        "Move λ from 0, the plain Gaussian, to 1, the model, and beyond."
    )
    chosen = pick_model()
    if chosen is None:
        return
    entry, model, card = chosen
    job = cache.jobs().start(
        f"tilt {entry.id} {entry.version}", lambda job: tilt.build(job, model, card)
    )
    _watch(job, model, card)


def _watch(job: Job[TiltView], model: LatentEBM, card: ModelCard) -> None:
    """Show what there is, twice a second while more is to come."""

    @st.fragment(run_every=0.5 if job.running else None)
    def progress() -> None:
        job.watch()
        if job.running:
            what = "Annealing" if job.latest is None else "Inferring the aggregate posterior"
            st.progress(job.progress, what)
        if (not job.running or job.latest is not None) and _is_new(job):
            st.rerun()

    progress()
    if job.error:
        st.error(f"The prior could not be annealed: {job.error}")
    if job.latest is not None:
        _show(job.latest, model)


def _is_new(job: Job[TiltView]) -> bool:
    """Whether the page has not been drawn yet with what the job holds now."""
    state = (id(job.latest), job.running)
    fresh = st.session_state.get("tilt.drawn") != state
    st.session_state["tilt.drawn"] = state
    return fresh


@st.fragment
def _show(view: TiltView, model: LatentEBM) -> None:
    tilt_now = st.select_slider(
        "Tilt λ",
        TILTS,
        1.0,
        key="tilt",
        bind="query-params",
        help="0 is the Gaussian p₀, 1 the learned prior; beyond 1 the tilt is exaggerated.",
    )
    planar = model.config.latent_dim == 2
    exact = tilt.exact(model, tilt_now) if planar else None
    _show_numbers(view, tilt_now, exact)
    left, right = st.columns([3, 2])
    with left:
        rows = _show_projection(view, tilt_now, exact)
    with right:
        _show_decoded(view, model, tilt_now, rows)
    path = view.path
    st.plotly_chart(
        figures.log_partition_curve(
            path.tilts.numpy(), path.log_z.numpy(), path.error.numpy(), tilt_now
        ),
        key="log_z",
    )


def _show_numbers(view: TiltView, tilt_now: float, exact: tilt.Exact | None) -> None:
    path, i = view.path, TILTS.index(tilt_now)
    columns = st.columns(4)
    columns[0].metric(
        "log Z(λ), nats",
        f"{path.log_z[i]:.2f} ± {path.error[i]:.2f}",
        help="By annealed importance sampling; ± one standard error over 8 independent groups",
    )
    columns[1].metric(
        "KL(p_λ ‖ p₀), nats",
        f"{path.kl[i]:.2f}",
        help="How much information the tilt adds to the Gaussian",
    )
    columns[2].metric(
        "Draws of p₀ that count",
        f"{path.direct_ess[i]:.1%}",
        help="Effective share of plain importance sampling from p₀: near 0, the two hardly "
        "overlap, and rejection or reweighting could not replace Langevin chains",
    )
    if exact is None:
        columns[3].metric("MALA acceptance", f"{path.acceptance[i]:.0%}")
    else:
        columns[3].metric(
            "Exact: log Z, KL",
            f"{exact.log_z:.2f}, {exact.kl:.2f}",
            help="By quadrature over the latent plane",
        )


def _show_projection(view: TiltView, tilt_now: float, exact: tilt.Exact | None) -> list[int]:
    """Draw the frame; returns the rows of p_λ that a person selected."""
    frame = view.frame
    tilted = f"p_λ, λ = {tilt_now}"
    groups = {"p₀ = N(0, I)": (frame.transform(view.path.particles[0]), figures.GAUSSIAN)}
    if view.posterior is not None:
        groups["aggregate posterior"] = (frame.transform(view.posterior), figures.POSTERIOR)
    groups[tilted] = (frame.transform(view.particles(tilt_now)), figures.TILTED)
    planar = exact is not None
    event = st.plotly_chart(
        figures.projection(
            groups,
            ("z₁", "z₂") if planar else ("first direction", "second direction"),
            selectable=tilted,
            density=(exact.axis, exact.density) if exact is not None else None,
            extent=tilt.EXTENT if planar else None,
        ),
        key=f"projection-{tilt_now}",
        on_select="rerun",
        selection_mode=("lasso", "box"),
    )
    if planar:
        st.caption("The latent plane itself; shade: the exact density of p_λ. " + view.note)
    else:
        st.caption(
            f"Principal directions of p₀ and p_α together, fixed for every λ; they keep "
            f"{frame.explained:.0%} of the variance, the rest is out of sight. {view.note}"
        )
    points = event.selection.points if event else []
    return [int(p["customdata"]) for p in points if p.get("customdata") is not None]


def _show_decoded(view: TiltView, model: LatentEBM, tilt_now: float, rows: list[int]) -> None:
    """What selected points decode to, or the first samples of p_λ."""
    z = view.particles(tilt_now)
    spread = range(0, len(z), len(z) // _SHOWN)  # neighbours may share an ancestor
    chosen = torch.tensor((rows or list(spread))[:_SHOWN])
    pictures = decode(model, z[chosen][None])[0]
    note = (
        f"{len(rows)} selected points, the first {len(chosen)} decoded"
        if rows
        else f"{len(chosen)} samples of p_λ, decoded; circle points to decode them"
    )
    if pictures.ndim == 4:
        grid = mosaic(pictures, 6)
        st.image(np.squeeze(grid, -1) if grid.shape[-1] == 1 else grid, note, width="stretch")
        return
    everything = decode(model, z[None])[0]
    groups = {"g(z)": (everything, figures.TILTED)}
    if rows:
        groups["selected"] = (everything[rows], figures.FOLLOWED)
    st.plotly_chart(figures.points(groups), key="decoded")
    st.caption("Samples of p_λ after the generator; circle points on the left to find them here")
