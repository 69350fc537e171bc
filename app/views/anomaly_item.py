"""Of the Anomaly page: the examples at both ends, and one of them taken apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch
from torch import Tensor

from app import cache
from app.exports import show_lines
from app.figures import anomaly as figures
from app.models import ModelEntry
from app.sidebar import pick_seed, plain
from app.studies import anomaly
from app.studies.anomaly import Among, Kind, Restarts
from lebm.checkpoint import CheckpointError
from train.data import DatasetUnavailable, to_model_range
from train.pictures import mosaic
from train.run_dir import RunDir, RunError
from train.scores import Scores

_ITEM, _RESTARTS = "item", "anomaly.restarts"
_SHOWN, _COLUMNS = 24, 6
_AMONG: dict[str, Among] = {"All": "all", "Anomalies": "anomalies", "Normal": "normal"}
_APART = ((0, 0), (0, 1), (0, 1), (0, 0))  # a line between pictures
_STYLE = "<style>.st-key-anomaly-pictures img { image-rendering: pixelated; }</style>"
_TITLES = {
    "reconstruction": "reconstruction −log p(x|z)",
    "tilt": "tilt −f(z)",
    "base": "½‖z‖²",
    "kl": "divergence KL(q(z|x) ‖ p₀)",
    "energy": "energy over x, E(x)",
    "distance": "distance 0.9 ‖x − g(e(x))‖₁",
    "discriminator": "discriminator −0.1 log D(x, e(x))",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows.

    Attributes:
        run: the run.
        step: its checkpoint's iteration.
        known: the terms of every test example.
        kind: what the score is.
        weights: of the terms.
        score: of every test example, `(n,)`.
    """

    run: RunDir
    step: int
    known: Scores
    kind: Kind
    weights: dict[str, float]
    score: np.ndarray


def show(shown: Shown) -> None:
    """Draw pictures of the most and the least anomalous examples, and one item's terms."""
    st.subheader("Most and least anomalous")
    tests = _tests(shown)
    if tests is not None and tests.ndim == 4:
        _show_ends(shown, tests)
    left, right = st.columns([2, 3], gap="large")
    with left:
        item = _pick_item(shown)
        n_restarts, seed = _pick_restarts(shown)
        found = None
        if tests is not None and n_restarts:
            found = _restarts(shown, tests, (item, n_restarts, seed))
        st.markdown(_in_words(shown, item, found))
        if tests is not None and tests.ndim == 4:
            _show_pictures(tests[item], found)
    right.plotly_chart(_terms_figure(shown, item, found), key="terms")
    if found is not None:
        right.caption(
            "Among all test examples, normal ones grey and anomalies pink. As scored: by the run, "
            "where posterior chains persist by one that went on from scoring to scoring. Restarts: "
            "fresh chains as long as those the model reconstructs with."
        )
    again = None if found is None else (item, n_restarts, seed)
    show_lines(
        anomaly.lines(_entry(shown), shown.run, shown.step, shown.kind, shown.weights, again)
    )


def _tests(shown: Shown) -> Tensor | None:
    """The test examples; None, with a sentence on the page, where they are not at hand."""
    try:
        version = (shown.run.path / "config.json").stat().st_mtime_ns
        return cache.computed(anomaly.examples, shown.run, version, len(shown.score))
    except (DatasetUnavailable, RunError, OSError) as error:
        st.info(f"The examples cannot be shown: {plain(str(error))}.")
        return None


def _show_ends(shown: Shown, tests: Tensor) -> None:
    """Pictures of both ends of the ranking; a click on one chooses it."""
    among = st.segmented_control(
        "Among",
        list(_AMONG),
        default="All",
        required=True,
        key="among",
        bind="query-params",
        help="Anomalies: the last are those that are missed. Normal: the first are the false "
        "alarms.",
    )
    order = anomaly.ranked(shown.known, shown.score, _AMONG[among])
    ends = {"Most anomalous": order[:_SHOWN], "Least anomalous": order[::-1][:_SHOWN]}
    for column, (title, numbers) in zip(st.columns(2), ends.items(), strict=True):
        pixels = tests[torch.from_numpy(numbers.copy())].permute(0, 2, 3, 1).numpy()
        key = f"anomaly.{title[:5].strip().lower()}"
        column.plotly_chart(
            figures.gallery(pixels, numbers, shown.known.is_anomaly[numbers], _COLUMNS, title),
            key=key,
            on_select=partial(_choose, key),
            selection_mode="points",
        )
    st.caption(
        "Pink frames: anomalies. Dotted grey frames: normal examples. Click one to take it apart."
    )


