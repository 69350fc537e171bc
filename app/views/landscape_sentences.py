"""What the views of the Landscape page show of a model of sentences, in the place of pictures."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from app.figures import landscape as figures
from app.figures.profiles import ROUTES
from app.figures.sentences import add_changes
from app.figures.style import TILTED
from app.sidebar import plain
from app.studies.landscape import Plane, Point, Profile
from app.studies.sentence_chains import Stretch, compared, stretches, words_shared
from app.views.sentences import SILENCE, line
from lebm.model import LatentEBM
from train.words import counted

_HEIGHT = 420  # pixels of a list of sentences


def mark_changes(figure: go.Figure, found: dict[str, Profile], quantity: str) -> None:
    """Have the curves show where a word changes, and say the sentence there.

    Args:
        figure: with the curves.
        found: what is drawn, by the name of its path.
        quantity: which of a profile's values.
    """
    for name, profile in found.items():
        changed = [stretch.first for stretch in _stretches(profile)]
        values = getattr(profile, quantity)
        color = ROUTES.get(name, TILTED)
        said = [str(profile.decoded[i]) for i in changed]
        add_changes(figure, profile.at[changed], values[changed], said, color)


def show_lists(found: dict[str, Profile], axis: str, ends: dict[float, str]) -> None:
    """The sentences along curves, one list beside the other.

    Args:
        found: the curves by name; one curve needs none.
        axis: what a place on a curve is, in short.
        ends: place -> name of the point that stands there.
    """
    st.markdown("Words that are new since the line above are orange.")
    for column, (name, profile) in zip(st.columns(len(found)), found.items(), strict=True):
        listed = _stretches(profile)
        heading = f"**{name}**, " if len(found) > 1 else ""
        column.markdown(f"{heading}{len(listed)} different sentences in a row")
        with column.container(height=_HEIGHT):
            st.markdown("\n\n".join(_line(profile, s, axis, ends) for s in listed))


def show_point(model: LatentEBM, found: Plane, point: Point, names: list[str]) -> None:
    """What the point says, and what of it each of the plane's points does not."""
    said = str(point.decoded)
    with st.container(border=True, key="selected"):
        st.markdown(f"**z says**  \n{plain(said) or SILENCE}")
        there_said = [_nearest(found, mark) for mark in found.marks]
        shares = words_shared(model, said, there_said)
        for name, there, share in zip(names, there_said, shares, strict=True):
            st.markdown(f"Near {name}: " + line(compared(said, there), f"{share:.0%} of the words"))
    st.caption(
        "Near A, B and C, words that z does not say are orange. The map shows how many of z's "
        "words each place says: point at one to read it."
    )


def map_of_words(
    model: LatentEBM,
    found: Plane,
    point: Point,
    marks: dict[str, np.ndarray],
    axes: tuple[str, str],
) -> go.Figure:
    """How much of what the point says is said elsewhere in the plane."""
    different, which = np.unique(found.decoded.astype(str), return_inverse=True)
    shares = words_shared(model, str(point.decoded), different.tolist())
    values = shares[which].reshape(found.decoded.shape)
    titles = (f"z's words elsewhere; {counted(len(different), 'sentence')}", *axes)
    return figures.plane_words(found.coarse, values, found.decoded, marks, titles)


def _stretches(profile: Profile) -> list[Stretch]:
    return stretches([str(s) for s in profile.decoded], profile.energy)


def _line(profile: Profile, stretch: Stretch, axis: str, ends: dict[float, str]) -> str:
    first, last = profile.at[stretch.first], profile.at[stretch.last]
    here = [name for place, name in ends.items() if first - 1e-6 <= place <= last + 1e-6]
    where = f"{axis} {first:.2f}" + (f" to {last:.2f}" if stretch.last > stretch.first else "")
    i = stretch.first
    numbers = f"−f = {profile.energy[i]:.2f}, −log p_α = {profile.neg_log_prob[i]:.2f}"
    point = f"**{', '.join(here)}** · " if here else ""
    return point + line(stretch.words, f"{where}, {numbers}".replace("_", "\\_"))


def _nearest(found: Plane, mark: np.ndarray) -> str:
    """The sentence at the decoded place nearest to a point of the plane."""
    column, row = (int(np.abs(found.coarse - value).argmin()) for value in mark)
    return str(found.decoded[row, column])
