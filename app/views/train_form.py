"""The form that starts a run: presets and options as the dataclasses have them."""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from app import figures, training
from app.models import runs_folder
from app.sidebar import plain
from app.studies import preview
from app.studies.options import Option, arguments, changed, field_docs, options, words
from lebm import zoo
from train.config import TrainConfig
from train.pictures import mosaic
from train.presets import PRESETS
from train.run_dir import RunError

_DEFAULT = "digits"
#: By the run's name, by its method and by the data.
_SET_ELSEWHERE = {
    ("out",),
    *(("model", field) for field in ("prior", "latent_layers", "amortised")),
    ("model", "text", "vocabulary", "words"),
}
_OPTIONS = tuple(o for o in options(TrainConfig) if o.path not in _SET_ELSEWHERE)
_NO_FOLDER = "as the data set has it"


def show() -> None:
    """Draw the form and, beside it, what the preset gave when the zoo's model was trained."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        preset = st.selectbox(
            "Preset",
            list(PRESETS),
            index=list(PRESETS).index(_DEFAULT),
            key="preset",
            bind="query-params",
            on_change=_take_defaults,
            help="Settings that are known to work together. Every one can be changed below.",
        )
        st.caption(PRESETS[preset][0])
        _show_options(preset)
    with right:
        _show_expected(preset)


@st.fragment
def _show_options(preset: str) -> None:
    base = PRESETS[preset][1]
    runs = runs_folder()
    head = st.container()  # the button stands above the options, but they decide what it does
    name = st.text_input(
        "Name",
        placeholder=training.free_name(runs, preset),
        key="name",
        bind="query-params",
        help="The run's folder below runs/; empty takes the one shown in grey.",
    )
    typed = _show_groups(base)
    with head:
        try:
            config = changed(base, {option.path: _value(option, typed[option]) for option in typed})
            folder = runs / training.check_name(name or training.free_name(runs, preset))
        except (ValueError, RunError) as error:
            st.error(plain(str(error)))
            return
        _offer_start(folder, [preset, *arguments(base, config)])


def _offer_start(folder: Path, chosen: list[str]) -> None:
    """The command as it will run, and the button that runs it."""
    st.code(training.shown(training.with_out(chosen, folder)), "bash", wrap_lines=True)
    if st.button("Start", key="start", type="primary", help="Runs the command above."):
        try:
            training.start(folder.parent, folder.name, chosen)
        except RunError as error:
            st.error(plain(str(error)))
        else:
            st.session_state["train.open"] = folder.name
            st.rerun()


def _show_groups(base: TrainConfig) -> dict[Option, Any]:
    """All options, those of one dataclass together; returns what stands in their controls."""
    docs = field_docs(TrainConfig)
    values: dict[Option, Any] = {}
    known = [option for option in _OPTIONS if option.belongs_to(base)]
    top = [option for option in known if len(option.path) == 1]
    with st.expander("Run: data, length, seed, where to compute", key="group-run"):
        values |= _show_fields(top, base)
    nested = [option for option in known if len(option.path) > 1]
    for group, members in groupby(nested, key=lambda option: option.path[0]):
        acronym = group in ("vae", "rae", "arae")
        title = group.upper() if acronym else group.replace("_", " ").capitalize()
        with st.expander(f"{title}: {docs.get(group, '')}", key=f"group-{group}"):
            values |= _show_fields(list(members), base)
    return values


def _show_fields(members: list[Option], base: TrainConfig) -> dict[Option, Any]:
    columns = st.columns(2)
    values = {}
    for i, option in enumerate(members):
        with columns[i % 2]:
            values[option] = _show_field(option, option.of(base))
    return values


def _show_field(option: Option, default: Any) -> Any:
    """The control that suits the field's type; its key, and so the address, is its flag.

    A path is never typed: a visitor chooses among the folders that LEBM_DATA offers.
    """
    common: dict[str, Any] = {"key": option.flag, "bind": "query-params", "help": option.help}
    if option.type is Path:
        return st.selectbox(option.label, list(_offered_folders()), **common)
    if option.choices:
        listed = [*([None] if option.optional else []), *option.choices]
        return st.selectbox(option.label, listed, index=listed.index(default), **common)
    if option.type is bool and not option.optional:
        return st.toggle(option.label, default, **common)
    if option.type is int:
        return st.number_input(option.label, value=default, step=1, **common)
    return st.text_input(option.label, words(default), **common)


def _value(option: Option, typed: Any) -> Any:
    """What the control of an option stands for."""
    if option.type is Path:
        return _offered_folders()[typed]
    return option.parse(typed) if isinstance(typed, str) else typed


def _offered_folders() -> dict[str, Path | None]:
    """Name -> folder of data that whoever runs the explorer offers to its visitors."""
    root = Path(os.environ.get("LEBM_DATA") or "nowhere")
    inside = sorted(f for f in root.iterdir() if f.is_dir()) if root.is_dir() else []
    return {_NO_FOLDER: None} | {folder.name: folder for folder in inside}


def _take_defaults() -> None:
    """Another preset was chosen: its own values stand in the form."""
    base = PRESETS[st.session_state["preset"]][1]
    for option in filter(lambda option: option.belongs_to(base), _OPTIONS):
        value = option.of(base)
        as_it_is = option.choices or option.type in (bool, int)
        typed = _NO_FOLDER if option.type is Path else words(value)
        st.session_state[option.flag] = value if as_it_is else typed


def _show_expected(preset: str) -> None:
    """The zoo's model of this preset: its numbers, and examples that its prior decodes to."""
    if preset not in zoo.paths():
        st.info("No model of this preset comes along: yours will be the first.")
        return
    shown = preview.of_zoo(preset)
    facts, examples = shown.card.facts, shown.examples
    spoken = isinstance(examples, list)
    quality = (
        f"its test sentences cost {facts[preview.TEST_NLL]:.1f} nats each, given their z"
        if spoken
        else f"its test reconstructions miss by {facts[preview.TEST_MSE]:.4f} (mean squared error)"
    )
    st.markdown(
        f"**What to expect.** The zoo's model of this preset took {facts['iterations']:,} "
        f"iterations, {facts['minutes']:g} minutes on {facts['hardware']}; {quality}."
    )
    caption = "Fresh samples of its prior, decoded"
    if spoken:
        st.caption(caption)
        st.code("\n".join(examples), None, wrap_lines=True)
    elif examples.ndim == 4:
        gap = ((0, 0), (1, 1), (1, 1), (0, 0))
        grid = mosaic(np.pad(examples, gap, constant_values=96), 8)
        st.image(np.squeeze(grid, -1) if grid.shape[-1] == 1 else grid, caption, width="stretch")
    else:
        groups = {"samples of its prior, decoded": (examples, figures.TILTED)}
        st.plotly_chart(figures.points(groups), key="expected")