def _choose(key: str) -> None:
    """Look at the example that was clicked on."""
    points = st.session_state[key].selection.points
    if points:
        st.session_state[_ITEM] = int(points[0]["customdata"])


def _pick_item(shown: Shown) -> int:
    """The number of the example that is taken apart; at first the most anomalous."""
    last, asked = len(shown.score) - 1, st.session_state.get(_ITEM)
    if asked is None and _ITEM not in st.query_params:
        st.session_state[_ITEM] = int(shown.score.argmax())
    elif asked is not None and asked > last:
        st.session_state[_ITEM] = last
    number = st.number_input(
        "Test example",
        min_value=0,
        max_value=last,
        value=0,
        key=_ITEM,
        bind="query-params",
        help="By its number: normal examples come first, then the anomalies.",
    )
    return int(number)


def _pick_restarts(shown: Shown) -> tuple[int, int]:
    """How many chains infer its latent anew, and their seed; none where there are no chains."""
    if "base" not in shown.known.terms:
        st.caption("This method infers no latent by chains: its terms have no spread.")
        return 0, 0
    left, right = st.columns(2)
    n_restarts = left.select_slider(
        "Restarts",
        (1, 4, 8, 16, 32),
        16,
        key="restarts",
        bind="query-params",
        help="Posterior chains of this example, each from p₀ noise of its own.",
    )
    return int(n_restarts), pick_seed("Of the chains' noise.", place=right)


def _entry(shown: Shown) -> ModelEntry:
    path = shown.run.checkpoint_path(shown.step)
    version = path.stat().st_mtime_ns if path.exists() else 0
    return ModelEntry(f"runs/{shown.run.path.name}", "", path, version)


def _restarts(shown: Shown, tests: Tensor, which: tuple[int, int, int]) -> Restarts | None:
    """The restarts of one example; None, with a sentence on the page, without its model.

    Args:
        shown: what the page shows.
        tests: the test examples.
        which: the example's number, how many restarts, and their seed.
    """
    entry = _entry(shown)
    try:
        model, card = cache.model(entry)
    except CheckpointError as error:
        st.info(f"No restarts: {plain(str(error))}.")
        return None
    kept, this = st.session_state.get(_RESTARTS), (entry, which)
    if kept is None or kept[0] != this:
        item, n_restarts, seed = which
        x = to_model_range(tests[item : item + 1])
        found = anomaly.restarts(model, x, card.reconstruction_sampler, n_restarts, seed)
        kept = st.session_state[_RESTARTS] = this, found
    return kept[1]


def _in_words(shown: Shown, item: int, found: Restarts | None) -> str:
    """What the example is, where it stands, and how sure the chains are of that."""
    score, value = shown.score, shown.score[item]
    kind = "an **anomaly**" if shown.known.is_anomaly[item] else "a **normal** example"
    rank = int((score > value).sum()) + 1
    text = (
        f"Example {item} is {kind}, number **{rank:,}** of {len(score):,} by its score {value:.4g}."
    )
    if found is None or shown.kind != "sum":
        return text.replace("-", "−")
    again = found.weighted(shown.weights)
    ranks = [int((score > value).sum()) + 1 for value in (again.max(), again.min())]
    return (
        f"{text} Chains from {len(again)} other starts give {again.mean():.4g} ± {again.std():.2g}"
        f", which would be number {ranks[0]:,} to {ranks[1]:,}."
    ).replace("-", "−")


def _show_pictures(pixels: Tensor, found: Restarts | None) -> None:
    """The example, and beside it what the restarts decode to."""
    st.html(_STYLE)
    both = {"the example": pixels[None].numpy()}
    if found is not None:
        both["its restarts, decoded"] = found.reconstructions
    with st.container(key="anomaly-pictures", horizontal=True):
        for caption, rows in both.items():
            apart = np.pad(rows.transpose(0, 2, 3, 1), _APART, constant_values=96)
            grid = mosaic(apart, math.ceil(math.sqrt(len(rows))))[:-1, :-1]
            st.image(np.squeeze(grid, -1) if grid.shape[-1] == 1 else grid, caption, width=130)


def _terms_figure(shown: Shown, item: int, found: Restarts | None) -> go.Figure:
    """The weighted sum and each term of one example among all."""
    known, titles = shown.known, {name: _TITLES.get(name, name) for name in shown.known.terms}
    terms = {titles[name]: values for name, values in known.terms.items()}
    again = {} if found is None else {titles[n]: v for n, v in found.terms.items() if n in titles}
    if shown.kind == "sum":
        label = "score: the weighted sum"
        terms = {label: shown.score} | terms
        if found is not None:
            again[label] = found.weighted(shown.weights)
    return figures.taken_apart(known.is_anomaly, terms, item, again)
