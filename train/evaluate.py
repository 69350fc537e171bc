"""Judge trained runs: `python -m train.evaluate RUN ...` prints a Markdown row a method.

Runs that differ in their seed alone are one row, with 95 % confidence intervals over seeds. A
model file may stand for its run at that checkpoint, where chains alone infer z. A record of this
command (`--json`) may stand among the runs: what it holds joins the table.
Under torchrun the processes share the held-out examples and the samples, and one of them prints; of
sentences each does it all.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import cast

import torch
import tyro
from torch import Tensor

from lebm.checkpoint import CheckpointError
from train import (
    cards,
    data,
    evaluation,
    features,
    models,
    ranks,
    records,
    seeds,
    text_metrics,
)
from train.config import DatasetName, MethodName, TrainConfig
from train.data import to_model_range
from train.frechet import Frechet
from train.measured import Measured, table
from train.methods import METHODS
from train.methods.inference import LangevinInference
from train.pictures import quantise
from train.run_dir import RunDir, RunError
from train.trainer import Trainer

_BATCH = 250


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Directories of runs, each where it stands now, model files (.safetensors) and records of
    earlier measurements (.json)."""
    features: str = "inception"
    """Whose features a Fréchet distance compares: "inception" (its distance is FID), a file of
    weights (EfficientNet-Lite0 or the small MNIST network), module:function for your own, or
    "none"."""
    samples: int = 5000
    """Samples for that distance, against as many training images, the first ones; of sentences,
    samples for both perplexities."""
    test_examples: int = 2000
    """Held-out examples to reconstruct, the first ones; 0 for all."""
    greedy: bool = False
    """Of sentences: sample the likeliest word at each place, rather than draw it."""
    seed: int = 0
    """Of samples and chains."""
    json: Path | None = None
    """A file for every number of every run, those that differ in their seed together."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError("name at least one run: python -m train.evaluate runs/mnist")
        if self.samples < 2:
            raise ValueError(f"samples must be at least 2, not {self.samples}")
        for name in ("test_examples", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")


def main() -> int:
    """Run the command line; returns the exit status."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        with ranks.only_first_prints():
            options = tyro.cli(Options, prog="python -m train.evaluate", description=__doc__)
            print(run(options))
    except (
        ValueError,
        OSError,
        data.DatasetUnavailable,
        CheckpointError,
        features.FeaturesUnavailable,
        ranks.LostProcess,
        records.RecordError,
        RunError,
    ) as error:
        if ranks.first() or isinstance(error, data.DatasetUnavailable):
            print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: Options) -> str:
    """Measure every run; returns the Markdown table, and writes the JSON that was asked for.

    Raises:
        RunError: if a run cannot be used, or stands there twice.
        CheckpointError: if a model file cannot be read.
        RecordError: if a record cannot.
        FeaturesUnavailable, DatasetUnavailable: if something is missing.
        ValueError: if the JSON cannot be written where it was asked for.
    """
    records.check_place(options.json)
    load = lru_cache(maxsize=2)(data.load)
    paths, found = seeds.recorded(options.runs, Measured)
    trainers = [_open(path, load) for path in paths]
    seeds.refuse_twins((str(t.run.path), _settings(t), t.config.seed) for t in trainers)
    pictured = any(t.dataset.train.dtype == torch.uint8 for t in trainers)
    extractor = features.load_or_go_without(options.features) if pictured else None
    real: dict[int, Frechet] = {}
    for i, trainer in enumerate(trainers, 1):
        print(f"measuring {trainer.run.path}, {i} of {len(trainers)}", file=sys.stderr)
        found.append(_measure(trainer, options, extractor, real))
    groups = seeds.together(found)
    if options.json is not None and ranks.first():
        here = trainers[0] if trainers else None
        place = here.fabric.device if here else torch.device("cpu")
        n_processes = here.ranks.n_processes if here else 1
        records.save(options.json, "evaluate", groups, place, n_processes)
    return table(groups)


def _open(path: Path, load: Callable[..., data.Dataset]) -> Trainer:
    """A run where it stands, or a model's file, ready to be judged."""
    if path.suffix == ".safetensors":
        return _open_file(path, load)
    run = RunDir(path)
    config, state = run.config(), run.load_state()
    if state is None:
        raise RunError(f"{path} has saved nothing yet: train it first")
    trainer = Trainer(config, _dataset(config, load), run, command="")
    trainer.load_state_dict(state)
    trainer.model.eval().requires_grad_(False)
    trainer.method.prepare_model()
    return trainer


