"""The frame of the Tilted prior page: distributions as points, among which some can be circled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from app import address, figures
from app.figures import Cloud
from app.sidebar import plain
from app.studies import tilt
from app.studies.projection import Projection
from app.studies.tilt import N_PARTICLES, TILTS, Exact, TiltView
from lebm.model import LatentEBM

SHOWN = 36  # samples that are decoded
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
        address.write({"rows": ".".join(map(str, rows[:SHOWN]))})


def _numbers(text: str) -> list[int]:
    """The numbers of samples that the address names."""
    parts = [part for part in text.split(".")[:SHOWN] if part.isdecimal() and len(part) < 5]
    return [int(part) for part in parts if int(part) < N_PARTICLES]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is drawn.

    Attributes:
        model: the model.
        view: all there is of it so far.
        drawn: where it is drawn.
        wanted: the λ that a person asks for.
        tilt: λ of what is drawn: that one, or as far as annealing has come on the way to it.
        circled: the samples of p_λ that a person circled.
        rows: their numbers; none as long as annealing has not reached the λ they belong to.
    """

    model: LatentEBM
    view: TiltView
    drawn: Projection
    wanted: float
    tilt: float
    circled: Circled
    rows: list[int]

    @property
    def arrived(self) -> bool:
        """Whether what is drawn belongs to the λ that a person asks for."""
        return self.tilt == self.wanted

    @property
    def sampled(self) -> str:
        """What the samples are of, as it stands on screen."""
        if self.arrived:
            return "p_λ"
        return f"p_λ at λ = {self.tilt}" if self.tilt else "p₀"

    def invite(self, to: str) -> str:
        """What a person may do with the chart, or while it is on the way, what is to come."""
        ask = f"circle points of p_λ (no other cloud's) to {to}"
        return ask if self.arrived else f"λ = {self.wanted} is to come"

    @property
    def exact(self) -> Exact | None:
        """Exact quantities at this λ, for a latent plane."""
        return self.view.exact[TILTS.index(self.tilt)] if self.view.exact else None


@dataclass(frozen=True, slots=True)
class Layers:
    """What a person has switched on: contours, colours by energy, chains."""

    contours: bool
    energies: bool
    paths: bool


def pick_layers() -> Layers:
    """The switches."""
    layers = {
        "contours": ("Contours", "Lines of equal density of p_λ"),
        "energies": ("Colour by energy", "Points of p_λ by −f(z): low is where the tilt adds mass"),
        "paths": ("Chains", f"{tilt.N_CHAINS} prior chains at λ = 1 from noise (ring) to their "
                  "end (dot); chains 0 to 5 of the Chains page with seed 0"),
    }  # fmt: skip
    columns = st.columns([2, 3, 2])
    return Layers(*[
        column.toggle(label, key=key, bind="query-params", help=help_line)
        for column, (key, (label, help_line)) in zip(columns, layers.items(), strict=True)
    ])  # fmt: skip


def in_order(
    base: Cloud, tilted: Cloud, posterior: Cloud | None, learned: Cloud | None, tilt_now: float
) -> dict[str, Cloud]:
    """The clouds by their names in the legend, the last one on top."""
    clouds = {
        "p₀ = N(0, I)": base,
        "aggregate posterior": posterior,
        "q<sub>ψ</sub>, learned sampler": learned,
        f"p<sub>λ</sub>, λ = {tilt_now}": tilted,
    }
    return {name: cloud for name, cloud in clouds.items() if cloud is not None}


def draw(scene: Scene, clouds: dict[str, Cloud], layers: Layers) -> None:
    """Draw the chart, in which points of p_λ can be circled, and say what it is."""
    drawn, exact = scene.drawn, scene.exact
    key = f"projection-{scene.tilt}-{drawn.axes[0]}"
    st.plotly_chart(
        figures.projection(
            clouds,
            drawn.axes,
            density=(exact.axis, exact.density) if exact is not None else None,
            contours=_contours(scene) if layers.contours else None,
            chains=drawn.chains if layers.paths else None,
            extent=tilt.EXTENT if exact is not None else None,
        ),
        key=key,
        # samples of a λ on the way are not those that the address would name
        on_select=partial(scene.circled.take, key) if scene.arrived else "ignore",
        selection_mode=("lasso", "box"),
    )
    st.caption(f"{_says(scene)} {plain(scene.view.note)}")


def _contours(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    exact = scene.exact
    return scene.drawn.contours(scene.tilt) if exact is None else (exact.axis, exact.density)


def _says(scene: Scene) -> str:
    """What the frame is, and what it loses."""
    drawn = scene.drawn
    if scene.exact is not None:
        return "The latent plane itself; shade: the exact density of p_λ."
    if scene.model.config.latent_dim == 1:
        return "The latent line itself."
    if drawn.explained is None:
        return (
            f"UMAP of p₀ and p_α together, fixed for every λ{_neighbours(drawn)}. Distances "
            "between groups mean nothing here."
        )
    return (
        "Two principal directions of p₀ and of what prior chains make of it, fixed for every λ and "
        f"those of the Chains page: {drawn.explained:.0%} of the variance{_neighbours(drawn)}."
    )


def _neighbours(drawn: Projection) -> str:
    """How far the frame can be trusted, once that is known."""
    if drawn.kept is None:
        return ""
    return (
        f", trustworthiness {drawn.kept:.2f} over {tilt.N_NEIGHBORS} neighbours (1: neighbours on "
        "screen are neighbours in the latent space)"
    )
