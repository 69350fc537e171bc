"""Step 5: the posterior of one example."""

from __future__ import annotations

import streamlit as st

from app import cache
from app.figures import plane
from app.figures.style import CHAINS, FOLLOWED, POSTERIOR, TILTED
from app.lessons.controls import step_slider
from app.lessons.lesson import Lesson
from app.studies import toy, toy_chains
from lebm.model import LatentEBM

_CODE = """\
from lebm import ChainNoise, LangevinConfig, langevin, zoo
from lebm.exact import PlaneGrid, aggregate_posterior
from train import data

model, card = zoo.load_model("pinwheel")
model.noise_std = {noise_std}
x = data.load("pinwheel", (2,)).test[{example}][None]
density, noise = model.posterior_density(x.expand(64, 2)), ChainNoise(1, range(64), 2)
config = LangevinConfig(n_steps={step}, step_size={step_size:.6g})
chain = langevin.run(density, langevin.init(density, noise.at(0)), config, noise=noise)
exact = aggregate_posterior(model.double(), x.double(), PlaneGrid(extent=3.6, n_points=160))
"""
_NOISES = (0.05, 0.1, 0.2, 0.4, 0.8)


def draw() -> str:
    """The exact posterior beside chains, and what they decode to."""
    left, middle, right = st.columns([3, 3, 6], vertical_alignment="bottom")
    example = left.slider(
        "Example",
        0,
        49,
        0,
        key="example",
        bind="query-params",
        help="Which held-out example x is explained.",
    )
    noise_std = middle.select_slider(
        "Observation noise σ",
        _NOISES,
        0.1,
        key="sigma",
        bind="query-params",
        help="How far x may lie from g(z). The model was trained with 0.1.",
    )
    with right:
        step = step_slider(toy_chains.POSTERIOR_STEPS, default=40, key="post_k")
    view = cache.computed(toy_chains.posterior, example, noise_std)
    prior = cache.computed(toy.prior_field)
    left, right = st.columns(2)
    latent = plane.plane("shade: p(z|x), exact", plane.LATENT, toy.LATENT_EXTENT)
    plane.shade(latent, view.density.axis, view.density.values, POSTERIOR)
    plane.levels(latent, prior.axis, prior.values, TILTED, "prior p<sub>α</sub>")
    plane.dots(latent, view.z[step], CHAINS, f"64 chains, step {step}", size=4, opacity=0.9)
    left.plotly_chart(latent, key="latent")
    observed = plane.plane("the example, and the chains after g", plane.OBSERVED, toy.DATA_EXTENT)
    plane.data(observed, cache.computed(toy.passage).data)
    plane.dots(observed, view.decoded[step], POSTERIOR, "g(z)", size=5)
    plane.dots(observed, view.x[None], FOLLOWED, "x", size=10, opacity=1)
    right.plotly_chart(observed, key="observed")
    st.metric(
        "Chains in the region that holds 95 % of p(z|x)",
        f"{view.inside[step]:.0%}",
        help="The smallest region, exact; a perfect sampler has 95 % of its chains in it",
    )
    step_size = toy_chains.posterior_step_size(noise_std)
    st.caption(
        f"Step size s = {step_size:.3g}. It grows with σ², since the likelihood pulls with 1/σ², "
        "as far as the 0.03 of the prior's chains: the prior pulls too, and a longer step would "
        "overshoot."
    )
    return _CODE.format(noise_std=noise_std, example=example, step=step, step_size=step_size)


LESSON = Lesson(
    slug="posterior",
    name="Posterior",
    title="Which z made this x?",
    text=r"Turn the model round: given an example, which $z$ could it have come from? By Bayes' "
    r"rule the prior is multiplied by how well $g(z)$ fits $x$. The same walk as before finds "
    r"such $z$; its slope just has one term more, which pulls $g(z)$ towards $x$. $\sigma$ says "
    r"how strictly.",
    equation=r"\begin{gathered} p_\theta(z|x) = \frac{p_\alpha(z) \, p_\beta(x|z)}{p_\theta(x)} \\ "
    r"\nabla_z \log p_\theta(z|x) = \nabla_z f_\alpha(z) - z "
    r"- \nabla_z \frac{\|x - g_\beta(z)\|^2}{2 \sigma^2} \end{gathered}",
    source="the target of eq. 9 for posterior samples z⁺, with eq. 2 and 3",
    function=LatentEBM.posterior_density,
    question="Raise σ from 0.05 to 0.8. What shape does the posterior take at either end? Then "
    "try another example and walk from step 0: do all chains find it?",
    answer="A small σ leaves a sharp spot, or several where g folds the plane onto itself; a "
    "large one lets x say little, and the posterior returns to the prior. Chains that start on "
    "the far side of a fold may be stuck there: each knows only its own slope. At σ = 0.8 they "
    "have the whole prior to spread over, and at step 100 some are still on their way.",
    draw=draw,
)
