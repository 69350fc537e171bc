"""Score anomalies in other ways: `python -m train.rescore RUN ...` prints Markdown rows.

Of the last checkpoint of runs with `--held-out`: what becomes of AUPRC when z is inferred with
more steps or several restarts, when z is integrated out, when σ is that of normal examples, and
when the complexity of a picture is allowed for. Nothing here learns from an anomaly.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from math import log
from pathlib import Path

import numpy as np
import torch
import tyro
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor

from lebm import langevin
from lebm.checkpoint import CheckpointError
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from train import data, markdown, models, ranks, records, scores
from train.config import Accelerator, TrainConfig
from train.importance import importance_bound
from train.run_dir import RunDir, RunError, step_of
from train.scores import Scores

_BATCH = 500
_REFERENCE = 500  # normal training examples, the first ones


@dataclass(frozen=True)
class Options:
    """Which runs, and how thoroughly."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Directories of runs that held a class out."""
    examples: int = 1000
    """Test examples to score, normal ones and anomalies as often as among all; drawn by `seed`."""
    restarts: int = 5
    """Posterior chains an example, at least 2."""
    steps: int = 200
    """Of the long chains; at least those of the model's own."""
    seed: int = 0
    """Of the draw of examples and of the chains."""
    accelerator: Accelerator = "auto"
    """Where to compute."""
    json: Path | None = None
    """A file for every number of every run."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError("name at least one run: python -m train.rescore runs/mnist-anomaly")
        for name, least in {"examples": 10, "restarts": 2, "steps": 1, "seed": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Rescored:
    """AUPRC of one checkpoint by every way to score."""

    run: str
    data: str
    method: str
    held_out: int
    seed: int
    checkpoint: int
    """Its iteration."""
    n_normal: int
    n_anomalies: int
    auprc: dict[str, float]
    """Way, in words -> average precision."""


def main() -> int:
    """Run the command line; returns the exit status."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        options = tyro.cli(Options, prog="python -m train.rescore", description=__doc__)
        print(run(options))
    except (ValueError, OSError, RunError, CheckpointError, data.DatasetUnavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: Options) -> str:
    """Score every run; returns the Markdown table, and writes the JSON that was asked for.

    Raises:
        RunError, CheckpointError, DatasetUnavailable: if a run or its data cannot be used.
        ValueError: if the JSON cannot be written where it was asked for.
    """
    records.check_place(options.json)
    runs = [RunDir(path) for path in options.runs]
    configs = [run.held_out_config() for run in runs]  # before hours are spent on the first
    fabrics = [ranks.connect(options.accelerator, config.precision) for config in configs]
    found = [_rescore(*one, options) for one in zip(runs, configs, fabrics, strict=True)]
    if options.json is not None:
        records.save(options.json, "rescore", found, fabrics[0].device)
    return table(found)


def _rescore(run: RunDir, config: TrainConfig, fabric: Fabric, options: Options) -> Rescored:
    """One run's last checkpoint."""
    file = run.last_checkpoint()
    model, card = models.load(file)
    whole = data.load(config.dataset, config.model.data_shape, config.data_root)
    assert config.held_out is not None
    divided = data.hold_out(whole, config.held_out, config.split)
    test, is_anomaly = _drawn(divided, options)
    rng = torch.Generator(fabric.device).manual_seed(options.seed)
    model, chain = model.to(fabric.device), card.reconstruction_sampler
    ways = _Ways(model, fabric, chain, len(test), options, rng)
    found = ways.scores(torch.cat([test, divided.train[:_REFERENCE]]))
    return Rescored(
        run=str(run.path),
        data=config.dataset,
        method=config.method,
        held_out=config.held_out,
        seed=config.seed,
        checkpoint=int(step_of(file)),
        n_normal=int((~is_anomaly).sum()),
        n_anomalies=int(is_anomaly.sum()),
        auprc={way: scores.average_precision(is_anomaly, score) for way, score in found.items()},
    )


def _drawn(divided: data.Dataset, options: Options) -> tuple[Tensor, np.ndarray]:
    """Some of the test examples, and which of them are anomalies."""
    every = scores.test_examples(divided)
    order = np.random.default_rng(options.seed).permutation(len(every))[: options.examples]
    is_anomaly = order >= len(divided.test)
    if is_anomaly.all() or not is_anomaly.any():
        raise ValueError(f"{options.examples} examples are all of one kind: take more --examples")
    return every[torch.from_numpy(order)], is_anomaly


