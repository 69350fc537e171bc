"""Step 8: what becomes of long chains."""

from __future__ import annotations

import streamlit as st

from app import cache, figures
from app.figures import plane
from app.figures.style import CHAINS, TILTED
from app.lessons.controls import step_slider
from app.lessons.lesson import Lesson
from app.sidebar import plain
from app.studies import toy, toy_chains
from app.studies.toy_chains import LongChains
from app.waiting import follow
from lebm import langevin

_CODE = """\
from lebm import ChainNoise, LangevinConfig, langevin, mala, zoo

model, card = zoo.load_model("pinwheel")
density, noise = model.prior_density(), ChainNoise(seed=3, chains=range(64), latent_dim=2)
config = LangevinConfig(n_steps=2500, step_size={step_size})
state, kernel = langevin.init(density, noise.at(0)), {kernel}
chain = langevin.run(density, state, config, noise=noise, kernel=kernel, thin=10)
late = chain.energy[chain.steps >= 500].mean()
"""
_STEP_SIZES = (0.01, 0.03, 0.1)
_BURN_IN = 500


def draw() -> str:
    """2,500 steps, live, against the exact density and the exact mean energy."""
    left, middle, right = st.columns([2, 2, 5], vertical_alignment="bottom")
    step_size = left.select_slider(
        "Step size s",
        _STEP_SIZES,
        0.03,
        key="long_s",
        bind="query-params",
        help="Trained with 0.03.",
    )
    adjusted = middle.toggle(
        "Metropolis",
        False,
        key="long_mala",
        bind="query-params",
        help="Accept or refuse each step (MALA), which makes the chain exact at any step size.",
    )
    job = cache.jobs().start(
        f"learn long {step_size} {adjusted}",
        lambda job: toy_chains.long_run(job, step_size, adjusted),
    )

    most, stride = toy_chains.LONG_STEPS, toy_chains.THIN
    with right:
        step = step_slider(most, most, key="long_k", stride=stride)

    def draw() -> None:
        if job.running:
            st.progress(job.progress, f"{job.progress:.0%} of {toy_chains.LONG_STEPS:,} steps")
        if job.error:
            st.error(f"The chain could not go on: {plain(job.error)}")
        if job.latest is not None:
            _show(job.latest, step, adjusted)

    follow(job, draw)
    kernel = "mala.adjusted(noise)" if adjusted else "None"
    return _CODE.format(step_size=step_size, kernel=kernel)


def _show(chains: LongChains, wanted: int, adjusted: bool) -> None:
    row = min(wanted // toy_chains.THIN, len(chains.steps) - 1)
    step, prior = int(chains.steps[row]), cache.computed(toy.prior_field)
    columns = st.columns(3)
    latent = plane.plane(f"64 chains at step {step:,}", plane.LATENT, toy.LATENT_EXTENT)
    plane.shade(latent, prior.axis, prior.values, TILTED)
    plane.dots(latent, chains.z[row], CHAINS, "chains", size=6, opacity=0.9)
    columns[0].plotly_chart(latent, key="latent")
    observed = plane.plane("what they decode to", plane.OBSERVED, toy.DATA_EXTENT)
    plane.data(observed, cache.computed(toy.passage).data)
    plane.dots(observed, chains.x[row], TILTED, "g(z)", size=6)
    columns[1].plotly_chart(observed, key="observed")
    profile = figures.energy_curve(chains.steps, chains.energy.mean(1), chains.exact_energy, step)
    columns[2].plotly_chart(profile, key="profile")
    late = chains.energy[chains.steps >= _BURN_IN]
    numbers = st.columns(3)
    numbers[0].metric(
        f"Mean energy after step {_BURN_IN}",
        f"{late.mean():.3f}" if len(late) else "not yet",
        help="Over chains and steps; −f(z)",
    )
    numbers[1].metric(
        r"Exact, under $p_\alpha$", f"{chains.exact_energy:.3f}", help="By quadrature"
    )
    if adjusted:
        numbers[2].metric("Steps accepted", f"{chains.accepted:.0%}")


LESSON = Lesson(
    slug="long-run",
    name="Long run",
    title="Let it run: does it stay?",
    text="The prior was learned with chains of 80 steps. If it is a good density, and not only a "
    "good target for short chains, then chains thirty times as long must still decode to data, "
    "and averages over them must settle at the exact ones.",
    equation=r"\frac{1}{K} \sum_{k=1}^{K} f_\alpha(z_k) \;\longrightarrow\; "
    r"\mathrm{E}_{p_\alpha(z)}\left[f_\alpha(z)\right] ",
    source="Figure 4 of the paper runs 2,500 steps; the limit is the ergodic theorem",
    function=langevin.run,
    question="Compare the mean energy with the exact one at s = 0.01, 0.03 and 0.1. Then turn on "
    "Metropolis. Are all five arms still visited alike?",
    answer="At s = 0.1 the mean energy ends far above the exact one: the blur of large steps; "
    "with Metropolis the same steps come close to it. At s = 0.01 neither does yet, since 2,500 "
    "small steps seldom cross from arm to arm. And the arms: short chains fill all five much "
    "alike, long ones gather in those that the density prefers. They stay with the data, but not "
    "in its proportions.",
    draw=draw,
)
