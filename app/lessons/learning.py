"""Step 6: learning by difference."""

from __future__ import annotations

import streamlit as st

from app import cache, figures
from app.figures import plane
from app.figures.style import POSTERIOR, TILTED
from app.lessons.controls import step_slider
from app.lessons.lesson import Lesson
from app.sidebar import plain
from app.studies import toy, toy_learning
from app.studies.toy import Field
from app.studies.toy_learning import Learned
from app.waiting import follow
from train.objectives import prior_loss
from train.words import counted

_CODE = """\
import torch
from lebm import LangevinConfig, langevin, zoo
from train import data
from train.objectives import prior_loss

model, card = zoo.load_model("pinwheel")
model.prior.requires_grad_(True)
for parameter in model.prior.f[-1].parameters():
    torch.nn.init.zeros_(parameter)  # f = 0, on the features that it had learned
points, rng = data.load("pinwheel", (2,)).train, torch.Generator().manual_seed(0)
adam = torch.optim.Adam(model.prior.parameters(), {rate}, betas=(0.5, 0.999))
short_run = LangevinConfig(n_steps={n_steps}, step_size=0.03)
for _ in range({updates}):
    x = points[torch.randint(len(points), (128,), generator=rng)]
    noise = [model.prior.sample_base(128, generator=rng) for _ in range(2)]
    target = model.posterior_density(x)
    z_plus = langevin.sample(target, noise[0], card.posterior_sampler, generator=rng)
    target = model.prior_density()
    z_minus = langevin.sample(target, noise[1], short_run, generator=rng)
    adam.zero_grad()
    prior_loss(model.prior, z_plus, z_minus).backward()
    adam.step()
"""
_RATES, _LENGTHS = (0.001, 0.003, 0.01), (5, 20, 80)


def draw() -> str:
    """f learned from 0 while it is watched; every update can be gone back to."""
    left, middle, right = st.columns([2, 2, 5], vertical_alignment="bottom")
    rate = left.select_slider(
        "Learning rate of f",
        _RATES,
        0.003,
        key="rate",
        bind="query-params",
        help="Adam's, η₀ in the paper.",
    )
    n_steps = middle.select_slider(
        "K₀, steps of the prior chains",
        _LENGTHS,
        80,
        key="K0",
        bind="query-params",
        help="Short chains are cheap; what f then learns is to suit those chains.",
    )
    aggregate = cache.computed(toy.holes).aggregate
    job = cache.jobs().start(
        f"learn {rate} {n_steps}", lambda job: toy_learning.learn(job, rate, n_steps)
    )

    most = toy_learning.N_UPDATES
    with right:
        number = step_slider(most, most, "Updates", "updates")

    def draw() -> None:
        if job.running:
            st.progress(job.progress, "Learning from f = 0 while you watch")
        if job.error:
            st.error(f"The updates stopped: {plain(job.error)}")
        if job.latest is not None and job.latest.updates:
            _show(job.latest, number, aggregate)

    follow(job, draw)
    return _CODE.format(rate=rate, n_steps=n_steps, updates=number)


def _show(learned: Learned, wanted: int, aggregate: Field) -> None:
    number = min(wanted, len(learned.updates))
    update = learned.updates[max(number, 1) - 1]
    density = update.density if number else learned.start
    columns = st.columns(3)
    change = plane.plane(f"change of p by update {max(number, 1)}", plane.LATENT, toy.LATENT_EXTENT)
    limit = max(0.001, float(abs(update.change.values).max()))
    plane.signed(change, update.change.axis, update.change.values, limit)
    plane.dots(change, update.z_plus, POSTERIOR, "z⁺, from data", size=5)
    plane.dots(change, update.z_minus, TILTED, "z⁻, from the prior", size=5)
    columns[0].plotly_chart(change, key="change")
    latent = plane.plane(
        f"the prior after {counted(number, 'update')}", plane.LATENT, toy.LATENT_EXTENT
    )
    plane.shade(latent, density.axis, density.values, TILTED)
    plane.levels(latent, aggregate.axis, aggregate.values, POSTERIOR, "aggregate posterior")
    columns[1].plotly_chart(latent, key="latent")
    columns[2].plotly_chart(
        figures.log_prob_curve(*zip(*learned.judged, strict=True), number), key="judged"
    )


LESSON = Lesson(
    slug="learning",
    name="Learning",
    title="Learn by difference",
    text="Maximum likelihood asks for one thing only: raise $f$ at the $z$ that examples come "
    "from, the posterior samples $z^+$, and lower it at the $z$ that the prior now produces, "
    "$z^-$. Where both are equally common, nothing moves, and learning is done. Here $f$ starts "
    "at 0 under the finished generator: its last layer is zero, and the layers before it keep the "
    "features they had learned. Algorithm 1 also moves the generator, by eq. 8.",
    equation=r"\delta_\alpha(x) = \mathrm{E}_{p_\theta(z|x)}\left[\nabla_\alpha f_\alpha(z)\right] "
    r"- \mathrm{E}_{p_\alpha(z)}\left[\nabla_\alpha f_\alpha(z)\right]",
    source="eq. 7; both means are taken over 128 short chains",
    function=prior_loss,
    question="Set updates to 0 and press +1 a few times, watching where the first picture turns "
    "red. Then compare K₀ = 5 with 80, and a rate of 0.01 with 0.003.",
    answer="The density grows where orange points outnumber blue ones and shrinks where blue "
    "stand alone. With K₀ = 5 the exact log p(x) soon falls far below where it began: f has "
    "learned to hurl chains home in five steps, and a density that steep fits nothing. With K₀ = "
    "80 a rate of 0.01 learns fastest, and blows up after some 70 updates.",
    draw=draw,
)
