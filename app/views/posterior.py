"""The Posterior page: chains that infer what an example's latent may be, and reconstruct it."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import streamlit as st
from torch import Tensor

from app import address, cache
from app.example import pick_example
from app.exports import take_away
from app.figures import posterior as figures
from app.jobs import Job
from app.models import ModelEntry
from app.player import player
from app.player.payload import View, encode
from app.sidebar import RECONSTRUCTION, Count, Length, chain_settings, pick_model
from app.studies import posterior
from app.studies.chain_run import ChainRun, ChainSettings
from app.studies.examples import Example
from app.studies.export import Film
from app.studies.posterior import Restarts
from app.studies.recipe import recipe_of
from app.studies.steps import Runs, answer, take
from app.views import sentence_posterior
from app.views.own_sentence import pick_sentence
from app.views.sentence_posterior import share
from app.waiting import tell_failures, tell_stopped, wait_for
from lebm.checkpoint import ModelCard
from lebm.model import LatentEBM
from train.pictures import to_uint8
from train.words import counted

_PLAYER, _RUN, _RESTARTS = "posterior.player", "posterior.run", "posterior.restarts"
_PAYLOAD, _VIEW, _WAIT = "posterior.payload", "posterior.view", "posterior.wait"
_SHOWN = "posterior.shown"  # run and step, in a list that exports read where there is no session

_LENGTH = Length("Steps K", "K1", 1, 500, 10, "Steps after which the restarts are compared.")
_COUNT = Count("Restarts", 9, "Chains of the same example, each from noise of its own.")
_ALIKE = 0.25  # of the distance between two prior samples


def page() -> None:
    """Draw the page."""
    st.header("Posterior")
    st.markdown(
        "Which latents z may an example x have come from? Chains climb **log p(x, z) = "
        "log p(x|z) + f(z) + log p₀(z) + constant** from Gaussian noise: what they decode to turns "
        "into x. Where they end differently, x has more than one explanation."
    )
    chosen = pick_model(chain=RECONSTRUCTION)
    if chosen is None:
        return
    entry, model, card = chosen
    learned = "q_φ(z|x)" if model.amortised else ""
    settings = chain_settings(card, _LENGTH, _COUNT, RECONSTRUCTION, learned)
    if model.config.kind == "text":
        if (sentence := pick_sentence(entry, model)) is not None:
            sentence_posterior.show(entry, model, card, settings, sentence)
        return
    example = pick_example(entry, model.config.data_shape)
    if example is None:
        return
    run = _run(entry, model, settings, example.x)
    if run is None:
        return
    _play()
    tell_stopped(run.n_taken, settings.n_steps, _RUN, limit=run.limit)
    _offer(entry, example)
    _show_restarts(run, _restarts(run, settings, example.x, card), example.x)


def _run(
    entry: ModelEntry, model: LatentEBM, settings: ChainSettings, x: Tensor
) -> ChainRun | None:
    """The chains of this example, kept in the session while nothing changes; None on their way."""
    run = st.session_state.get(_RUN)
    this = posterior.run_id(entry, settings, x)
    if run is None or run.root != this:
        kept, plane = st.session_state.get(_VIEW), cache.latent_plane(entry)
        view = address.first_view(kept, settings.n_steps, "neg_log_joint")

        def work(job: Job[Runs]) -> None:
            start = posterior.start(this, model, plane, settings, x)
            take(job, (start,), max(settings.n_steps, view.step))

        runs = wait_for(_WAIT, this, work, "Inferring latents")
        if runs is None:
            return None
        del st.session_state[_WAIT]
        st.session_state[_VIEW] = replace(view, step=min(view.step, runs[0].n_taken))
        _send(runs[0], 0)
    address.write(asdict(st.session_state[_VIEW]))
    return st.session_state[_RUN]


def _send(run: ChainRun, first: int) -> None:
    """Have the player show this run; the browser holds the records before `first`."""
    view = st.session_state[_VIEW]
    st.session_state[_RUN] = run
    st.session_state[_PAYLOAD] = encode([run.track()], [first], view)
    st.session_state.setdefault(_SHOWN, [])[:] = [run, view.step]


@st.fragment
def _play() -> None:
    player(st.session_state[_PAYLOAD], key=_PLAYER, on_request=_answer, on_view=_remember_view)


def _answer() -> None:
    """Take steps that the browser asks for and send what it lacks."""
    request = st.session_state[_PLAYER].request
    (run,) = answer((st.session_state[_RUN],), int(request["to"]))
    _send(run, int(request["have"][0]))


def _remember_view() -> None:
    """Keep what is looked at, here and in the page's address; nothing is sent again."""
    seen = st.session_state[_PLAYER].view
    view = View(int(seen["step"]), int(seen["chain"]), str(seen["curve"]))
    run = st.session_state[_RUN]
    st.session_state[_VIEW] = view
    _send(run, run.n_taken + 1)
    address.write(asdict(view))


