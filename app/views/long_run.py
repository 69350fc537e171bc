"""The Long run page: does the prior hold what its short runs promise? (Figure 4)"""

from __future__ import annotations

import numpy as np
import streamlit as st

from app import cache, figures
from app.exports import FILES, NUMBERS, take_away
from app.jobs import Job
from app.models import ModelEntry
from app.sidebar import Length, chain_settings, pick_model, plain
from app.studies import long_run
from app.studies.chain_run import ChainSettings, Segment
from app.studies.export import Film
from app.studies.long_run import Judgement, LongRun
from app.studies.recipe import recipe_of
from app.views import long_run_sentences
from app.waiting import follow, give_up, own_job
from lebm.diagnostics import MIN_DRAWS, Verdict
from train.pictures import mosaic
from train.words import counted

_JOB = "long_run.job"
_SHOWN_CHAINS = 12
_LENGTH = Length("Steps", "long", 1, 20_000, 500, "Figure 4 of the paper shows 2,500.", 2_500)
_EXPLAINED = {
    "steady": "Long chains stay where short ones ended: no sign that the short run leaves the "
    "learned density.",
    "drifting": "Long chains leave the place where short ones end. The short run is a sampler of "
    "its own, and the density it was trained with is another: judge samples at K₀ steps.",
    "collapsed": "Long chains end at a few examples. The learned density has deep wells that "
    "short runs never reach: train with longer or persistent prior chains, or a smaller rate.",
    "diverged": "The chains became infinite or left the radius and were stopped: fewer than two "
    "are left to compare. The steps are too long for this prior: make s smaller.",
}


def page() -> None:
    """Draw the page."""
    st.header("Long run")
    st.markdown(
        "A prior is trained with chains of K₀ steps. Do chains that run far longer stay with "
        "sensible examples, or does the learned density lead them elsewhere?"
    )
    chosen = pick_model()
    if chosen is None:
        return
    entry, model, card = chosen
    settings = chain_settings(card, _LENGTH)
    if settings.n_steps > (most := long_run.max_steps(model, settings.n_chains)):
        fitting = f"{counted(most, 'step')} of {counted(settings.n_chains, 'chain')}"
        st.info(f"No more than {fitting} of this model fit in memory.")
    with st.sidebar:
        every = st.number_input(
            f"A {'sentence' if model.config.kind == 'text' else 'picture'} every … steps",
            min_value=10,
            max_value=1_000,
            value=100,
            step=10,
            key="every",
            bind="query-params",
            help=f"A run keeps at most {long_run.MAX_PICTURES} of each chain.",
        )
    short_step = card.prior_sampler.n_steps
    job = own_job(
        _JOB,
        f"{entry.id} {entry.version} {settings} {every}",
        lambda job: long_run.run(job, model, settings, short_step, int(every)),
    )
    _watch(job, entry, settings)


def _watch(job: Job[LongRun], entry: ModelEntry, settings: ChainSettings) -> None:
    """Show the job, twice a second while it runs."""

    def draw() -> None:
        running = job.running
        if running:
            left, right = st.columns([5, 1], vertical_alignment="center")
            left.progress(job.progress, f"{job.progress:.0%} of the steps")
            if right.button("Stop here", key="stop", help="Keeps the steps taken so far"):
                job.cancelled.set()
        if job.error:
            st.error(f"The chain could not go on: {plain(job.error)}")
        if job.latest is not None:
            _show(job.latest)
        if not running and job.cancelled.is_set() and st.button("Run again from the start"):
            give_up(_JOB)
            st.rerun()

    if follow(job, draw) and job.latest is not None:
        _offer(job.latest, entry, settings)


def _show(run: LongRun) -> None:
    t, judgement = run.trajectory, run.judgement
    if t.failures:
        st.warning(
            f"{len(t.failures)} of {t.z.shape[1]} chains were stopped and are not judged; "
            f"the first: {t.failures[0]}."
        )
    if judgement is not None:
        _show_verdict(judgement.verdict, run.short_step)
    if run.model.config.kind == "text":
        long_run_sentences.show(run)
    else:
        _show_pictures(run)
    profile = figures.energy_profile(t.steps.numpy(), t.energy.numpy(), run.short_step)
    st.plotly_chart(profile, key="profile")
    if judgement is not None and not judgement.diverged:
        _show_mixing(judgement, run.short_step)


