"""The Posterior page: chains that infer what an example's latent may be, and reconstruct it."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from operator import attrgetter

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from app import cache
from app.draw import draw
from app.figures import posterior as figures
from app.models import ModelEntry
from app.player import player
from app.player.payload import View, encode
from app.sidebar import Count, Length, chain_settings, pick_model
from app.studies import own_picture, posterior
from app.studies.chain_run import ChainRun, ChainSettings
from app.studies.own_picture import UnusablePicture
from app.studies.posterior import Restarts
from lebm.checkpoint import ModelCard
from lebm.model import LatentEBM
from train.data import to_model_range
from train.pictures import to_uint8

_PLAYER, _RUN, _RESTARTS = "posterior.player", "posterior.run", "posterior.restarts"
_PAYLOAD, _VIEW = "posterior.payload", "posterior.view"
_OWN, _CANVAS = "posterior.own", "posterior.canvas"

_LENGTH = Length("Steps K", "K", 1, 500, 10, "Steps after which the restarts are compared.")
_COUNT = Count("Restarts", 16, "Chains of the same example, each from p₀ noise of its own.")
_STYLE = """<style>
.st-key-posterior-input img { image-rendering: pixelated; width: min(100%, 260px) !important; }
</style>"""
_ALIKE = 0.25  # of the distance between two prior samples


def page() -> None:
    """Draw the page."""
    st.header("Posterior")
    st.markdown(
        "Which latents z may an example x have come from? Chains climb **log p(x, z) = "
        "log p(x|z) + f(z) + log p₀(z) + constant** from Gaussian noise: what they decode to turns "
        "into x. Where they end differently, x has more than one explanation."
    )
    chosen = pick_model(sampler=attrgetter("reconstruction_sampler"))
    if chosen is None:
        return
    entry, model, card = chosen
    own = card.reconstruction_sampler
    settings = chain_settings(own, _LENGTH, _COUNT, "reconstructs with")
    x = _choose_example(entry, model.config.data_shape)
    if x is None:
        return
    run = _run(entry, model, settings, x)
    _play()
    _show_restarts(run, _restarts(run, settings, x, card), x)


def _choose_example(entry: ModelEntry, shape: tuple[int, ...]) -> Tensor | None:
    """The example to explain, `(1, *shape)`; None if there is none yet."""
    if len(shape) == 1:
        return _choose_point(entry)
    left, right = st.columns([3, 2], gap="large")
    with left:
        source = st.segmented_control(
            "Example from",
            ["Data", "Drawing", "Upload"],
            default="Data",
            required=True,
            key="x_from",
            bind="query-params",
            help="The model's data set, a picture drawn here, or a picture file.",
        )
        choose = {"Drawing": _draw, "Upload": _upload}.get(source or "Data")
        x = _from_data(entry) if choose is None else _as_example(choose(shape))
    if x is not None:
        st.html(_STYLE)
        with right, st.container(key="posterior-input"):
            pixels = to_uint8(x)[0]
            size = f"{shape[1]} × {shape[2]} pixels"
            st.image(np.squeeze(pixels, -1) if shape[0] == 1 else pixels, f"Input x, {size}")
    return x


def _from_data(entry: ModelEntry) -> Tensor:
    """One of the model's examples, by its number."""
    known = cache.examples(entry)
    last = len(known.rows) - 1
    number = st.number_input(
        "Test example" if known.held_out else "Sample of the model",
        min_value=0,
        max_value=9_999,
        value=0,
        key="i",
        bind="query-params",
        help="Examples that the model was not trained on, by number.",
    )
    st.caption(known.source)
    return known.x(min(int(number), last))


def _choose_point(entry: ModelEntry) -> Tensor:
    """A point of the data's plane, by number or by coordinates."""
    by_place = st.segmented_control(
        "Point from",
        ["Data", "Coordinates"],
        default="Data",
        required=True,
        key="point",
        bind="query-params",
        help="The model's data set, or anywhere in the plane.",
    )
    if by_place != "Coordinates":
        return _from_data(entry)
    place = [
        column.number_input(
            label, -10.0, 10.0, default, 0.1, key=key, bind="query-params", help="Of the point x."
        )
        for column, label, key, default in zip(
            st.columns(2), ("x₁", "x₂"), ("x1", "x2"), (0.5, 0.5), strict=True
        )
    ]
    return torch.tensor([place], dtype=torch.float32)


