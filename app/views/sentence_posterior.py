"""The Posterior page of a model of sentences: chains that find what x may have come from."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from app import cache
from app.exports import of_sentences, take_away
from app.figures import posterior as figures
from app.figures.sentences import energy_and_words
from app.models import ModelEntry
from app.sidebar import confine, plain
from app.studies import posterior, sentence_chains, sentence_posterior
from app.studies.chain_run import ChainSettings, Segment
from app.studies.examples import Example
from app.studies.export import Film
from app.studies.recipe import recipe_of
from app.studies.sentence_chains import Stretch, compared
from app.studies.sentence_posterior import SentenceRestarts
from app.views.sentences import line, marked, step_slider
from app.waiting import tell_failures, tell_stopped, wait_for
from lebm.checkpoint import ModelCard
from lebm.model import LatentEBM
from lebm.trajectory import Trajectory
from lebm.word_edits import edits
from train.words import counted

_KEPT = "sentence_posterior.kept"  # the job of chains and restarts, and what it depends on
_SHOWN = "sentence_posterior.step"  # in a list that exports read where there is no session
_ALIKE = 0.25  # of the distance between two prior samples


def show(
    entry: ModelEntry,
    model: LatentEBM,
    card: ModelCard,
    settings: ChainSettings,
    example: Example,
) -> None:
    """Draw the page below its controls."""
    this = posterior.run_id(entry, settings, example.x)
    work = partial(sentence_posterior.infer, model=model, settings=settings, x=example.x, card=card)
    inferred = wait_for(_KEPT, this, work, "Inferring latents")
    if inferred is None:
        return
    chains, found = inferred
    n = settings.n_chains
    st.subheader(f"{counted(n, 'restart')} after {counted(found.step, 'step')}")
    tell_stopped(found.step, settings.n_steps, _KEPT)
    tell_failures(chains.failures)
    _show_numbers(model, found)
    _show_table(found)
    _follow(model, chains, example.x)
    _offer(entry, model, chains, settings, example)
    _show_spread(model, chains, found)


def _show_numbers(model: LatentEBM, found: SentenceRestarts) -> None:
    exact = int((found.edits == 0).sum())
    shown = {
        "Best −log p(x|z)": (
            f"{found.nll.min():.2f}",
            "In nats: how surely the decoder says x, word by word, from the closest restart's z",
        ),
        "A word": (
            f"{found.nll_a_word.min():.2f}",
            f"The same over the {found.n_tokens} words of x, its end counted as one",
        ),
        "Say x": (
            f"{exact} of {len(found.edits)}",
            "Restarts whose likeliest sentence, word by word, is x itself",
        ),
        "Best −log p(x, z)": (
            f"{found.neg_log_joint.min():.1f}",
            "In nats, up to log Z: lower explains x better",
        ),
        "Latents apart": (
            share(found.latent_share),
            "Mean distance between two restarts as a share of that between two prior samples",
        ),
        "Sentences apart": (
            share(found.edit_share),
            "The same for word edits between what they say: near 0 all say one thing, near 1 they "
            "know nothing",
        ),
    }
    with st.container(horizontal=True, gap="medium"):
        for label, (value, help_line) in shown.items():
            st.metric(label, value.replace("-", "−"), help=help_line, width="content")
    if len(found.nll) > 1:
        st.markdown(_in_words(found))


def share(value: float) -> str:
    """As it stands on screen; NaN of one restart alone, or of a prior that says one thing."""
    return "–" if np.isnan(value) else f"{value:.2f} ×"


def _in_words(found: SentenceRestarts) -> str:
    if found.edit_distance.any() and not found.edit_share < _ALIKE:
        return (
            "The restarts say **different things**: x has several explanations under the chains, "
            "or they are too short to leave the one they met first. Take more steps to tell."
        )
    if found.latent_share < _ALIKE:
        return "The restarts found about **the same latent**: one explanation of x."
    return (
        "The restarts say **nearly the same from different latents**: x leaves some directions of "
        "z open."
    )


def _show_table(found: SentenceRestarts) -> None:
    order = found.order
    columns = {
        "restart": order,
        "says": [found.sentences[i] for i in order],
        "word edits": found.edits[order],
        "words agree": found.agreement[order] * 100,
        "−log p(x|z)": found.nll[order],
        "a word": found.nll_a_word[order],
        "−log p(x, z)": found.neg_log_joint[order],
        "‖z‖": found.norm[order],
    }
    numbers = dict.fromkeys(
        ("−log p(x|z)", "a word", "−log p(x, z)", "‖z‖"),
        st.column_config.NumberColumn(format="%.2f", width="small"),
    )
    st.dataframe(
        columns,
        hide_index=True,
        column_config=numbers
        | {
            "restart": st.column_config.NumberColumn(width="small"),
            "says": st.column_config.TextColumn(width=330),
            "words agree": st.column_config.NumberColumn(
                format="%.0f%%",
                width="small",
                help="1 − word edits over the words of the longer sentence",
            ),
            "word edits": st.column_config.NumberColumn(
                width="small", help="Words to insert, drop or replace to make x of it"
            ),
        },
    )


@st.fragment
def _follow(model: LatentEBM, chains: Trajectory, x: Tensor) -> None:
    """One restart from noise to its end: what it says at a step, and where words change."""
    terms = sentence_posterior.joint_terms(chains)
    chain, step, quantity = _choose_view(chains, list(terms))
    st.session_state.setdefault(_SHOWN, [])[:] = [step]
    _show_step(model, chains, terms, chain, step, x)
    values = terms[quantity] if quantity in terms else sentence_posterior.neg_log_joint(chains)
    found = sentence_chains.stretches(
        sentence_chains.read(model, chains.z[:, chain]), values[:, chain]
    )
    titles = (f"{quantity} along the restarts", f"{quantity}, nats")
    changed = [stretch.first for stretch in found[1:]]
    st.plotly_chart(energy_and_words(values, chain, changed, step, titles), key="followed")
    st.markdown(
        f"**Restart {chain}** says {len(found)} different things in a row; words that are new "
        "since the line above are orange."
    )
    with st.container(height=320):
        st.markdown("\n\n".join(_line(stretch, quantity) for stretch in found))


def _choose_view(chains: Trajectory, terms: list[str]) -> tuple[int, int, str]:
    """The controls for the restart that is followed, the step that is read and the curve."""
    last, n = len(chains.z) - 1, chains.z.shape[1]
    confine("chain", 0, n - 1)
    left, middle, right = st.columns([1, 2, 2], vertical_alignment="bottom")
    chain = left.number_input(
        "Follow restart",
        0,
        n - 1,
        0,
        key="chain",
        bind="query-params",
        help="Its sentences stand below, from the first step to the last.",
    )
    step = step_slider(
        "sentence_posterior",
        last,
        "Drag, or press the arrow keys: which step of the followed restart is read.",
        middle,
    )
    quantity = right.selectbox(
        "Curve",
        [*terms, "−log p(x, z)"],
        key="term",
        bind="query-params",
        help="What the chart shows, in nats. −log p(x, z) is the sum of the other three and "
        "½d log 2π; log Z is left out.",
    )
    return int(chain), step, quantity


def _show_step(
    model: LatentEBM,
    chains: Trajectory,
    terms: dict[str, np.ndarray],
    chain: int,
    step: int,
    x: Tensor,
) -> None:
    """What a restart says at a step, beside x; words that differ are marked in both."""
    assert model.config.text is not None
    tokens = model.generate(chains.z[[max(step - 1, 0), step], chain])
    before, said, target = model.config.text.vocabulary.decode(torch.cat([tokens, x]))
    n_edits = int(edits(tokens[1:], x))
    numbers = [f"{name} = {values[step, chain]:.2f}" for name, values in terms.items()]
    numbers.append(f"{counted(n_edits, 'word edit')} from x")
    with st.container(border=True, key="step-shown"):
        st.markdown(f"**Restart {chain}, step {step}**, words new since the step before in orange")
        st.markdown(line(compared(before, said), ", ".join(numbers)))
        st.markdown(
            f"**x**, words that it does not say in orange  \n{marked(compared(said, target))}"
        )


def _line(stretch: Stretch, quantity: str) -> str:
    steps = str(stretch.first)
    if stretch.last > stretch.first:
        steps += f"–{stretch.last}"
    return line(stretch.words, f"step {steps}, {plain(quantity)} = {stretch.energy[0]:.2f}")


def _offer(
    entry: ModelEntry,
    model: LatentEBM,
    chains: Trajectory,
    settings: ChainSettings,
    example: Example,
) -> None:
    """The chains as files and as Python lines."""
    shown, fingerprint = st.session_state[_SHOWN], cache.fingerprint(entry)
    recipe = recipe_of((Segment(0, settings),), len(chains.z) - 1, entry, fingerprint, example)

    def film() -> Film:
        return Film.of_sentences(recipe, chains, shown[0], example)

    take_away(film, entry, key="posterior", formats=of_sentences(model))


def _show_spread(model: LatentEBM, chains: Trajectory, found: SentenceRestarts) -> None:
    left, right = st.columns(2)
    error = ("−log p(x|z)", "−log p(x|z), nats")
    left.plotly_chart(figures.restarts(found.nll, found.neg_log_joint, error), key="restarts")
    right.plotly_chart(
        figures.distances(
            found.latent_distance, found.edit_distance, found.order, "word edits, 0 to {:.0f}"
        ),
        key="distances",
    )
    terms = sentence_posterior.joint_terms(chains)
    st.plotly_chart(figures.joint_terms(chains.steps.numpy(), terms), key="terms")