def _offer(run: LongRun, entry: ModelEntry, settings: ChainSettings) -> None:
    """The run as files and as Python lines."""
    fingerprint = cache.fingerprint(entry)
    recipe = recipe_of([Segment(0, settings)], run.last_step, entry, fingerprint)
    steps = np.array(run.picture_steps)
    t = run.trajectory
    film = Film(recipe, t, t.energy, steps, run.pictures, run.last_step)
    formats = NUMBERS if film.speaks else FILES  # it may have a million sentences
    take_away(lambda: film, entry, key="long", formats=formats)


def _show_verdict(verdict: Verdict | None, short_step: int) -> None:
    if verdict is None:
        st.info(f"A verdict takes two chains at least, and more than K₀ = {short_step} steps.")
        return
    st.subheader(f"Verdict: {verdict.word}")
    st.markdown(_EXPLAINED[verdict.word])
    if verdict.word == "diverged":
        return
    shown = {
        "Energy": (
            f"{verdict.energy_shift:+.2f} sd",
            "Shift of the median energy from K₀ to the "
            "end, in standard deviations of the chains at K₀",
        ),
        "‖z‖": (f"{verdict.norm_shift:+.2f} sd", "Shift of the median norm, likewise"),
    }
    own = _of_pictures if verdict.saturation is not None else long_run_sentences.numbers
    shown |= own(verdict)
    for column, (label, (value, help_line)) in zip(
        st.columns(len(shown)), shown.items(), strict=True
    ):
        column.metric(label, value, help=help_line)


def _of_pictures(verdict: Verdict) -> dict[str, tuple[str, str]]:
    """What the verdict is made of, beside energy and norm: label -> value and help line."""
    return {
        "Spread": (
            f"{verdict.spread:.2f} ×",
            "Mean squared distance between decoded chains at the end, as a share of that at K₀; "
            "below 0.25, half the distance, is a collapse",
        ),
        "Moved": (
            f"{verdict.moved:.2f} ×",
            "Mean squared distance of each example from its own at K₀, as a share of that between "
            "chains; near 1, it is another example",
        ),
        "Merged": (f"{verdict.merged:+.0%}", "More chains that share their example with another"),
        "Saturated": (f"{verdict.saturation:+.1%}", "More values at the ends of the range"),
    }


def _show_pictures(run: LongRun) -> None:
    """Rows are chains, columns are steps."""
    if run.pictures.ndim != 5:
        return
    shown = run.pictures[:, :_SHOWN_CHAINS].swapaxes(0, 1)
    n_chains, n_pictures = shown.shape[:2]
    strip = mosaic(shown.reshape(-1, *shown.shape[2:]), n_pictures)
    apart = f", a picture every {run.picture_steps[1]} steps" if n_pictures > 2 else ""
    st.image(
        strip.squeeze(-1) if strip.shape[-1] == 1 else strip,
        caption=f"{n_chains} chains, one a row, at steps {run.picture_steps[0]} to "
        f"{run.picture_steps[-1]}{apart}",
        width="stretch",
    )


def _show_mixing(judgement: Judgement, short_step: int) -> None:
    rows = judgement.mixing
    if not rows:
        st.info(
            f"R-hat and effective sample sizes say nothing on fewer than {MIN_DRAWS} steps after "
            "K₀, and never on a short run alone: they compare what chains do once they have "
            f"forgotten their start. Take at least {short_step + MIN_DRAWS} steps."
        )
        return
    left, right = st.columns(2)
    left.plotly_chart(figures.autocorrelations(judgement.autocorrelation), key="autocorrelation")
    right.markdown("**Convergence after K₀** (ArviZ, rank-normalised)")
    right.dataframe(
        {
            "quantity": list(rows),
            "R-hat": [round(m.rhat, 3) for m in rows.values()],
            "bulk ESS": [round(m.ess_bulk) for m in rows.values()],
            "tail ESS": [round(m.ess_tail) for m in rows.values()],
            "mean": [round(m.mean, 3) for m in rows.values()],
            "MCSE": [round(m.mcse, 3) for m in rows.values()],
        },
        hide_index=True,
    )
    right.caption(
        "R-hat above 1.01: the chains do not agree yet. ESS: how many independent draws the "
        "chains are worth together; below 400, trust none of these numbers. Directions are the "
        "leading principal ones of these chains."
    )
