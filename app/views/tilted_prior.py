"""The Tilted prior page: how far p_α has moved from p_0, and where to."""

from __future__ import annotations

import streamlit as st

from app import cache, figures
from app.exports import show_lines
from app.jobs import Job
from app.models import ModelEntry
from app.sidebar import pick_model, plain
from app.studies import lines, projection, tilt
from app.studies.projection import Projection
from app.studies.tilt import TILTS, TiltView
from app.views import tilted_prior_samples, tilted_prior_sentences
from app.views.tilted_prior_frame import Circled, Scene
from app.waiting import follow
from lebm.model import LatentEBM

_DRAWN = "tilt.drawn"
_PATIENCE = 0.5  # seconds that the page waits for the first samples


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
    frame = cache.latent_plane(entry).frame
    job = cache.jobs().start(
        f"tilt {entry.id} {entry.version}", lambda job: tilt.build(job, model, card, frame)
    )
    job.begun.wait(_PATIENCE)
    running, view = job.running, job.latest  # in this order: what has ended has its last result
    _watch(job, running, view)
    if job.error:
        st.error(f"The prior could not be annealed: {plain(job.error)}")
    if view is not None:
        _show(view, entry, model)


def _watch(job: Job[TiltView], running: bool, drawn: TiltView | None) -> None:
    """Say what goes on, and have the page drawn again when there is more than it shows."""
    st.session_state[_DRAWN] = running, drawn  # polls compare, until the next run of the page

    @st.fragment(run_every=0.5 if running else None)
    def progress() -> None:
        job.watch()
        if job.running:
            st.progress(job.progress, _doing(job.latest))
        if (job.running, job.latest) != st.session_state[_DRAWN]:
            st.rerun()

    with st.container():  # which keeps the place of what follows; see `waiting.follow`
        progress()


def _doing(view: TiltView | None) -> str:
    if view is None or view.kept is None:
        far = "" if view is None else f", λ = {view.reached(TILTS[-1])}"
        return f"Annealing from p₀ towards p_α{far}"
    return "Inferring the aggregate posterior"


def _show(view: TiltView, entry: ModelEntry, model: LatentEBM) -> None:
    wanted = st.select_slider(
        "Tilt λ",
        TILTS,
        1.0,
        key="tilt",
        bind="query-params",
        help="0 is the Gaussian p₀, 1 the learned prior; beyond 1 the tilt is exaggerated.",
    )
    tilt_now = view.reached(wanted)
    circled = Circled(f"{entry.id} {entry.version} {wanted}")
    rows = circled.rows if tilt_now == wanted else []
    drawn = _pick_frame(view, entry)
    scene = Scene(model, view, drawn, wanted, tilt_now, circled, rows)
    _show_numbers(scene)
    speaks = model.config.kind == "text"
    decoded = (tilted_prior_sentences if speaks else tilted_prior_samples).show(scene)
    path = view.path
    st.plotly_chart(
        figures.log_partition_curve(
            path.tilts.numpy(), path.log_z.numpy(), path.error.numpy(), tilt_now
        ),
        key="log_z",
    )
    if scene.arrived:
        in_plane = bool(view.exact)
        show_lines(lines.tilted_prior(entry, tilt_now, decoded, in_plane=in_plane, speaks=speaks))


def _show_numbers(scene: Scene) -> None:
    """Of the λ that is asked for; ellipses until annealing has come there."""
    path, i, exact = scene.view.path, TILTS.index(scene.tilt), scene.exact
    decimals = 2 if abs(path.log_z[i]) < 100 else 1  # what a quarter of the page has room for
    shown = {
        "log Z(λ), nats": (
            f"{path.log_z[i]:.{decimals}f} ± {path.error[i]:.{decimals}f}",
            "By annealed importance sampling; ± one standard error over 8 independent groups",
        ),
        "KL(p_λ ‖ p₀), nats": (
            f"{path.kl[i]:.2f}",
            "How much information the tilt adds to the Gaussian",
        ),
        "Draws of p₀ that count": (
            f"{path.direct_ess[i]:.1%}",
            "Effective share of plain importance sampling from p₀: near 0, the two hardly "
            "overlap, and rejection or reweighting could not replace Langevin chains",
        ),
    }
    if exact is None:
        help_line = (
            "Share of the proposed steps at this λ that passed the Metropolis test; draws of p₀ "
            "need no steps"
        )
        share = f"{path.acceptance[i]:.0%}" if scene.tilt > 0 else "–"
        shown["MALA acceptance"] = (share, help_line)
    else:
        help_line = "By quadrature over the latent plane"
        shown["Exact: log Z, KL"] = (f"{exact.log_z:.2f}, {exact.kl:.2f}", help_line)
    columns = st.columns(len(shown))
    for column, (label, (value, help_line)) in zip(columns, shown.items(), strict=True):
        column.metric(label, value if scene.arrived else "…", help=help_line)


def _pick_frame(view: TiltView, entry: ModelEntry) -> Projection:
    """Where the latents are drawn; UMAP is fitted when it is first asked for."""
    drawn = projection.linear(view)
    if len(view.frame.mean) <= 2:
        return drawn
    chosen = st.segmented_control(
        "Frame",
        ("PCA", "UMAP"),
        default="PCA",
        required=True,
        key="frame",
        bind="query-params",
        help="PCA keeps distances along two directions and hides the others; UMAP keeps "
        "neighbours together and gives distances up. UMAP is fitted once, with a fixed seed.",
    )
    if chosen == "PCA" or view.kept is None:  # UMAP is fitted to the end of annealing
        return drawn
    whole = "with" if view.posterior is not None else "without"
    job = cache.jobs().start(
        f"umap {entry.id} {entry.version} {whole}", lambda job: projection.umap(job, view)
    )
    _watch_umap(job)
    return job.latest or drawn


def _watch_umap(job: Job[Projection]) -> None:
    def draw() -> None:
        if job.running:
            st.progress(job.progress, "Fitting UMAP; until then the principal directions")

    follow(job, draw)
    if job.error:
        st.error(f"UMAP could not be fitted: {plain(job.error)}")
