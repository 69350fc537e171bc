"""Step 1: a generator under a Gaussian prior."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app import cache
from app.figures import plane
from app.figures.style import FOLLOWED
from app.lessons.lesson import Lesson
from app.studies import toy
from lebm.model import LatentEBM

_CODE = """\
import torch
from lebm import zoo

model, card = zoo.load_model("pinwheel")
angle = torch.linspace(0, 2 * torch.pi, 241)
ring = {radius} * torch.stack([angle.cos(), angle.sin()], 1)
image = model.generate(ring)  # the red curve on the right, (241, 2)
z = model.prior.sample_base(800, generator=torch.Generator().manual_seed(0))
x = model.generate(z)  # (800, 2)
"""


def draw() -> str:
    """The latent plane and where g takes it."""
    radius = st.slider(
        "Radius of the ring ‖z‖",
        0.1,
        3.0,
        1.0,
        0.1,
        key="radius",
        bind="query-params",
        help="A ring of latent vectors that all have this length; the right picture shows where "
        "the generator takes it.",
    )
    passage = cache.computed(toy.passage)
    ring, image = toy.circle(radius)
    left, right = st.columns(2)
    latent = plane.plane("z drawn from N(0, I)", plane.LATENT, toy.LATENT_EXTENT)
    plane.dots(latent, passage.z, passage.angle, "z, coloured by its angle")
    plane.path(latent, ring, FOLLOWED, "‖z‖ = radius", width=3)
    left.plotly_chart(latent, key="latent")
    observed = plane.plane("the same points after g", plane.OBSERVED, toy.DATA_EXTENT)
    plane.data(observed, passage.data)
    plane.dots(observed, passage.x, passage.angle, "g(z), in the colour of z")
    plane.path(observed, image, FOLLOWED, "g of the ring", width=3)
    right.plotly_chart(observed, key="observed")
    outside = float(np.exp(-(radius**2) / 2))
    st.caption(f"{outside:.0%} of N(0, I) lies outside this ring, {1 - outside:.0%} within.")
    return _CODE.format(radius=radius)


LESSON = Lesson(
    slug="generator",
    name="Generator",
    title="A network turns Gaussian noise into examples",
    text="Draw a short vector $z$ from a Gaussian, send it through a network $g$, add a little "
    "noise: that is a *generator model*. Here both $z$ and $x$ lie in a plane, so nothing is "
    "hidden. The data are five curved arms; points of one colour on the right come from the $z$ "
    "of that colour on the left.",
    equation=r"\begin{gathered} z \sim p(z) \\ x = g_\beta(z) + \varepsilon, \quad "
    r"\varepsilon \sim N(0, \sigma^2 I) \end{gathered}",
    source="eq. 1 and 3; for now the prior p(z) is N(0, I)",
    function=LatentEBM.generate,
    question="Widen the ring slowly. Which parts of it land on the arms, and what happens to the "
    "stretches in between?",
    answer="g is continuous, so a closed ring stays a closed curve: wherever it passes from one "
    "arm to the next it must cross the empty space between them. The z on those stretches are as "
    "likely as their neighbours under N(0, I), so the model puts examples where there are none.",
    draw=draw,
)
