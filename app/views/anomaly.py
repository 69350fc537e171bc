"""The Anomaly page: does a model find a class odd that it was never shown?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from app import cache, carry
from app.figures import anomaly as figures
from app.models import list_models, runs_folder
from app.sidebar import plain
from app.studies import anomaly
from app.studies.anomaly import Confusion, Curves, Kind
from app.views import anomaly_item
from app.views.anomaly_item import Shown
from lebm.checkpoint import CheckpointError
from train.run_dir import RunDir, RunError
from train.scores import Scores, ScoresError

_HELP = {
    "reconstruction": "How badly the generator reconstructs the example, −log p(x|z).",
    "tilt": "The energy −f(z) of its latent: high where the learned prior has little mass.",
    "base": "How far its latent lies from the origin of the Gaussian p₀, ½‖z‖².",
    "kl": "How far the encoder's answer lies from the Gaussian p₀.",
    "energy": "The energy E(x) of the picture itself; its zero is arbitrary.",
    "distance": "How far the picture is from what is made of its code: 0.9 ‖x − g(e(x))‖₁.",
    "discriminator": "How surely the discriminator takes the picture and its code for made ones.",
}
_TITLES = {"base": "½‖z‖²", "tilt": "tilt −f(z)", "kl": "divergence"}
_KINDS: dict[str, Kind] = {"Sum of terms": "sum", "Typicality": "typicality"}


def page() -> None:
    """Draw the page."""
    st.header("Anomaly")
    st.markdown(
        "One class was **left out of training**. Does the model find its examples odd? Each test "
        "example gets a score, that of a latent EBM is **−log p(x, z)** with z inferred from x: "
        "reconstruction, tilt and ½‖z‖² added up. What scores above a threshold is flagged."
    )
    _say_if_sentences()
    run, step = _pick()
    try:
        files = anomaly.steps(run)
        versions = {at: (file, file.stat().st_mtime_ns) for at, file in files.items()}
        known = cache.computed(anomaly.read, *versions[step])
        held_out = run.config().held_out
    except (ScoresError, RunError, OSError) as error:
        st.error(plain(str(error)))
        return
    st.caption(
        f"Class {held_out} was held out. {(~known.is_anomaly).sum():,} normal test examples and "
        f"{known.is_anomaly.sum():,} anomalies, scored by the method "
        f"“{plain(known.method)}” after {step:,} iterations."
    )
    _show(run, step, known, versions)


def _say_if_sentences() -> None:
    """Where a person comes along with a model of sentences, why it is not here."""
    wanted = st.query_params.get("model") or str(carry.kept("model"))
    entry = list_models(runs_folder(), wanted).get(wanted)
    try:
        is_text = entry is not None and cache.model(entry)[0].config.kind == "text"
    except CheckpointError:
        return
    if is_text:
        st.info(
            f"“{plain(wanted)}” is a model of sentences, which have no classes to hold out, so "
            "this page shows a model of pictures instead; Posterior tells −log p(x, z) of any "
            "sentence."
        )


def _pick() -> tuple[RunDir, int]:
    """The chosen run and checkpoint, of those with scores."""
    listed = anomaly.list_scored(runs_folder())
    with st.sidebar:
        run_id = st.selectbox(
            "Run",
            list(listed),
            key="run",
            bind="query-params",
            help="Runs of the folder runs/ that hold a class out, the newest first: "
            "`python -m train mnist-anomaly --held-out 1`. The last in the list came along.",
        )
        steps = list(anomaly.steps(listed[run_id]))
        step = st.selectbox(
            "Checkpoint, by its iteration",
            [str(step) for step in reversed(steps)],
            key="at",
            bind="query-params",
            help="Scores are kept for a run's last ten checkpoints.",
        )
    return listed[run_id], int(step)


@st.fragment
def _show(run: RunDir, step: int, known: Scores, versions: dict[int, tuple[Path, int]]) -> None:
    kind, weights = _pick_score(known)
    score = anomaly.combined(known, kind, weights)
    if not np.isfinite(score).all():
        st.error("Some scores are not finite: the chains diverged. Look at another checkpoint.")
        return
    files, pairs = tuple(versions.values()), tuple(weights.items())
    areas = np.array(cache.computed(anomaly.areas, files, kind, pairs))
    found = anomaly.curves(known.is_anomaly, score)
    _show_numbers(known, found, areas)
    cut = _cut(known, score)
    _show_curves(known, found, score, cut)
    st.plotly_chart(
        figures.over_checkpoints(np.array(list(versions)), areas, step, known.prevalence),
        key="areas",
    )
    anomaly_item.show(Shown(run, step, known, kind, weights, score))


def _pick_score(known: Scores) -> tuple[Kind, dict[str, float]]:
    """What the score is, and the weights of its terms."""
    chosen = st.segmented_control(
        "Score",
        list(_KINDS),
        default="Sum of terms",
        required=True,
        key="score",
        bind="query-params",
        help="The weighted sum of the terms; or how untypical the terms are together: minus the "
        "log density of a mixture of Gaussians fitted to normal training examples alone, which "
        "also finds what is explained too easily.",
    )
    weights = dict.fromkeys(known.terms, 1.0)
    if _KINDS[chosen] == "sum":
        for column, name in zip(st.columns(len(weights)), weights, strict=True):
            weights[name] = column.slider(
                f"Weight of {_TITLES.get(name, name)}",
                -1.0,
                2.0,
                1.0,
                0.1,
                format="%.1f",
                key=f"w_{name}",
                bind="query-params",
                help=f"{_HELP.get(name, 'A term of the score.')} 1 for all is the method's own "
                "score. Weights chosen by the AUPRC you see are tuned on the anomalies: learn "
                "from them, but report none.",
            )
    return _KINDS[chosen], weights


def _show_numbers(known: Scores, found: Curves, areas: np.ndarray) -> None:
    shown = {
        "AUPRC here": (
            f"{found.average_precision:.3f}",
            "Average precision at this checkpoint, anomalies as the positives",
        ),
        f"Last {len(areas)} checkpoints": (
            f"{np.nanmean(areas):.3f} ± {np.nanstd(areas, ddof=1):.3f}"
            if len(areas) > 1
            else f"{areas[0]:.3f}",
            "Mean of that and its standard deviation over them: what to report, never the best",
        ),
        "By trapezoid": (
            f"{found.trapezoid:.3f}",
            "The same area by the trapezoid rule, as much published code has it",
        ),
        "AUROC": (
            f"{found.auroc:.3f}",
            "The chance that an anomaly scores above a normal example; 0.5 knows nothing",
        ),
        "Chance": (
            f"{known.prevalence:.3f}",
            "AUPRC of a score that knows nothing: the share of anomalies",
        ),
    }
    _show_metrics(shown)


def _show_metrics(shown: dict[str, tuple[str, str]]) -> None:
    """Label -> value and help line, side by side and on a phone in as many rows as it takes."""
    with st.container(horizontal=True, gap="medium"):
        for label, (value, help_line) in shown.items():
            st.metric(label, value, help=help_line, width="content")


def _cut(known: Scores, score: np.ndarray) -> Confusion:
    """The threshold that a person sets, and what it does, in numbers and in words."""
    flagged = st.slider(
        "Threshold: flag the most anomalous … % of the test examples",
        0.0,
        100.0,
        20.0,
        0.5,
        format="%.1f%%",
        key="flag",
        bind="query-params",
        help="Moves the line in the histogram and the dots on both curves. In use nobody knows "
        "the share of anomalies: a threshold has to be chosen without it.",
    )
    cut = anomaly.confusion(known.is_anomaly, score, flagged / 100)
    shown = {
        "True positives": (cut.true_positives, "Anomalies that are flagged"),
        "False positives": (cut.false_positives, "Normal examples that are flagged"),
        "False negatives": (cut.false_negatives, "Anomalies that are missed"),
        "True negatives": (cut.true_negatives, "Normal examples that are left alone"),
    }
    _show_metrics({label: (f"{value:,}", text) for label, (value, text) in shown.items()})
    st.markdown(cut.in_words)
    return cut


def _show_curves(known: Scores, found: Curves, score: np.ndarray, cut: Confusion) -> None:
    st.plotly_chart(figures.histograms(known.is_anomaly, score, cut.threshold), key="histograms")
    left, right = st.columns(2)
    at, chance = (cut.recall, cut.precision), known.prevalence
    left.plotly_chart(
        figures.precision_recall(found.recall, found.precision, chance, at), key="precision"
    )
    at = (cut.false_alarms, cut.recall)
    right.plotly_chart(figures.roc(found.false_alarms, found.found, at), key="roc")