def _as_example(pixels: Tensor | None) -> Tensor | None:
    return None if pixels is None else to_model_range(pixels[None])


def _draw(shape: tuple[int, ...]) -> Tensor | None:
    """The picture on the canvas."""
    own = _own(shape)
    canvas = None if own is None else own_picture.to_canvas(own)
    draw(shape[1], shape[0], canvas, key=_CANVAS, on_picture=partial(_take_drawing, shape))
    if own is None or not own.any():
        st.info("Draw something: the chains start when you lift the pen.")
        return None
    _say_where_it_is_kept(own)
    return own


def _take_drawing(shape: tuple[int, ...]) -> None:
    pixels = own_picture.from_canvas(st.session_state[_CANVAS].picture, shape)
    if pixels is not None:
        _keep(pixels)


def _upload(shape: tuple[int, ...]) -> Tensor | None:
    """The uploaded picture, fitted; what was there before stays if it cannot be used."""
    file = st.file_uploader(
        "Picture",
        key="posterior.file",
        help="PNG, JPEG, WebP, BMP or GIF, up to 16 MB. It stays in this session.",
    )
    inverted = st.checkbox(
        "Swap light and dark",
        key="inv",
        bind="query-params",
        help="For a dark pen on white paper, when the model knows white on black.",
    )
    if file is not None:
        try:
            picture = own_picture.read(file.getvalue())
            _keep(own_picture.fit(picture, shape, inverted=inverted))
            w, h = picture.size
            st.caption(
                f"The model sees the centre square of your {w:,} × {h:,} picture, "
                f"{'in grey' if shape[0] == 1 else 'in colour'}."
            )
        except UnusablePicture as error:
            st.error(str(error))
    own = _own(shape)
    if own is None:
        st.info("Choose a picture: its centre square is fitted to the model.")
        return None
    _say_where_it_is_kept(own)
    return own


def _own(shape: tuple[int, ...]) -> Tensor | None:
    """The person's own picture, of this session or of the address, for this model."""
    kept = st.session_state.get(_OWN)
    if kept is None:
        kept = own_picture.from_address(st.query_params.get("x", ""))
    return None if kept is None else own_picture.refit(kept, shape)


def _keep(pixels: Tensor) -> None:
    """Keep the person's own picture, here and, if it is small, in the page's address."""
    st.session_state[_OWN] = pixels
    text = own_picture.to_address(pixels)
    if text is None:
        st.query_params.pop("x", None)
    else:
        st.query_params["x"] = text


def _say_where_it_is_kept(own: Tensor) -> None:
    if own_picture.to_address(own) is None:
        st.caption("This picture is too large for the page's address: a reload forgets it.")


def _run(entry: ModelEntry, model: LatentEBM, settings: ChainSettings, x: Tensor) -> ChainRun:
    """The chains of this example, kept in the session while nothing changes."""
    run = st.session_state.get(_RUN)
    this = posterior.run_id(entry, settings, x)
    if run is None or run.id != this:
        view = _view_from_address(settings)
        with st.spinner("Inferring latents"):
            plane = cache.latent_plane(entry)
            run = posterior.start(this, model, plane, settings, x).advance(view.step)
        st.session_state[_RUN], st.session_state[_VIEW] = run, view
        st.session_state[_PAYLOAD] = encode([run.track()], [0], view)
    return run


@st.fragment
def _play() -> None:
    player(st.session_state[_PAYLOAD], key=_PLAYER, on_request=_answer, on_view=_remember_view)


def _answer() -> None:
    """Take the steps the browser asks for and send what it lacks."""
    request = st.session_state[_PLAYER].request
    run = st.session_state[_RUN].advance(int(request["to"]))
    st.session_state[_RUN] = run
    first = [int(n) for n in request["have"]]
    st.session_state[_PAYLOAD] = encode([run.track()], first, st.session_state[_VIEW])


def _remember_view() -> None:
    """Keep what is looked at, here and in the page's address; nothing is sent again."""
    seen = st.session_state[_PLAYER].view
    view = View(int(seen["step"]), int(seen["chain"]), str(seen["curve"]))
    run = st.session_state[_RUN]
    st.session_state[_VIEW] = view
    st.session_state[_PAYLOAD] = encode([run.track()], [run.n_taken + 1], view)
    st.query_params.update({name: str(value) for name, value in asdict(view).items()})


