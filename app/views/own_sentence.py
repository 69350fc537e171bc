"""The control for a sentence x: one of the model's data, or one that a person types."""

from __future__ import annotations

import streamlit as st

from app import address, cache
from app.example import pick_number
from app.models import ModelEntry
from app.sidebar import plain
from app.studies import own_sentence
from app.studies.examples import Example
from app.studies.own_sentence import MAX_TYPED, OwnSentence, UnusableSentence
from app.views.sentences import SILENCE
from lebm.model import LatentEBM

_SHOWN_WORDS = 1_000
_TYPED = "Typed"


def pick_sentence(entry: ModelEntry, model: LatentEBM) -> Example | None:
    """The sentence to explain; None, with a sentence on the page, if there is none."""
    left, right = st.columns([1, 2], gap="large")
    with left:
        source = st.segmented_control(
            "Sentence from",
            ["Data", _TYPED],
            default="Data",
            required=True,
            key="words_from",
            bind="query-params",
            on_change=_begin_with_the_data,
            args=(entry, model),
            help="The model's data set, or a sentence of your own.",
        )
    with right:
        if source == _TYPED:
            return type_sentence(model, "Your sentence x", "typed")
        return _from_data(entry, model)


def type_sentence(model: LatentEBM, label: str, key: str) -> Example | None:
    """A sentence of a person's own; None, with a sentence on the page, if it cannot be used.

    Args:
        model: of sentences.
        label: of the control.
        key: its key in the address.
    """
    text = st.text_input(
        label,
        key=key,
        max_chars=MAX_TYPED,
        bind="query-params",
        placeholder="Type a sentence and press Enter",
        help="Words with spaces between; marks count as words. Words that the model does not know "
        "become <unk>.",
    )
    try:
        read = own_sentence.read(text, model)
    except UnusableSentence as error:
        (st.error if text.strip() else st.info)(str(error))
        _show_vocabulary(model)
        return None
    _show_unknown(read)
    _show_vocabulary(model)
    return read.example


def _begin_with_the_data(entry: ModelEntry, model: LatentEBM) -> None:
    """Whoever turns to typing finds the sentence that was shown, to change it."""
    if st.session_state.get("words_from") == _TYPED and not st.session_state.get("typed"):
        known = cache.examples(entry).example(int(st.session_state.get("i", 0)))
        (text,), (length,) = _spelled(model, known), model.config.data_shape
        kept = " ".join(text.split()[: length - 1])  # a sample may never have come to an end
        st.session_state["typed"] = kept
        address.write({"typed": kept})


def _from_data(entry: ModelEntry, model: LatentEBM) -> Example:
    known = cache.examples(entry)
    number = pick_number(
        "Sample of the model" if known.data is None else "Test sentence",
        len(known.rows) - 1,
        "i",
        "Sentences that the model was not trained on, by number.",
    )
    example = known.example(number)
    st.markdown(f"x: {plain(_spelled(model, example)[0]) or SILENCE}")
    st.caption(plain(known.source))
    return example


def _show_unknown(read: OwnSentence) -> None:
    """The sentence as the model reads it, where that differs from what was typed."""
    n = read.known.count(False)
    if not n:
        return
    words = [
        plain(word[:60]) if known else f":red[{plain(word[:60])} → **{plain('<unk>')}**]"
        for word, known in zip(read.words, read.known, strict=True)
    ]
    st.markdown("The model reads: " + " ".join(words))
    if n == len(words):
        st.warning(
            "The model knows none of these words: it sees so many times <unk>, and all that chains "
            "can explain is how many."
        )
    else:
        words_are = "word is" if n == 1 else "words are"
        st.caption(f"{n} {words_are} not among those the model knows, and it sees <unk> there.")


def _show_vocabulary(model: LatentEBM) -> None:
    assert model.config.text is not None
    words = model.config.text.vocabulary.words
    with st.expander(f"The {len(words):,} words this model knows"):
        if len(words) > _SHOWN_WORDS:
            st.caption(f"The {_SHOWN_WORDS:,} most frequent:")
        st.text(" ".join(sorted(words[:_SHOWN_WORDS])))


def _spelled(model: LatentEBM, example: Example) -> list[str]:
    assert model.config.text is not None
    return model.config.text.vocabulary.decode(example.x)