@dataclass(frozen=True)
class _Ways:
    """Every way to score, of one model.

    Attributes:
        model: the model.
        fabric: where and how precisely to compute.
        chain: the posterior chain from p_0 noise that the model's card recommends.
        n: test examples, which stand before normal ones in all that follows.
        options: how thoroughly.
        generator: source of all starts and all noise.
    """

    model: LatentEBM
    fabric: Fabric
    chain: LangevinConfig
    n: int
    options: Options
    generator: torch.Generator

    def scores(self, examples: Tensor) -> dict[str, np.ndarray]:
        """Way, in words -> score of every test example, `(n,)`.

        Args:
            examples: test examples and then normal training examples, as the data set holds them.
        """
        k, short = self.options.restarts, self.chain.n_steps
        long = max(short, self.options.steps)
        x = data.to_model_range(examples).to(self.fabric.device)
        chains = x.repeat_interleave(k, 0)
        ends = self._infer(self.model, chains, self.chain)
        rest = replace(self.chain, n_steps=long - short)
        found = {
            f"one chain, {short} steps": self._joint(self.model, x, ends[::k]),
            "the same, σ of normal examples": self._with_their_noise(x, ends[::k]),
        }
        for steps in (short, long):
            if steps == long:
                ends = self._infer(self.model, chains, rest, ends)
                found[f"one chain, {long} steps"] = self._joint(self.model, x, ends[::k])
            each = self._joint(self.model, chains, ends).unflatten(0, (-1, k))
            found[f"best of {k} chains, {steps} steps"] = each.amin(1)
        found[f"mean of {k} chains, {long} steps"] = each.mean(1)
        found["−log p(x), at most"] = self._marginal(x, ends.unflatten(0, (-1, k)))
        ways = {way: score[: self.n].double().cpu().numpy() for way, score in found.items()}
        best = ends.unflatten(0, (-1, k))[torch.arange(len(x)), each.argmin(1)]
        return ways | self._beside_others(examples, x, best)

    def _infer(
        self, model: LatentEBM, x: Tensor, chain: LangevinConfig, start: Tensor | None = None
    ) -> Tensor:
        """Ends of posterior chains, one an example, `(n, latent_dim)`; from p_0 noise at first."""
        if start is None:
            start = model.prior.sample_base(len(x), generator=self.generator)
        with self.fabric.autocast():
            parts = [
                langevin.sample(model.posterior_density(rows), z, chain, generator=self.generator)
                for rows, z in _pairs(x, start)
            ]
        return torch.cat(parts)

    @torch.no_grad()
    def _joint(self, model: LatentEBM, x: Tensor, z: Tensor) -> Tensor:
        """-log p(x, z) up to a constant, `(n,)`."""
        return torch.cat([-model.unnorm_log_joint(*pair) for pair in _pairs(x, z)])

    def _marginal(self, x: Tensor, z: Tensor) -> Tensor:
        """-log p(x) up to log Z(α), which is the same for all x, by importance sampling."""
        return -importance_bound(self.model, x, z, 0.0, generator=self.generator)

    @torch.no_grad()
    def _with_their_noise(self, x: Tensor, z: Tensor) -> Tensor:
        """The joint under the σ that makes normal examples likeliest, z inferred anew.

        The step shrinks with σ², as does what it must not overshoot.
        """
        normal = _pairs(x[self.n :], z[self.n :])
        error = torch.cat([(rows - self.model.generate(at)).square() for rows, at in normal])
        config, std = self.model.config, float(error.mean().sqrt())
        model = LatentEBM(replace(config, noise_std=std)).to(x.device)
        model.load_state_dict(self.model.state_dict())
        shrunk = min(1.0, (std / config.noise_std) ** 2)
        chain = replace(self.chain, step_size=self.chain.step_size * shrunk)
        return self._joint(model, x, self._infer(model, x, chain))

    @torch.no_grad()
    def _beside_others(self, examples: Tensor, x: Tensor, z: Tensor) -> dict[str, np.ndarray]:
        """Against what is typical of normal examples, and against how complex a picture is."""
        parts = [scores.joint_terms(self.model, *pair) for pair in _pairs(x, z)]
        terms = {n: torch.cat([p[n] for p in parts]).float().cpu().numpy() for n in parts[0]}
        known = self._divided(terms)
        ways = {"typicality of the best": known.typicality()}
        if examples.dtype == torch.uint8:
            length = complexity(examples)
            ways["the best, less complexity"] = known.total() - length[: self.n]
            beside = self._divided(terms | {"complexity": length})
            ways["typicality of the best and its complexity"] = beside.typicality()
        return ways

    def _divided(self, terms: dict[str, np.ndarray]) -> Scores:
        test, normal = (
            {name: values[side] for name, values in terms.items()}
            for side in (slice(self.n), slice(self.n, None))
        )
        return Scores(test, normal, np.ones(self.n, dtype=bool), "", 0, 0)


def _pairs(x: Tensor, z: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Examples and their latents, as many at a time as are computed together."""
    return zip(x.split(_BATCH), z.split(_BATCH), strict=True)


def complexity(pictures: Tensor) -> np.ndarray:
    """How long each picture is as a PNG, in nats, `(n,)`.

    A likelihood is high for what is plain, whether or not it was ever seen; less the length of a
    general code, it is a likelihood ratio of the model against one that knows no data.

    Args:
        pictures: uint8 `(n, c, h, w)`, of one or three colours.

    Source: Serrà et al. 2020, "Input complexity and out-of-distribution detection with
    likelihood-based generative models", eq. 3.
    """
    lengths = []
    for picture in pictures.permute(0, 2, 3, 1).cpu().numpy():
        file = BytesIO()
        Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(
            file, "PNG", optimize=True
        )
        lengths.append(8 * log(2) * file.tell())
    return np.array(lengths)


def table(found: list[Rescored]) -> str:
    """A row for each way to score; a column for each run, named by the class it held out."""
    heads = [f"{r.data} without {r.held_out}, {r.method}, seed {r.seed}" for r in found]
    rows = []
    for way in dict.fromkeys(way for r in found for way in r.auprc):
        cells = [f"{r.auprc[way]:.3f}" if way in r.auprc else "" for r in found]
        rows.append([way, *cells])
    rows.append(["chance", *(f"{r.n_anomalies / (r.n_normal + r.n_anomalies):.3f}" for r in found)])
    rows.append(["examples", *(f"{r.n_normal + r.n_anomalies:,}" for r in found)])
    return markdown.table(["AUPRC, average precision", *heads], rows)


if __name__ == "__main__":
    sys.exit(main())
