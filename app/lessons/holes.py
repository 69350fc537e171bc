"""Step 2: why the Gaussian prior misses."""

from __future__ import annotations

import streamlit as st

from app import cache
from app.figures import plane
from app.figures.style import FOLLOWED, GAUSSIAN, POSTERIOR
from app.lessons.lesson import Lesson
from app.studies import toy
from lebm.exact import aggregate_posterior

_CODE = """\
from torch.nn.functional import avg_pool2d
from lebm import zoo
from lebm.exact import PlaneGrid, aggregate_posterior
from train import data

model, card = zoo.load_model("pinwheel")
model, grid = model.double(), PlaneGrid(extent=4.0, n_points=80)
x = data.load("pinwheel", (2,)).train[:3000].double()
q = aggregate_posterior(model, x, grid, tilted=False)  # (6400,), on grid.points
p_0 = model.prior.base_log_prob(grid.points).exp()
q, p_0 = (avg_pool2d(p.view(1, 80, 80), 2) for p in (q, p_0))  # means over cells of 0.2 by 0.2
share = p_0[q < {threshold} * p_0].sum() * 0.2**2
"""


def draw() -> str:
    """The aggregate posterior, p_0, and the draws of p_0 that fall between."""
    threshold = st.slider(
        "A hole is where q(z) is less than this share of p₀(z)",
        0.05,
        0.9,
        0.2,
        0.05,
        key="hole",
        bind="query-params",
        help="1 would call everything a hole where examples are rarer than the Gaussian says.",
    )
    holes = cache.computed(toy.holes)
    lost = holes.ratio < threshold
    left, right = st.columns(2)
    latent = plane.plane("shade: q(z), what examples ask for", plane.LATENT, toy.LATENT_EXTENT)
    plane.shade(latent, holes.aggregate.axis, holes.aggregate.values, POSTERIOR)
    plane.levels(latent, holes.base.axis, holes.base.values, GAUSSIAN, "p₀")
    plane.dots(latent, holes.z[~lost], GAUSSIAN, "draws of p₀", size=3, opacity=0.5)
    plane.dots(latent, holes.z[lost], FOLLOWED, "in a hole", size=4)
    left.plotly_chart(latent, key="latent")
    observed = plane.plane("where g takes draws of p₀", plane.OBSERVED, toy.DATA_EXTENT)
    plane.data(observed, cache.computed(toy.passage).data)
    plane.dots(observed, holes.x[~lost], GAUSSIAN, "g(z)", size=4)
    plane.dots(observed, holes.x[lost], FOLLOWED, "from a hole", size=4)
    right.plotly_chart(observed, key="observed")
    st.metric(
        "Mass of p₀ in the holes",
        f"{holes.share(threshold):.0%}",
        help="By quadrature, densities averaged over cells of 0.2 by 0.2",
    )
    return _CODE.format(threshold=threshold)


LESSON = Lesson(
    slug="holes",
    name="Holes",
    title="Why the Gaussian prior misses",
    text="Ask of every example which $z$ it could have come from, and average the answers: the "
    "*aggregate posterior* $q(z)$, in orange. If the model were right, $q$ would *be* the prior. "
    "It is not: between the orange patches lie holes, full of Gaussian mass that no example asks "
    "for. What is drawn there decodes to nothing in the data.",
    equation=r"q(z) = \frac{1}{n} \sum_{i=1}^{n} p(z|x_i) \;\neq\; N(0, I)",
    source="no numbered equation: for data drawn from the model itself, the two sides are equal "
    "as n grows",
    function=aggregate_posterior,
    question="Raise the threshold until the red points on the right fill every gap between the "
    "arms. How much of the Gaussian is that?",
    answer="With q below half of p₀ it is more than half of the Gaussian. A stronger generator "
    "could fold the plane more cleverly; the other remedy is to leave the generator small and "
    "move the prior to where q is. That is the method's idea.",
    draw=draw,
)