def _dataset(config: TrainConfig, load: Callable[..., data.Dataset]) -> data.Dataset:
    """What a run learned from."""
    shape, text = config.model.data_shape, config.model.text
    return ranks.in_turn(
        ranks.connect(config.accelerator, config.precision),
        lambda: load(config.dataset, shape, config.data_root, text=text),
    )


def _open_file(path: Path, load: Callable[..., data.Dataset]) -> Trainer:
    """The run of a model's file, as far as its card tells: what it samples and infers with."""
    model, card = models.load(path)
    facts = card.facts
    name = str(facts.get("method", "lebm"))  # the first cards did not name the one there was
    method = METHODS.get(cast(MethodName, name))
    if method is None or not issubclass(method, LangevinInference):
        raise RunError(
            f"{path} does not hold what {name!r} infers with: name its run's folder instead"
        )
    if "data" not in facts:
        raise RunError(f"the card of {path} does not say what data it learned from")
    known = {label: value for label, value in facts.items() if not isinstance(value, str)}
    held_out, split = (known.get(label) for label in ("held-out class", "split seed"))
    latent_dim = model.config.latent_dim // model.config.latent_layers  # as a run has it
    config = TrainConfig(
        dataset=cast(DatasetName, str(facts["data"])),
        method=cast(MethodName, name),
        model=replace(model.config, prior="tilted", latent_dim=latent_dim, latent_layers=1),
        prior_sampler=card.prior_sampler,
        posterior_sampler=card.posterior_sampler,
        reconstruction=card.reconstruction_sampler,
        seed=int(known.get("seed", 0)),
        held_out=None if held_out is None else int(held_out),
        split_seed=None if split is None else int(split),
    )
    dataset, command = _dataset(config, load), str(facts.get("command", ""))
    trainer = Trainer(config, dataset, RunDir(path), command)
    trainer.model.load_state_dict(model.state_dict())
    trainer.step, trainer.seconds = int(known.get("iterations", 0)), 60 * known.get("minutes", 0)
    trainer.model.eval().requires_grad_(False)
    return trainer


def _settings(trainer: Trainer) -> str:
    """What runs share that differ in their seed alone; the files of one run are not such runs."""
    settings = seeds.settings_of(trainer.config)
    return settings if trainer.run.path.is_dir() else f"{settings}-{trainer.step}"


def _measure(
    trainer: Trainer,
    options: Options,
    extractor: features.Features | None,
    real: dict[int, Frechet],
) -> Measured:
    """Reconstruction, samples and their cost, of one run; for `real` see `_distance`."""
    n_test = len(trainer.dataset.test[: options.test_examples or None])
    n_samples = min(options.samples, len(trainer.dataset.train))
    if trainer.dataset.vocabulary is not None:
        values = text_metrics.measure(
            trainer.method,
            trainer.dataset,
            trainer.method.reconstruction_sampler(),
            n_test=n_test,
            n_samples=n_samples,
            greedy=options.greedy,
            seed=options.seed,
        )
    else:
        values = _reconstruction(trainer, options) | _log_probs(trainer)
        if extractor is None or trainer.dataset.train.dtype != torch.uint8:
            n_samples = 0
        else:
            values |= _distance(trainer, n_samples, options.seed, extractor, real)
    return Measured(
        run=str(trainer.run.path),
        data=trainer.dataset.name,
        method=trainer.config.method,
        seed=trainer.config.seed,
        iterations=trainer.step,
        minutes=round(trainer.seconds / 60, 2),
        hardware=cards.hardware(trainer.fabric.device, trainer.ranks.n_processes),
        n_test=n_test,
        n_samples=n_samples,
        values=values | _cost(trainer, options.seed),
        command=trainer.command,
        settings=_settings(trainer),
        greedy=options.greedy and trainer.dataset.vocabulary is not None,
    )