def _offer(entry: ModelEntry, example: Example) -> None:
    """The chains as files and as Python lines, as far as they have come when asked for."""
    shown, fingerprint = st.session_state[_SHOWN], cache.fingerprint(entry)

    def film() -> Film:
        run, step = shown
        recipe = recipe_of(run.segments, run.n_taken, entry, fingerprint, example)
        return Film.of(run, recipe, step, example)

    take_away(film, entry, key="posterior")


def _restarts(run: ChainRun, settings: ChainSettings, x: Tensor, card: ModelCard) -> Restarts:
    """The restarts after K steps, computed once a run."""
    kept = st.session_state.get(_RESTARTS)
    step = min(settings.n_steps, run.n_taken)
    if kept is None or kept[0] != (run.id, step):
        kept = (run.id, step), posterior.restarts(run, step, x, card)
        st.session_state[_RESTARTS] = kept
    return kept[1]


def _show_restarts(run: ChainRun, found: Restarts, x: Tensor) -> None:
    n = len(found.mse)
    st.subheader(f"{counted(n, 'restart')} after {counted(found.step, 'step')}")
    tell_failures(run.trajectory.failures)
    _show_numbers(found)
    best, worst = int(found.order[0]), int(found.order[-1])
    if x.ndim == 2:
        st.plotly_chart(figures.points(x[0].numpy(), found.examples, best, worst), key="points")
    else:
        _show_best_and_worst(found, to_uint8(x)[0], best, worst)
    left, right = st.columns(2)
    left.plotly_chart(figures.restarts(found.mse, found.neg_log_joint), key="restarts")
    right.plotly_chart(
        figures.distances(found.latent_distance, found.example_distance, found.order),
        key="distances",
    )
    rows = slice(0, found.step + 1)
    terms = {name: values[rows] for name, values in posterior.joint_terms(run).items()}
    steps = run.trajectory.steps[rows].numpy()
    st.plotly_chart(figures.joint_terms(steps, terms), key="terms")


def _show_numbers(found: Restarts) -> None:
    shown = {
        "Median MSE": (
            f"{np.median(found.mse):.4f}",
            "Mean squared error of the reconstruction; pictures count on the 0-to-1 scale",
        ),
        "Best MSE": (f"{found.mse.min():.4f}", "That of the closest reconstruction"),
        "Best −log p(x, z)": (
            f"{found.neg_log_joint.min():.1f}",
            "In nats, up to log Z: lower explains x better",
        ),
        "Worst − best": (
            f"{np.ptp(found.neg_log_joint):.1f}",
            "In nats: how much worse the worst restart explains x",
        ),
        "Latents apart": (
            share(found.latent_share),
            "Mean distance between two restarts as a share of that between two prior samples",
        ),
        "Decoded apart": (
            share(found.example_share),
            "The same for g(z): near 0 all restarts show one example, near 1 they know nothing",
        ),
    }
    columns = st.columns(len(shown))
    for column, (label, (value, help_line)) in zip(columns, shown.items(), strict=True):
        column.metric(label, value.replace("-", "−"), help=help_line)
    if len(found.mse) > 1:
        st.markdown(_in_words(found))


def _in_words(found: Restarts) -> str:
    if not found.example_share < _ALIKE:
        return (
            "The restarts decode to **different examples**: the posterior has several modes, or "
            "the chains are too short to leave the one they met first. Take more steps to tell."
        )
    if found.latent_share < _ALIKE:
        return "The restarts found about **the same latent**: one explanation of x."
    return (
        "The restarts decode to **nearly the same example from different latents**: x leaves some "
        "directions of z open, or chains have not settled along them yet."
    )


def _show_best_and_worst(found: Restarts, example: np.ndarray, best: int, worst: int) -> None:
    if example.shape != found.examples.shape[1:]:
        return  # pictures too large to be held are averaged down
    pairs = {f"best: {best}": found.examples[best], f"worst: {worst}": found.examples[worst]}
    largest = max(float(figures.pixel_error(example, each).max()) for each in pairs.values())
    for column, (name, pixels) in zip(st.columns(2), pairs.items(), strict=True):
        chart = figures.comparison(example, pixels, name, largest)
        column.plotly_chart(chart, key=f"comparison {name[:4]}")
