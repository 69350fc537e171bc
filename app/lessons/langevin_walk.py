"""Step 4: Langevin dynamics as drift and noise."""

from __future__ import annotations

import streamlit as st

from app import cache
from app.figures import plane
from app.figures.style import CHAINS, FOLLOWED, OTHER, TILTED
from app.lessons.controls import step_slider
from app.lessons.lesson import Lesson
from app.studies import toy, toy_chains
from lebm import langevin

_CODE = """\
from lebm import ChainNoise, LangevinConfig, langevin, zoo

model, card = zoo.load_model("pinwheel")
density, noise = model.prior_density(), ChainNoise(seed=0, chains=range(25), latent_dim=2)
config = LangevinConfig(n_steps={step}, step_size={step_size}, temperature={temperature})
state = langevin.init(density, noise.at(0))
chain = langevin.run(density, state, config, noise=noise)
z = chain.z[-1]  # (25, 2)
"""
_STEP_SIZES = (0.003, 0.01, 0.03, 0.1, 0.3)
_TAIL = 6


def draw() -> str:
    """Chains on the exact density, with the two halves of their next step."""
    left, middle, right = st.columns([3, 1, 6], vertical_alignment="bottom")
    step_size = left.select_slider(
        "Step size s",
        _STEP_SIZES,
        0.03,
        key="walk_s",
        bind="query-params",
        help="The drift grows with s, the noise with √(2s). The model was trained with 0.03.",
    )
    noisy = middle.toggle(
        "Noise",
        True,
        key="noise",
        bind="query-params",
        help="Without noise the chains only climb, and end on the peaks.",
    )
    with right:
        step = step_slider(toy_chains.WALK_STEPS, default=3)
    walk = cache.computed(toy_chains.walk, step_size, float(noisy))
    z, prior = walk.z[step], cache.computed(toy.prior_field)
    left, right = st.columns(2)
    latent = plane.plane(f"step {step}: where they are, where next", plane.LATENT, 3.6)
    plane.shade(latent, prior.axis, prior.values, TILTED)
    plane.path(
        latent, walk.z[max(0, step - _TAIL) : step + 1].swapaxes(0, 1), CHAINS, "way here", 1
    )
    plane.dots(latent, z, CHAINS, f"{len(z)} chains", size=7, opacity=1)
    plane.arrows(latent, z, walk.drift[step], FOLLOWED, "drift s ∇log p")
    if noisy:
        plane.arrows(latent, z + walk.drift[step], walk.noise[step], OTHER, "noise √(2s) ε")
    left.plotly_chart(latent, key="latent")
    observed = plane.plane("what they decode to", plane.OBSERVED, toy.DATA_EXTENT)
    plane.data(observed, cache.computed(toy.passage).data)
    plane.dots(observed, walk.x[step], TILTED, "g(z)", size=7, opacity=1)
    right.plotly_chart(observed, key="observed")
    return _CODE.format(step=step, step_size=step_size, temperature=float(noisy))


LESSON = Lesson(
    slug="langevin",
    name="Langevin",
    title="To draw from it, climb and shake",
    text=r"No one can draw from $p_\alpha$ directly, but its slope is easy: the gradient of "
    r"$\log p_\alpha$ is $\nabla f(z) - z$, and $Z$ drops out. Start at $z_0 \sim N(0, I)$. Each "
    r"step *drifts* uphill by $s$ times the slope, then is *shaken* by noise of size "
    r"$\sqrt{2s}$. Long enough and with small steps, such a walk visits every place as often as "
    r"$p_\alpha$ says.",
    equation=r"\begin{gathered} z_{k+1} = z_k + s \, \nabla_z \log p_\alpha(z_k) "
    r"+ \sqrt{2s} \; \varepsilon_k \\ \varepsilon_k \sim N(0, I) \end{gathered}",
    source="eq. 9; other papers write δ = √(2s)",
    function=langevin.update,
    question="Switch the noise off and walk to step 100; then on again with s = 0.3. What does "
    "each half of a step do on its own, and what when s is too large?",
    answer="Drift alone carries every chain to the top of its own peak, where all of them pile "
    "up: that finds the modes and forgets their widths. With s = 0.3 the drift overshoots narrow "
    "ridges and throws chains across them, and what they visit is no longer p_α.",
    draw=draw,
)
