"""How anomalous a model finds test examples, kept term by term in one file a checkpoint.

A class was held out of training; its examples are the positives. AUPRC is reported in two ways
that differ: average precision, which steps from point to point of the curve, and the trapezoid
rule, which interpolates: a little lower where scores differ, higher where many are equal.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors
from torch import Tensor

from lebm.checkpoint import atomic_write
from lebm.model import LatentEBM
from train.data import Dataset, to_model_range

if TYPE_CHECKING:  # those who read scores need not wait for what trains
    from train.methods import Method

_BATCH = 128  # a fifth faster than 500 on a CPU
#: Checkpoints that are scored and that a run's number is the mean of, the last ones.
COUNTED = 10
#: The name of a method's own score among its variants.
OWN = "score"
#: Normal training examples that are scored too, the first ones; scores are fitted to them.
REFERENCE = 2000
#: Gaussians in the density of normal terms: of 1 to 10, the number with the least Bayesian
#: information criterion on normal digits of the preset digits-anomaly; AUPRC moves by 0.02 at most.
_COMPONENTS = 3
_FORMAT = "lebm-scores"
_ABOUT = {"method": str, "held_out": int, "seed": int}
_MAX_BYTES = 2**28  # a file beyond 256 MiB is no score file of ours
#: What reading a damaged or hostile file raises, beside errors of the system.
_UNREADABLE = (
    *(SafetensorError, struct.error, ValueError, LookupError, TypeError, AttributeError),
    *(OverflowError, RecursionError),
)


class ScoresError(Exception):
    """A score file cannot be used; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Terms of the anomaly score of every test example, at one checkpoint.

    Attributes:
        terms: name -> float32 `(n,)`, normal test examples first, then the anomalies, each in
            the order of the data set divided by `train.data.hold_out`.
        reference: the same terms of normal training examples, `(m,)`.
        is_anomaly: bool `(n,)`.
        method: whose terms these are.
        held_out: the class of the anomalies.
        seed: of the run.
    """

    terms: dict[str, np.ndarray]
    reference: dict[str, np.ndarray]
    is_anomaly: np.ndarray
    method: str
    held_out: int
    seed: int

    @property
    def prevalence(self) -> float:
        """Share of anomalies among the test examples: the AUPRC of a score that knows nothing."""
        return float(self.is_anomaly.mean())

    def total(self) -> np.ndarray:
        """The method's own score, the sum of its terms, `(n,)`."""
        return np.stack(list(self.terms.values())).sum(0, dtype=np.float64)

    def typicality(self) -> np.ndarray:
        """-log density of an example's terms among those of normal examples, `(n,)`.

        A mixture of Gaussians is fitted to the terms of normal training examples alone, so that
        no anomaly plays a part. A digit that is explained too easily is as untypical as one that
        is hard to explain, which no sum of the terms can say.

        Source: Morningstar et al. 2021, "Density of states estimation for out-of-distribution
        detection", which fits other densities to other statistics.
        """
        from sklearn.mixture import GaussianMixture  # a second to import

        normal, test = (
            np.stack([terms[name] for name in self.terms], 1).astype(np.float64)
            for terms in (self.reference, self.terms)
        )
        if not (np.isfinite(normal).all() and np.isfinite(test).all()):
            return np.full(len(test), np.nan)
        mean, std = normal.mean(0), normal.std(0)
        std[std == 0] = 1
        mixture = GaussianMixture(min(_COMPONENTS, len(normal)), max_iter=300, random_state=0)
        mixture.fit((normal - mean) / std)
        return -mixture.score_samples((test - mean) / std)

    def variants(self) -> dict[str, np.ndarray]:
        """The method's own score and what becomes of it otherwise: name -> `(n,)`.

        "score" is the sum of the terms; then come the sums without one of them, each term alone,
        and the typicality of all.
        """
        total = self.total()
        variants = {OWN: total}
        if len(self.terms) > 2:
            variants |= {f"without {name}": total - term for name, term in self.terms.items()}
        if len(self.terms) > 1:
            variants |= {f"{name} alone": term for name, term in self.terms.items()}
        return variants | {"typicality": self.typicality()}


def joint_terms(model: LatentEBM, x: Tensor, z: Tensor) -> dict[str, Tensor]:
    """The terms of -log p(x, z) up to a constant, `(n,)` each, in nats.

    "reconstruction" is -log p_β(x|z), "tilt" is -f(z) where the prior has one, "base" is ½‖z‖².

    Args:
        model: the model.
        x: examples, `(n, *data_shape)`.
        z: their latents, `(n, latent_dim)`.
    """
    terms = {"reconstruction": -model.log_likelihood(x, z)}
    if model.config.prior != "gaussian":
        terms["tilt"] = -model.prior.neg_energy(z)
    return terms | {"base": 0.5 * z.square().sum(-1)}


