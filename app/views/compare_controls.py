"""Controls of the Compare page: what B differs in."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.sidebar import Chosen, pick_model
from app.studies import compare
from app.studies.chain_run import ChainSettings
from app.studies.compare import QUESTIONS


def other_side(chosen: Chosen, settings: ChainSettings) -> tuple[Chosen, ChainSettings] | None:
    """Model and settings of B; None, with a sentence on the page, if its model cannot be opened."""
    question = st.segmented_control(
        "B is the same with …",
        QUESTIONS,
        default=QUESTIONS[0],
        required=True,
        key="with",
        bind="query-params",
        help="A is the model and the settings of the sidebar; B differs in this alone. No tilt: "
        "f = 0, the plain Gaussian prior. No noise: temperature 0. Metropolis test: MALA. "
        "My choice: another model, checkpoint or setting.",
    )
    if question != QUESTIONS[-1]:
        return chosen, compare.asked(question, settings)
    columns = st.columns([2, 1, 1, 1, 1, 1], vertical_alignment="top")
    other = pick_model("2", columns[0])
    return None if other is None else (other, _own_settings(columns[1:], settings))


def _own_settings(columns: list, settings: ChainSettings) -> ChainSettings:
    """A's settings with what a person filled in for B."""
    fields: dict[str, tuple[str, str, dict]] = {
        "step_size": (
            "Step size s",
            "s2",
            {"min_value": 1e-5, "max_value": 2.0, "step": 0.005, "format": "%.4f"},
        ),
        "temperature": ("Temperature", "T2", {"min_value": 0.0, "max_value": 2.0, "step": 0.05}),
        "seed": ("Seed", "seed2", {"min_value": 0, "max_value": 2**31 - 1}),
    }
    given = {}
    for column, (name, (label, key, limits)) in zip(columns, fields.items(), strict=False):
        value = column.number_input(
            label,
            value=None,
            placeholder=f"as A: {getattr(settings, name)}",
            key=key,
            bind="query-params",
            help="Of B; empty: as A.",
            **limits,
        )
        if value is not None:
            given[name] = value
    tilt = columns[3].number_input(
        "Tilt λ",
        min_value=0.0,
        max_value=2.0,
        value=1.0,
        step=0.1,
        key="tilt2",
        bind="query-params",
        help="B climbs λ f(z) − ½‖z‖²: 1 is the model, 0 the plain Gaussian.",
    )
    adjusted = columns[4].toggle(
        "MALA",
        value=settings.adjusted,
        key="mala2",
        bind="query-params",
        help="The Metropolis test: each step of B is accepted or rejected, so that it samples "
        "exactly.",
    )
    return compare.possible(replace(settings, **given, tilt=tilt, adjusted=adjusted))
