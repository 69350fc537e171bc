"""Step 3: tilting the Gaussian."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app import cache
from app.figures import plane
from app.figures.style import GAUSSIAN, TILTED
from app.lessons.lesson import Lesson
from app.studies import toy
from lebm.prior import TiltedPrior

_CODE = """\
from lebm import zoo
from lebm.exact import PlaneGrid

model, card = zoo.load_model("pinwheel")
prior, grid = model.prior.double(), PlaneGrid(extent=4.5, n_points=90)
f = prior.neg_energy(grid.points)
log_density = {tilt} * f + prior.base_log_prob(grid.points)
log_z = grid.log_integral(log_density)
log_ratio = {tilt} * f - log_z
density = (log_density - log_z).exp()
kl = (density * {tilt} * f).sum() * grid.cell_area - log_z
"""
_LIMIT = 4.0  # nats; what lies beyond is drawn like this


def draw() -> str:
    """What the tilt adds and takes, the tilted density, and what it decodes to."""
    tilt = st.slider(
        "Tilt λ",
        0.0,
        1.5,
        1.0,
        0.1,
        key="lambda",
        bind="query-params",
        help="p is proportional to exp(λ f) p₀: 0 is the Gaussian, 1 the learned prior.",
    )
    tilted = cache.computed(toy.tilted, round(tilt, 1))
    columns = st.columns(3)
    ratio, title = tilted.log_ratio, "log p<sub>λ</sub> − log p₀ = λ f − log Z(λ)"
    change = plane.plane(title, plane.LATENT, toy.LATENT_EXTENT)
    plane.signed(change, ratio.axis, np.clip(ratio.values, -_LIMIT, _LIMIT), _LIMIT)
    columns[0].plotly_chart(change, key="change")
    latent = plane.plane("the tilted prior p<sub>λ</sub>", plane.LATENT, toy.LATENT_EXTENT)
    plane.shade(latent, tilted.density.axis, tilted.density.values, TILTED)
    base = cache.computed(toy.tilted, 0.0).density
    plane.levels(latent, base.axis, base.values, GAUSSIAN, "p₀")
    columns[1].plotly_chart(latent, key="latent")
    observed = plane.plane("its draws, after g", plane.OBSERVED, toy.DATA_EXTENT)
    plane.data(observed, cache.computed(toy.passage).data)
    plane.dots(observed, tilted.x, TILTED, "g(z)", size=4)
    columns[2].plotly_chart(observed, key="observed")
    numbers = st.columns(3)
    numbers[0].metric("log Z(λ), nats", f"{tilted.log_z:.3f}", help="Exact, by quadrature")
    numbers[1].metric(
        r"KL$(p_\lambda \| p_0)$, nats",
        f"{tilted.kl:.3f}",
        help="How far the tilt moved the Gaussian; exact",
    )
    numbers[2].metric(
        "log p(x), nats",
        f"{tilted.log_prob_x:.3f}",
        help=f"Mean over {toy.N_JUDGED} held-out examples, exact",
    )
    return _CODE.format(tilt=round(tilt, 1))


LESSON = Lesson(
    slug="tilting",
    name="Tilt",
    title="A small network tilts the Gaussian",
    text="Multiply $N(0, I)$ by $e^{f(z)}$, with $f$ a small network, and divide by $Z$ so that "
    r"it integrates to 1. Where $f$ is above $\log Z$ (red) the prior gains mass, where it is "
    "below (blue) it loses. $-f$ is called the *energy*. $Z$ is the mean of $e^f$ under the "
    "Gaussian: in a plane it is a sum over a grid, elsewhere nobody knows it, and nobody needs to.",
    equation=r"\begin{gathered} p_\alpha(z) = \frac{1}{Z(\alpha)} \exp(f_\alpha(z)) \, p_0(z) \\ "
    r"Z(\alpha) = \int \exp(f_\alpha(z)) \, p_0(z) \, dz \end{gathered}",
    source="eq. 2; λ scales f here, and λ = 1 is the model",
    function=TiltedPrior.unnorm_log_prob,
    question="Slide λ from 0 to 1.5. Where is log p(x) of held-out examples highest, and why may "
    "that not be at exactly 1?",
    answer="It rises by almost a nat and peaks near 0.8. The likely reason: the prior was "
    "learned with chains of 80 steps, which have not quite reached the density. f was made steep "
    "enough for *them* to arrive in time, and read as an exact density it is a little too steep. "
    "Step 7 puts numbers on that.",
    draw=draw,
)