def test_examples(dataset: Dataset) -> Tensor:
    """Normal test examples and then the anomalies, of a data set with a class held out."""
    assert dataset.anomalies is not None
    return torch.cat([dataset.test, dataset.anomalies])


def examples(dataset: Dataset) -> Tensor:
    """All that is scored: the test examples, and then normal training examples."""
    return torch.cat([test_examples(dataset), dataset.train[:REFERENCE]])


def score(method: Method, dataset: Dataset, *, seed: int = 0) -> Scores:
    """The terms of all test examples, of the anomalies and of normal training examples.

    Args:
        method: as it stands.
        dataset: one that `train.data.hold_out` divided.
        seed: of what the method draws.
    """
    config, device = method.config, method.fabric.device
    assert config.held_out is not None
    generator = torch.Generator(device).manual_seed(seed)
    scored, n_test = examples(dataset), len(test_examples(dataset))
    parts = [
        method.anomaly_terms(to_model_range(scored[rows]).to(device), rows, generator=generator)
        for rows in torch.arange(len(scored)).split(_BATCH)
    ]
    terms = {n: torch.cat([p[n] for p in parts]).float().cpu().numpy() for n in parts[0]}
    return Scores(
        terms={name: values[:n_test] for name, values in terms.items()},
        reference={name: values[n_test:] for name, values in terms.items()},
        is_anomaly=np.arange(n_test) >= len(dataset.test),
        method=config.method,
        held_out=config.held_out,
        seed=config.seed,
    )


def average_precision(
    is_anomaly: np.ndarray, score: np.ndarray, anomalies_count: float = 1.0
) -> float:
    """AUPRC as the sum of (R_k - R_{k-1}) P_k over thresholds; NaN if a score is.

    Args:
        is_anomaly: the positives, bool `(n,)`.
        score: higher for what is held more anomalous, `(n,)`.
        anomalies_count: how much each anomaly counts; AUPRC falls with their share of the test.
    """
    from sklearn.metrics import average_precision_score

    if not np.isfinite(score).all():
        return float("nan")
    weights = np.where(is_anomaly, anomalies_count, 1.0)
    return float(average_precision_score(is_anomaly, score, sample_weight=weights))


def auprc_trapezoid(is_anomaly: np.ndarray, score: np.ndarray) -> float:
    """AUPRC by the trapezoid rule, as much published code has it; NaN if a score is.

    Args:
        is_anomaly: the positives, bool `(n,)`.
        score: higher for what is held more anomalous, `(n,)`.
    """
    from sklearn.metrics import auc, precision_recall_curve

    if not np.isfinite(score).all():
        return float("nan")
    precision, recall, _ = precision_recall_curve(is_anomaly, score)
    return float(auc(recall, precision))


#: The two ways to report AUPRC, by their columns in evaluation.csv.
AREAS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "auprc": average_precision,
    "auprc_trapezoid": auprc_trapezoid,
}


def save(path: Path, scores: Scores) -> None:
    """Write a score file, atomically.

    Raises:
        OSError: if it cannot be written.
    """
    arrays = {f"test.{name}": values for name, values in scores.terms.items()}
    arrays |= {f"reference.{name}": values for name, values in scores.reference.items()}
    arrays["is_anomaly"] = scores.is_anomaly.astype(np.uint8)
    about = {name: getattr(scores, name) for name in _ABOUT}
    # Safetensors sorts by name; the terms keep their order in the metadata.
    metadata = {_FORMAT: json.dumps(about | {"terms": list(scores.terms)})}
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, save_safetensors(arrays, metadata))


def load(path: Path) -> Scores:
    """The scores in a file.

    Raises:
        ScoresError: if it is missing, damaged, or no score file.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ScoresError(f"{path} is larger than any file of scores")
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        about = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_FORMAT])
        names = about.pop("terms")
        arrays = load_safetensors(data)
        scores = Scores(
            terms={name: arrays[f"test.{name}"] for name in names},
            reference={name: arrays[f"reference.{name}"] for name in names},
            is_anomaly=arrays["is_anomaly"].astype(bool),
            **{name: kind(about[name]) for name, kind in _ABOUT.items()},
        )
        _check(scores)
    except OSError as error:
        raise ScoresError(f"{path} cannot be read: {error.strerror}") from error
    except _UNREADABLE as error:
        raise ScoresError(f"{path} is damaged, or no file of scores") from error
    return scores


def _check(scores: Scores) -> None:
    """Raise ValueError unless every array has its shape."""
    n, parts = len(scores.is_anomaly), scores.is_anomaly.ndim == 1 and scores.terms
    lengths = {len(values) for values in scores.reference.values()}
    arrays = [*scores.terms.values(), *scores.reference.values()]
    wrong = any(a.ndim != 1 or a.dtype != np.float32 for a in arrays)
    if not parts or wrong or len(lengths) != 1 or any(len(t) != n for t in scores.terms.values()):
        raise ValueError("shapes")
    if not 0 < scores.is_anomaly.sum() < n:
        raise ValueError("one class only")
