"""What samples of p_λ decode to on the Tilted prior page: those a person circled, or a spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from app import address, figures
from app.studies.chain_run import decode
from app.studies.tilt import N_PARTICLES, TiltView
from lebm.model import LatentEBM
from train.pictures import mosaic

_SHOWN = 36
_ROWS = "tilt.rows"  # for what they were circled, and which


@dataclass(frozen=True, slots=True)
class Circled:
    """The samples that a person circled, kept in the session and, the first ones, in the address.

    Attributes:
        of: names the model and λ; samples of another λ are others.
    """

    of: str

    @property
    def rows(self) -> list[int]:
        """Their numbers."""
        if _ROWS not in st.session_state:  # the address speaks when the page is first opened
            self._keep(_numbers(st.query_params.get("rows", "")))
        of, rows = st.session_state[_ROWS]
        self._keep(rows if of == self.of else [])
        return st.session_state[_ROWS][1]

    def take(self, chart: str) -> None:
        """Keep what was circled in the chart of this key."""
        points = st.session_state[chart].selection.points
        rows = [point.get("customdata") for point in points]
        self._keep([int(row) for row in rows if row is not None])

    def _keep(self, rows: list[int]) -> None:
        st.session_state[_ROWS] = (self.of, rows)
        address.write({"rows": ".".join(map(str, rows[:_SHOWN]))})


def _numbers(text: str) -> list[int]:
    """The numbers of samples that the address names."""
    parts = [part for part in text.split(".")[:_SHOWN] if part.isdecimal() and len(part) < 5]
    return [int(part) for part in parts if int(part) < N_PARTICLES]


def show(view: TiltView, model: LatentEBM, tilt_now: float, rows: list[int]) -> list[int]:
    """Draw what circled points decode to, or samples spread over p_λ; returns which."""
    z = view.particles(tilt_now)
    spread = list(range(0, len(z), len(z) // _SHOWN))  # neighbours may share an ancestor
    chosen = (rows or spread)[:_SHOWN]
    pictures = decode(model, z[chosen][None])[0]
    note = (
        f"{len(rows)} selected points, the first {len(chosen)} decoded"
        if rows
        else f"{len(chosen)} samples of p_λ, decoded; circle points to decode them"
    )
    if pictures.ndim == 4:
        grid = mosaic(pictures, 6)
        st.image(np.squeeze(grid, -1) if grid.shape[-1] == 1 else grid, note, width="stretch")
        return chosen
    everything = decode(model, z[None])[0]
    groups = {"g(z)": (everything, figures.TILTED)}
    if rows:
        groups["selected"] = (everything[rows], figures.FOLLOWED)
    st.plotly_chart(figures.points(groups), key="decoded")
    st.caption("Samples of p_λ after the generator; circle points on the left to find them here")
    return chosen
