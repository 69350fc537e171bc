"""The Chains page: prior chains of a model, stepped, played, scrubbed and forked (Figure 3)."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial

import streamlit as st

from app import address, cache, pages
from app.exports import take_away
from app.jobs import Job
from app.models import ModelEntry
from app.player import player
from app.player.payload import View, encode
from app.sidebar import Length, chain_settings, pick_model, pick_seed
from app.studies import history
from app.studies.chain_run import ChainRun, ChainSettings, chain_id
from app.studies.export import Film
from app.studies.history import Past
from app.studies.recipe import recipe_of
from app.studies.steps import Runs, answer, take
from app.views import sentence_chains
from app.waiting import give_up, tell_stopped, wait_for
from lebm.checkpoint import ModelCard
from lebm.model import LatentEBM

_PLAYER = "player"
_RUNS, _ROOT = "chains.runs", "chains.root"  # the chain and, after a fork, its other branch
_FORK_AT, _RESTART = "chains.fork_at", "chains.restart"
_PAYLOAD, _VIEW = "chains.payload", "chains.view"
_WAIT, _FORK_WAIT = "chains.wait", "chains.fork_wait"
_SHOWN = "chains.shown"  # runs and step, in a list that exports read where there is no session

_LENGTH = Length("Steps K", "K", 0, 500, 10, "Steps taken when the page opens.")
_TEST_HELP = (
    "Accepts or rejects each step so that the chain samples the prior exactly (MALA). Without it, "
    "finite steps leave an error; how many are rejected tells how large it is."
)


def page() -> None:
    """Draw the page."""
    st.header("Chains")
    st.markdown(
        "Each chain starts as Gaussian noise **z₀ ~ N(0, I)** and climbs the learned prior, "
        "shaken by noise: **z ← z + s ∇log p(z) + √(2s) ε**. As its energy falls, what it "
        "decodes to turns into an example of the data."
    )
    st.page_link(
        pages.page("learn"), label="New to this? :primary[Learn] tells it in eight short steps."
    )
    chosen = pick_model()
    if chosen is None:
        return
    entry, model, card = chosen
    if model.config.kind == "text":
        sentence_chains.show(entry, model, card)
        _show_card(card)
        return
    learned = "q_ψ(z)" if model.amortised else ""
    settings = chain_settings(card, _LENGTH, learned=learned)
    settings = replace(settings, adjusted=_metropolis("mala", settings.temperature))
    main = _main_run(entry, model, settings)
    if main is None:
        return
    with st.container():  # always there, so that the player below keeps its place on the page
        fork = _fork_run(main, card)
    _prepare((main,) if fork is None else (main, fork))
    _tell_history(main)
    _play()
    tell_stopped(main.n_taken, settings.n_steps, _ROOT, _RUNS, limit=main.limit)
    _offer(entry, len(st.session_state[_RUNS]))
    _show_card(card)


def _metropolis(key: str, temperature: float) -> bool:
    """The control for the Metropolis test, which a temperature of 0 rules out."""
    with st.sidebar:
        wanted = st.toggle("Metropolis test", key=key, bind="query-params", help=_TEST_HELP)
        if wanted and temperature == 0:
            st.warning(
                "At temperature 0 there is no noise and nothing to sample, so the Metropolis test "
                "is left out: raise the temperature to use it."
            )
    return wanted and temperature > 0


def _main_run(entry: ModelEntry, model: LatentEBM, settings: ChainSettings) -> ChainRun | None:
    """The chain; other dynamics go on from its last step, anything else starts it anew.

    None while its first steps are taken.
    """
    state = st.session_state
    own = (settings.n_chains, settings.n_steps, settings.seed, settings.learned_start)
    root = (entry.id, entry.version, *own)
    if state.get(_ROOT) == root and not state.get(_RESTART):
        return state[_RUNS][0].change(settings)
    past: Past = ()
    if _ROOT not in state:  # the address speaks when the page is first opened
        past = history.parse(st.query_params.get("before", ""), settings)
        at = address.number("fork", -1)
        state[_FORK_AT] = None if at < 0 else at
        state[_VIEW] = View(
            step=address.number("step", settings.n_steps),
            chain=address.number("chain", 0),
            curve=st.query_params.get("curve", ""),
        )
    else:
        state[_FORK_AT] = None
        state[_VIEW] = replace(state[_VIEW], step=settings.n_steps)
    run = _first_steps(entry, model, settings, past)
    if run is not None:
        state[_ROOT], state[_RESTART] = root, False
        state[_VIEW] = replace(state[_VIEW], step=min(state[_VIEW].step, run.n_taken))
    return run


def _first_steps(
    entry: ModelEntry, model: LatentEBM, settings: ChainSettings, past: Past
) -> ChainRun | None:
    """A new chain, taken through its past to the step that is looked at; None on its way."""
    first = past[0][0] if past else settings
    root, plane = chain_id(entry, first), cache.latent_plane(entry)
    to = max(settings.n_steps, st.session_state[_VIEW].step)

    def work(job: Job[Runs]) -> None:
        def advance(run: ChainRun, step: int) -> ChainRun:
            return take(job, (run,), step)[0]

        start = ChainRun.start(root, model, plane, first)
        advance(history.replay(start, past, settings, advance), to)

    runs = wait_for(_WAIT, f"{root} {past} {settings} {to}", work, "Taking the steps")
    if runs is None:
        return None
    del st.session_state[_WAIT]
    return runs[0]


def _fork_run(main: ChainRun, card: ModelCard) -> ChainRun | None:
    """The other branch, and its controls; None while there is none, or it is on its way."""
    with st.sidebar:
        st.subheader("Fork", divider="gray")
        if st.session_state[_FORK_AT] is None:
            st.caption("Scrub to a step and run on from there under other settings, side by side.")
            st.button("Fork here", on_click=_fork_here, help="At the step that is shown now")
            return None
        at = st.session_state[_FORK_AT] = min(st.session_state[_FORK_AT], main.n_taken)
        st.caption(f"The fork leaves the chains after step {at}. Its own settings:")
        settings = _fork_settings(main.settings, card)
        st.button("Drop the fork", on_click=_drop_fork)
    known = st.session_state.get(_RUNS, ())
    if len(known) == 2 and known[1].leaves(main, at, settings):
        return known[1]

    def work(job: Job[Runs]) -> None:
        take(job, (main.fork(at, settings),), main.n_taken)

    runs = wait_for(_FORK_WAIT, f"{main.id} {at} {settings}", work, "Running the fork")
    if runs is None:
        return None
    del st.session_state[_FORK_WAIT]
    return runs[0]


def _fork_settings(of_main: ChainSettings, card: ModelCard) -> ChainSettings:
    trained = card.prior_sampler
    step_size = st.number_input(
        "Step size s of the fork",
        min_value=min(1e-5, trained.step_size),
        max_value=max(2.0, trained.step_size),
        value=trained.step_size,
        step=0.005,
        format="%.4f",
        key="fs",
        bind="query-params",
        help="In z + s·gradient + √(2s)·noise, from the fork on.",
    )
    temperature = st.slider(
        "Temperature of the fork",
        0.0,
        2.0,
        1.0,
        0.05,
        key="fT",
        bind="query-params",
        help="Scales the variance of the fork's noise: 1 samples the prior, 0 only climbs.",
    )
    seed = pick_seed(
        "With the seed of the original both branches feel the same noise.",
        label="Seed of the fork",
        key="fseed",
        first=1,
    )
    return replace(
        of_main,
        step_size=step_size,
        temperature=temperature,
        seed=seed,
        adjusted=_metropolis("fmala", temperature),
    )


def _fork_here() -> None:
    """Fork at the step that is looked at; at first only the noise differs."""
    settings = st.session_state[_RUNS][0].settings
    st.session_state[_FORK_AT] = st.session_state[_VIEW].step
    st.session_state["fs"] = settings.step_size
    st.session_state["fT"] = settings.temperature
    st.session_state["fseed"] = settings.seed + 1
    st.session_state["fmala"] = settings.adjusted


def _drop_fork() -> None:
    st.session_state[_FORK_AT] = None
    give_up(_FORK_WAIT)


def _prepare(runs: tuple[ChainRun, ...]) -> None:
    """Have the player show these runs; those it holds already are not sent again."""
    known = [run.id for run in st.session_state.get(_RUNS, ())]
    if [run.id for run in runs] != known:
        st.session_state[_RUNS] = runs
        _send([run.n_taken + 1 if run.id in known else 0 for run in runs])
    _write_address()


def _send(first: list[int]) -> None:
    """Encode each run from its record `first` on."""
    runs = st.session_state[_RUNS]
    titles = [f"Original: {runs[0].settings.in_words}"]
    if len(runs) == 2:
        at = st.session_state[_FORK_AT]
        titles.append(f"Fork at step {at}: {runs[1].settings.in_words}")
    tracks = [run.track(title) for run, title in zip(runs, titles, strict=True)]
    st.session_state[_PAYLOAD] = encode(tracks, first, st.session_state[_VIEW])
    st.session_state.setdefault(_SHOWN, [])[:] = [runs, st.session_state[_VIEW].step]


def _tell_history(main: ChainRun) -> None:
    """Which settings hold from which step on, once they have been changed on the way."""
    place = st.container()  # always there, so that the player below keeps its place on the page
    if len(main.segments) == 1:
        return
    text, button = place.columns([3, 1], vertical_alignment="center")
    text.info(history.describe(main))
    button.button(
        "Start over",
        on_click=lambda: st.session_state.update({_RESTART: True}),
        help="Take all steps anew, from step 1 on, under the settings that hold now.",
        width="stretch",
    )


@st.fragment
def _play() -> None:
    player(st.session_state[_PAYLOAD], key=_PLAYER, on_request=_answer, on_view=_remember_view)


def _answer() -> None:
    """Take steps that the browser asks for and send what it lacks."""
    request = st.session_state[_PLAYER].request
    runs = st.session_state[_RUNS] = answer(st.session_state[_RUNS], int(request["to"]))
    have = [int(n) for n in request["have"]]
    _send(have if len(have) == len(runs) else [0] * len(runs))  # a fork came or went meanwhile


def _remember_view() -> None:
    """Keep what is looked at, here and in the page's address; nothing is sent again."""
    seen = st.session_state[_PLAYER].view
    st.session_state[_VIEW] = View(int(seen["step"]), int(seen["chain"]), str(seen["curve"]))
    _send([run.n_taken + 1 for run in st.session_state[_RUNS]])
    address.write(asdict(st.session_state[_VIEW]))


def _offer(entry: ModelEntry, n_runs: int) -> None:
    """Each run as files and as Python lines, as far as it has come when a button is pressed."""
    shown, fingerprint = st.session_state[_SHOWN], cache.fingerprint(entry)

    def film(i: int) -> Film:
        runs, step = shown
        recipe = recipe_of(runs[i].segments, runs[i].n_taken, entry, fingerprint)
        return Film.of(runs[i], recipe, step)

    for i, title in enumerate(("Export", "Export the fork")[:n_runs]):
        take_away(partial(film, i), entry, key=f"chains.{i}", title=title)


def _write_address() -> None:
    """What is looked at, how the chain came here and where it forks."""
    past = {"before": history.write(st.session_state[_RUNS][0]), "fork": st.session_state[_FORK_AT]}
    address.write(asdict(st.session_state[_VIEW]) | past)


def _show_card(card: ModelCard) -> None:
    with st.expander("About this model"):
        for label, value in card.facts.items():
            shown = f"{value:,.6g}" if isinstance(value, float) else value
            st.text(f"{label}: {shown:,}" if isinstance(shown, int) else f"{label}: {shown}")
