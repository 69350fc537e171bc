"""The Tilted prior page of pictures and points: the frame, and what samples of p_λ decode to."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app import figures
from app.figures import Cloud
from app.studies.chain_run import decode
from app.studies.tilt import TILTS
from app.views import tilted_prior_frame as frame
from app.views.tilted_prior_frame import Scene
from train.pictures import mosaic
from train.words import counted


def show(scene: Scene) -> list[int]:
    """Draw both sides; returns the numbers of the samples that are decoded."""
    left, right = st.columns([3, 2])
    with right:  # first, since a browser takes a second to load what draws charts
        decoded = _show_decoded(scene)
    with left:
        layers = frame.pick_layers()
        frame.draw(scene, _clouds(scene, coloured=layers.energies), layers)
    return decoded


def _clouds(scene: Scene, *, coloured: bool) -> dict[str, Cloud]:
    drawn, i = scene.drawn, TILTS.index(scene.tilt)

    def optional(points: np.ndarray | None, color: str) -> Cloud | None:
        return None if points is None else Cloud(points, color)

    tilted = Cloud(
        drawn.particles[i],
        figures.TILTED,
        rows=drawn.rows,
        energy=scene.view.energy[i].numpy()[drawn.rows] if coloured else None,
    )
    return frame.in_order(
        Cloud(drawn.particles[0], figures.GAUSSIAN),
        tilted,
        optional(drawn.posterior, figures.POSTERIOR),
        optional(drawn.learned, figures.LEARNED),
        scene.tilt,
    )


def _show_decoded(scene: Scene) -> list[int]:
    """Draw what circled points decode to, or samples spread over p_λ; returns which."""
    z, rows, model = scene.view.particles(scene.tilt), scene.rows, scene.model
    spread = list(range(0, len(z), len(z) // frame.SHOWN))  # neighbours may share an ancestor
    chosen = (rows or spread)[: frame.SHOWN]
    pictures = decode(model, z[chosen][None])[0]
    note = (
        f"{counted(len(rows), 'selected point')}, the first {len(chosen)} decoded"
        if rows
        else f"{len(chosen)} samples of {scene.sampled}, decoded; {scene.invite('decode them')}"
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
    ask = scene.invite("find them here")
    st.caption(f"Samples of {scene.sampled} after the generator; {ask}")
    return chosen