def _reconstruction(trainer: Trainer, options: Options) -> dict[str, float]:
    """Test MSE, as the method infers and by chains."""
    test = trainer.dataset.test[: options.test_examples or None]
    values = {"test MSE": _mse(trainer, trainer.method.reconstruct, test, options.seed)}
    if not isinstance(trainer.method, LangevinInference):
        chain = trainer.method.reconstruction_sampler()
        by_chain = evaluation.by_langevin(trainer.model, chain)
        values["test MSE, by Langevin"] = _mse(trainer, by_chain, test, options.seed)
    return values


def _distance(
    trainer: Trainer,
    n: int,
    seed: int,
    extractor: features.Features,
    real: dict[int, Frechet],
) -> dict[str, float]:
    """Fréchet distances to n training images: of n samples, and of n held-out images reconstructed.

    The second is what samples could have if the prior were the latents' own distribution: what
    stands between the two is the prior's, the rest is the generator's. Distances over fewer images
    are longer, so it is left out where fewer are held out.

    Runs that learned from the same data set in memory are compared with the same images: `real`
    keeps their features by the data set's identity.
    """
    mine, device, dataset = trainer.ranks.turns, trainer.fabric.device, trainer.dataset
    if id(dataset) not in real:
        images = dataset.train[:n].split(_BATCH)[mine]
        real[id(dataset)] = Frechet(images, extractor.network.to(device), device)
    fake = {extractor.label: _samples(trainer, n, seed, mine)}
    if len(dataset.test) >= n:
        again = _reconstructions(trainer, n, seed, mine)
        fake[f"{extractor.label} of reconstructions"] = again
    return {name: real[id(dataset)].distance(map(quantise, x)) for name, x in fake.items()}


def _mse(trainer: Trainer, reconstruct: evaluation.Reconstruct, test: Tensor, seed: int) -> float:
    """The squared error over held-out examples, whichever process reconstructs which."""
    sums = [
        len(batch)
        * evaluation.reconstruction_mse(
            reconstruct, batch, seed=seeds.derived(seed, i), device=trainer.fabric.device
        )
        for i, batch in list(enumerate(test.split(_BATCH)))[trainer.ranks.turns]
    ]
    whole = trainer.ranks.total(torch.tensor(sum(sums), dtype=torch.float64))
    return float(whole) / len(test)


def _log_probs(trainer: Trainer) -> dict[str, float]:
    """Exact log p(x) of held-out points in nats, where the latent is a plane that can be summed."""
    config = trainer.model.config
    if config.latent_dim != 2 or len(config.data_shape) != 1:
        return {}
    exact = evaluation.exact_log_prob(trainer.model, trainer.dataset.test)
    if math.isnan(exact):
        where = "its prior reaches beyond the grid that log p(x) is summed over"
        print(f"no log p(x) of {trainer.run.path}: {where}", file=sys.stderr)
        return {}
    return {"log p(x), nats": exact}


def _samples(trainer: Trainer, n: int, seed: int, batches: slice = slice(None)) -> Iterator[Tensor]:
    """n samples of x in batches, or some of these; z by the method's own sampler."""
    model, draw = trainer.model, trainer.method.sample_prior
    for i in range(-(-n // _BATCH))[batches]:
        generator = torch.Generator(trainer.fabric.device).manual_seed(seeds.derived(seed, i))
        start = model.prior.sample_base(min(_BATCH, n - i * _BATCH), generator=generator)
        yield model.generate(draw(start, generator=generator))


def _reconstructions(trainer: Trainer, n: int, seed: int, batches: slice) -> Iterator[Tensor]:
    """g(z) of the first n held-out examples in batches, some of these; z as the method infers."""
    device = trainer.fabric.device
    for i, examples in list(enumerate(trainer.dataset.test[:n].split(_BATCH)))[batches]:
        generator = torch.Generator(device).manual_seed(seeds.derived(seed, i))
        x = to_model_range(examples).to(device)
        yield trainer.method.reconstruct(x, generator=generator)


def _cost(trainer: Trainer, seed: int) -> dict[str, float]:
    """What 1,000 samples take, and how many gradients in z each of them."""

    def drawn(n: int) -> float:
        started = time.perf_counter()
        list(_samples(trainer, n, seed))
        if trainer.fabric.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    drawn(_BATCH)  # what is only done once does not count
    seconds = drawn(1000)
    gradients = float(trainer.method.prior_gradients)
    return {"seconds per 1,000 samples": seconds, "gradients per sample": gradients}


if __name__ == "__main__":
    sys.exit(main())
