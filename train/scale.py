"""What a run would take on more machines, on paper: `python -m train.scale celeba128`.

Measured here: what each part of a learning iteration costs an example, in time and in floating
point operations. Assumed, and printed: what one GPU sustains and what messages cost. Everything
else is arithmetic. No GPU is timed: that is what `python -m train.benchmark --device cuda` does.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
import tyro
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from lebm import langevin
from lebm.model import LatentEBM
from train import markdown, ranks, records
from train.config import Precision, TrainConfig
from train.data.vision import CIFAR10_COUNTS, SVHN_COUNTS
from train.objectives import generator_loss, prior_loss
from train.precision import autocast, posterior_chain
from train.presets import PRESETS

CHAINS = 1_000_000
_CHAINS_MEASURED = 512
_VALUES_MEASURED = 2**17  # of x at a time: a batch of small pictures, four of the largest
LONG_RUN = 2500  # steps, of Figure 4
CPU = torch.device("cpu")
_RECKONED = [n for n, (_, c) in PRESETS.items() if c.method == "lebm" and c.model.text is None]

#: Data set -> examples to learn from, where no class is held out.
_TRAINING_EXAMPLES: dict[str, int] = {
    "pinwheel": 10_000,
    "two-moons": 10_000,
    "ring": 10_000,
    "digits": 1_500,
    "mnist": 60_000,
    "fashion-mnist": 60_000,
    "svhn": SVHN_COUNTS[0],
    "cifar10": CIFAR10_COUNTS[0],
    "celeba": 162_770,
}


@dataclass(frozen=True)
class Options:
    """Reckon what a preset would take on one GPU and on many."""

    preset: tyro.conf.Positional[str] = "celeba128"
    """A preset of Algorithm 1, for points or images."""
    examples: int | None = None
    """Training examples; without it, all of the preset's data set, where its size is known. Of
    CelebA's 162,770 the authors' script takes 30,000 at 128 pixels."""
    gpu_tflops: float = 30.0
    """Assumed: what one GPU sustains on these networks, in 10^12 operations a second. That is a
    tenth of what the makers give for an A100 in bfloat16, a thirtieth for an H100."""
    pass_ms: float = 0.5
    """Assumed: the least that a pass through a network and back takes on a GPU, in milliseconds,
    however few examples it is of, since its kernels have to be started."""
    node_gbytes: float = 100.0
    """Assumed: what GPUs of one machine exchange, in GB a second."""
    network_gbytes: float = 10.0
    """Assumed: the same between machines."""
    json: Path | None = None
    """A file for every number, which `python -m train.report` takes up."""

    def __post_init__(self) -> None:
        if self.preset not in _RECKONED:
            raise ValueError(f"preset must be one of {', '.join(_RECKONED)}, not {self.preset!r}")
        if self.examples is not None and self.examples < 1:
            raise ValueError(f"examples must be at least 1, not {self.examples}")
        config = PRESETS[self.preset][1]
        unknown = config.held_out is not None or config.dataset not in _TRAINING_EXAMPLES
        if self.examples is None and unknown:
            raise ValueError(f"examples: say how many {self.preset} has to learn from")
        for name in ("gpu_tflops", "pass_ms", "node_gbytes", "network_gbytes"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")

    @property
    def n_examples(self) -> int:
        """Training examples."""
        return self.examples or _TRAINING_EXAMPLES[PRESETS[self.preset][1].dataset]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a learning iteration, as it was measured here.

    Attributes:
        name: of the part.
        passes: how often an iteration does it, one after the other.
        flop: floating point operations for an example, once.
        seconds: for an example, once.
    """

    name: str
    passes: int
    flop: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run would take place, and what it would take, in seconds.

    Attributes:
        name: of the place.
        iteration: one learning iteration.
        epoch: a pass over the training data.
        run: all epochs.
        short_chains: a million prior chains of K_0 steps.
        long_chains: a million of 2,500 steps.
    """

    name: str
    iteration: float
    epoch: float
    run: float
    short_chains: float
    long_chains: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What was measured, what was assumed, and what follows."""

    preset: str
    n_parameters: int
    parts: list[Part]
    assumed: dict[str, float]
    places: list[Place]


def main() -> int:
    """Run the command line; returns the exit status."""
    options = tyro.cli(Options, prog="python -m train.scale", description=__doc__)
    try:
        records.check_place(options.json)
        torch.set_num_threads(1)
        record = records.of("scale", plan(options), CPU)
        print(f"{record}\n\n{text(record.as_type(Plan))}")
        if options.json is not None:
            records.write(options.json, record)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def plan(options: Options) -> Plan:
    """Measure the parts here and reckon with them."""
    _, config = PRESETS[options.preset]
    model = LatentEBM(config.model)
    parts = measure(config, model)
    n_parameters = sum(p.numel() for p in model.parameters())
    reckon = partial(_place, options, config, parts, n_parameters)
    places = [_here(options, config, parts), *(reckon(n, m) for n, m in ((1, 1), (8, 1), (32, 4)))]
    names = ("gpu_tflops", "pass_ms", "node_gbytes", "network_gbytes")
    assumed = {name: getattr(options, name) for name in names}
    assumed["examples"] = float(options.n_examples)
    return Plan(options.preset, n_parameters, parts, assumed, places)