def _view_from_address(settings: ChainSettings) -> View:
    """The step, chain and curve the address names, else the last step of chain 0."""

    def number(name: str, default: int) -> int:
        text = st.query_params.get(name, "")
        return int(text) if text.isdecimal() and len(text) < 7 else default

    curve = st.query_params.get("curve", "neg_log_joint")
    return View(number("step", settings.n_steps), number("chain", 0), curve)


def _restarts(run: ChainRun, settings: ChainSettings, x: Tensor, card: ModelCard) -> Restarts:
    """The restarts after K steps, computed once a run."""
    kept = st.session_state.get(_RESTARTS)
    if kept is None or kept[0] != run.id:
        step = min(settings.n_steps, run.n_taken)
        kept = run.id, posterior.restarts(run, step, x, card)
        st.session_state[_RESTARTS] = kept
    return kept[1]


def _show_restarts(run: ChainRun, found: Restarts, x: Tensor) -> None:
    st.subheader(f"{len(found.mse)} restarts after {found.step} steps")
    if failures := run.trajectory.failures:
        st.warning(f"{len(failures)} chains were stopped; the first: {failures[0]}.")
    _show_numbers(found)
    best, worst = int(found.order[0]), int(found.order[-1])
    if x.ndim == 2:
        st.plotly_chart(figures.points(x[0].numpy(), found.examples, best, worst), key="points")
    else:
        _show_best_and_worst(found, to_uint8(x)[0], best, worst)
    left, right = st.columns(2)
    left.plotly_chart(figures.restarts(found.mse, found.neg_log_joint), key="restarts")
    right.plotly_chart(
        figures.distances(found.latent_distance, found.example_distance, found.order),
        key="distances",
    )
    rows = slice(0, found.step + 1)
    terms = {name: values[rows] for name, values in posterior.joint_terms(run).items()}
    steps = run.trajectory.steps[rows].numpy()
    st.plotly_chart(figures.joint_terms(steps, terms), key="terms")


def _show_numbers(found: Restarts) -> None:
    shown = {
        "Median MSE": (
            f"{np.median(found.mse):.4f}",
            "Mean squared error of the reconstruction; pictures count on the 0-to-1 scale",
        ),
        "Best MSE": (f"{found.mse.min():.4f}", "That of the closest reconstruction"),
        "Best −log p(x, z)": (
            f"{found.neg_log_joint.min():.1f}",
            "In nats, up to log Z: lower explains x better",
        ),
        "Worst − best": (
            f"{np.ptp(found.neg_log_joint):.1f}",
            "In nats: how much worse the worst restart explains x",
        ),
        "Latents apart": (
            f"{found.latent_share:.2f} ×",
            "Mean distance between two restarts as a share of that between two prior samples",
        ),
        "Decoded apart": (
            f"{found.example_share:.2f} ×",
            "The same for g(z): near 0 all restarts show one example, near 1 they know nothing",
        ),
    }
    columns = st.columns(len(shown))
    for column, (label, (value, help_line)) in zip(columns, shown.items(), strict=True):
        column.metric(label, value.replace("-", "−"), help=help_line)
    if len(found.mse) > 1:
        st.markdown(_in_words(found))


def _in_words(found: Restarts) -> str:
    if not found.example_share < _ALIKE:
        return (
            "The restarts decode to **different examples**: the posterior has several modes, or "
            "the chains are too short to leave the one they met first. Take more steps to tell."
        )
    if found.latent_share < _ALIKE:
        return "The restarts found about **the same latent**: one explanation of x."
    return (
        "The restarts decode to **nearly the same example from different latents**: x leaves some "
        "directions of z open, or chains have not settled along them yet."
    )


def _show_best_and_worst(found: Restarts, example: np.ndarray, best: int, worst: int) -> None:
    if example.shape != found.examples.shape[1:]:
        return  # pictures too large to be held are averaged down
    pairs = {f"best: {best}": found.examples[best], f"worst: {worst}": found.examples[worst]}
    largest = max(float(figures.pixel_error(example, each).max()) for each in pairs.values())
    for column, (name, pixels) in zip(st.columns(2), pairs.items(), strict=True):
        chart = figures.comparison(example, pixels, name, largest)
        column.plotly_chart(chart, key=f"comparison {name[:4]}")
