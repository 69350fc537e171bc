"""The Chains page: prior chains of a model, stepped, played and scrubbed (Figure 3)."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from app import cache
from app.player import player
from app.player.payload import View, encode
from app.sidebar import Length, chain_settings, pick_model
from app.studies.chain_run import ChainRun, chain_id
from lebm.checkpoint import ModelCard

_PLAYER, _RUN = "player", "chains.run"
_PAYLOAD, _VIEW = "chains.payload", "chains.view"

_LENGTH = Length("Steps K", "K", 0, 500, 10, "Steps taken when the page opens.")


def page() -> None:
    """Draw the page."""
    st.header("Chains")
    st.markdown(
        "Each chain starts as Gaussian noise **z₀ ~ N(0, I)** and climbs the learned prior, "
        "shaken by noise: **z ← z + s ∇log p(z) + √(2s) ε**. As its energy falls, what it "
        "decodes to turns into an example of the data."
    )
    chosen = pick_model()
    if chosen is None:
        return
    entry, model, card = chosen
    settings = chain_settings(card, _LENGTH)
    run = st.session_state.get(_RUN)
    this = chain_id(entry, settings)
    if run is None or run.id != this:
        view = _view_from_address(default_step=settings.n_steps)
        plane = cache.latent_plane(entry)
        run = ChainRun.start(this, model, plane, settings).advance(view.step)
        st.session_state[_RUN], st.session_state[_VIEW] = run, view
        st.session_state[_PAYLOAD] = encode([run.track()], [0], view)
    _play()
    _show_card(card)


@st.fragment
def _play() -> None:
    player(st.session_state[_PAYLOAD], key=_PLAYER, on_request=_answer, on_view=_remember_view)


def _answer() -> None:
    """Take the steps the browser asks for and send what it lacks."""
    request = st.session_state[_PLAYER].request
    run = st.session_state[_RUN].advance(int(request["to"]))
    st.session_state[_RUN] = run
    first = [int(n) for n in request["have"]]
    st.session_state[_PAYLOAD] = encode([run.track()], first, st.session_state[_VIEW])


def _remember_view() -> None:
    """Keep what is looked at, here and in the page's address; nothing is sent again."""
    seen = st.session_state[_PLAYER].view
    view = View(int(seen["step"]), int(seen["chain"]), str(seen["curve"]))
    run = st.session_state[_RUN]
    st.session_state[_VIEW] = view
    st.session_state[_PAYLOAD] = encode([run.track()], [run.n_taken + 1], view)
    st.query_params.update({name: str(value) for name, value in asdict(view).items()})


def _view_from_address(default_step: int) -> View:
    """The step, chain and curve the address names, else the last step of chain 0."""

    def number(name: str, default: int) -> int:
        text = st.query_params.get(name, "")
        return int(text) if text.isdecimal() and len(text) < 7 else default

    return View(number("step", default_step), number("chain", 0), st.query_params.get("curve", ""))


def _show_card(card: ModelCard) -> None:
    with st.expander("About this model"):
        for label, value in card.facts.items():
            shown = f"{value:,.6g}" if isinstance(value, float) else value
            st.text(f"{label}: {shown:,}" if isinstance(shown, int) else f"{label}: {shown}")