def measure(config: TrainConfig, model: LatentEBM) -> list[Part]:
    """The parts of Algorithm 1 on noise, by one thread of this machine."""
    rng = torch.Generator().manual_seed(0)
    many = model.prior.sample_base(_CHAINS_MEASURED, generator=rng)
    shape = config.model.data_shape
    n = max(4, min(config.batch_size, _VALUES_MEASURED // math.prod(shape)))
    x, z = torch.rand(n, *shape), many[:n]
    k0, k1 = config.prior_sampler.n_steps, config.posterior_sampler.n_steps
    prior_step, posterior_step = (
        replace(chain, n_steps=1) for chain in (config.prior_sampler, config.posterior_sampler)
    )
    density, precision = model.prior_density(), ranks.native(config.precision, CPU)
    work: list[tuple[str, int, Tensor, Callable[[], object]]] = [
        (
            "prior chain, a step",
            k0,
            many,
            lambda: langevin.sample(density, many, prior_step, generator=rng),
        ),
        (
            "posterior chain, a step",
            k1,
            z,
            lambda: posterior_chain(model, x, z, posterior_step, rng, precision),
        ),
        ("learning f", 1, many, lambda: prior_loss(model.prior, many, many + 1).backward()),
        ("learning g", 1, z, lambda: _learn_generator(precision, model, x, z)),
    ]
    return [Part(name, times, *_cost(task, len(rows))) for name, times, rows, task in work]


def _learn_generator(precision: Precision, model: LatentEBM, x: Tensor, z: Tensor) -> None:
    with autocast(precision, CPU):
        loss = generator_loss(model, x, z)
    loss.backward()


def _cost(task: Callable[[], object], n: int) -> tuple[float, float]:
    """Operations and seconds of this process (the median of five) for each of n examples."""
    with _Operations() as counter:
        task()
    times = []
    for _ in range(5):
        started = time.process_time()
        task()
        times.append(time.process_time() - started)
    return counter.flop / n, median(times) / n


class _Operations(TorchDispatchMode):
    """Counts as torch's own counter does, which cannot follow a gradient in z alone."""

    flop = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.flop += count(*args, **(kwargs or {}), out_val=out)
        return out


def _here(options: Options, config: TrainConfig, parts: list[Part]) -> Place:
    """One thread of this machine: measured parts, added up."""
    iteration = config.batch_size * sum(part.passes * part.seconds for part in parts)
    step = parts[0].seconds * CHAINS
    return _whole("one thread here, as measured", options, config, iteration, step)


def _place(
    options: Options,
    config: TrainConfig,
    parts: list[Part],
    n_parameters: int,
    n_gpus: int,
    n_machines: int,
) -> Place:
    """So many GPUs, which share each batch and average gradients by a ring."""
    rate, least = options.gpu_tflops * 1e12, options.pass_ms / 1e3
    mine = math.ceil(config.batch_size / n_gpus)
    passes = sum(part.passes * max(mine * part.flop / rate, least) for part in parts)
    bandwidth = options.network_gbytes if n_machines > 1 else options.node_gbytes
    message = 2 * (n_gpus - 1) / n_gpus * 4 * n_parameters / (bandwidth * 1e9)
    step = max(CHAINS / n_gpus * parts[0].flop / rate, least)
    machines = "1 machine" if n_machines == 1 else f"{n_machines} machines"
    name = f"{n_gpus} GPU{'s' if n_gpus > 1 else ''}, {machines}"
    return _whole(name, options, config, passes + message, step)


def _whole(
    name: str, options: Options, config: TrainConfig, iteration: float, chain_step: float
) -> Place:
    epoch = math.ceil(options.n_examples / config.batch_size) * iteration
    return Place(
        name,
        iteration,
        epoch,
        config.epochs * epoch,
        config.prior_sampler.n_steps * chain_step,
        LONG_RUN * chain_step,
    )


def text(found: Plan) -> str:
    """The plan in Markdown: measured, assumed, reckoned."""
    config, a = PRESETS[found.preset][1], found.assumed
    k0, batch = config.prior_sampler.n_steps, config.batch_size
    measured = markdown.table(
        ["measured here, an example", "times an iteration", "Gflop", "CPU ms", "Gflop/s"],
        [
            [
                part.name,
                f"{part.passes}",
                f"{part.flop / 1e9:.3g}",
                f"{part.seconds * 1e3:.3g}",
                f"{part.flop / part.seconds / 1e9:.3g}",
            ]
            for part in found.parts
        ],
    )
    reckoned = markdown.table(
        ["where", "iteration", "epoch", f"{config.epochs} epochs"]
        + [f"10⁶ prior chains, {k:,} steps" for k in (k0, LONG_RUN)],
        [
            [p.name, *map(_duration, (p.iteration, p.epoch, p.run, p.short_chains, p.long_chains))]
            for p in found.places
        ],
    )
    return (
        f"{found.preset}: batches of {batch}, {a['examples']:,.0f} examples, "
        f"{found.n_parameters / 1e6:.3g} million parameters.\n\n{measured}\n\n"
        f"Assumed, not measured: a GPU sustains {a['gpu_tflops']:g} Tflop/s on these networks, and "
        f"a pass takes it {a['pass_ms']:g} ms at least; gradients are averaged at "
        f"{a['node_gbytes']:g} GB/s within a machine and {a['network_gbytes']:g} GB/s between "
        "machines. Left out: loading, noise, checkpoints.\n\n"
        f"{reckoned}"
    )


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.3g} {unit}"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


if __name__ == "__main__":
    sys.exit(main())
