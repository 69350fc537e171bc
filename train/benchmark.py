"""How fast sampling and learning are, beside plain eager loops: `python -m train.benchmark`.

Both sides have the same networks and take the same steps; the plain side is
`train.eager_reference`.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.optim import Adam

from lebm import langevin, zoo
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from lebm.noise import ChainNoise
from train import data, eager_reference, precision, records
from train.cards import hardware
from train.config import TrainConfig
from train.contest import HEADER, Contest, Row, timed, weighed
from train.methods import METHODS
from train.precision import Precision, posterior_chain
from train.presets import PRESETS, PRIOR
from train.ranks import native

_SHORT_RUN = LangevinConfig(n_steps=20, step_size=0.005)  # the paper's K_1, from noise
_MNIST = PRESETS["mnist"][1]

#: Learning iterations that are timed, each beside a plain iteration of Algorithm 1 with the steps
#: that its settings name; one line more is one row more.
ITERATIONS: dict[str, TrainConfig] = {
    "short run": replace(_MNIST, posterior_sampler=_SHORT_RUN, posterior_chains="short-run"),
    "persistent": _MNIST,
    "amortised beside plain short run": replace(
        _MNIST, method="amortised", posterior_sampler=_SHORT_RUN
    ),
    "VAE beside plain short run": replace(_MNIST, method="vae", posterior_sampler=_SHORT_RUN),
}


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What one call of the command found."""

    torch: str
    repetitions: int
    minutes: float
    rows: list[Row]
    precision: Precision


def main(
    report: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    threads: int = 0,
    repetitions: int = 9,
    device: Literal["cpu", "cuda"] = "cpu",
) -> int:
    """Time sampling and learning beside plain eager loops and print a table.

    Args:
        report: file for the same numbers as JSON.
        threads: CPU threads; 0 leaves the choice to torch.
        repetitions: of each contest, after one that warms up; medians count.
        device: where to compute.

    Returns:
        The exit status.
    """
    try:
        if repetitions < 1 or threads < 0:
            raise ValueError("repetitions must be at least 1 and threads at least 0")
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("--device cuda: there is no GPU here that torch can use")
        records.check_place(report)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if threads:
        torch.set_num_threads(threads)
    started, place = time.perf_counter(), torch.device(device)
    where = f"{hardware(place)}, torch {torch.__version__}"
    print(f"{where}; medians of {repetitions}, alternating, after warm-up\n\n{HEADER}")
    rows = []
    for row in _rows(place, repetitions):
        print(row, flush=True)
        rows.append(row)
    compared = precision.compare(*precision.zoo_examples(64), seeds=range(4))
    minutes = (time.perf_counter() - started) / 60
    print(f"\n{compared}\n\n{minutes:.1f} minutes")
    if report is not None:
        found = Benchmark(str(torch.__version__), repetitions, minutes, rows, compared)
        records.save(report, "benchmark", found, place)
    return 0


def _rows(device: torch.device, repetitions: int) -> Iterator[Row]:
    for contests in (_prior_contests, _posterior_contests, _iteration_contests):
        for contest in contests(device):
            yield timed(contest, device, repetitions)
    for contest in _memory_contests(device):
        yield weighed(contest, device)


def _prior_contests(device: torch.device) -> Iterator[Contest]:
    """Prior chains of the zoo's mnist model (latent 32, f of 200 and 200 units)."""
    model = zoo.load_model("mnist")[0].to(device)
    rng = torch.Generator(device).manual_seed(0)
    density = model.prior_density()
    for n, n_steps, aim in ((1, 60, 8.0), (64, 60, 2.5), (1000, 15, None)):
        config = replace(PRIOR, n_steps=n_steps)
        z = model.prior.sample_base(n, generator=rng)
        plain = partial(eager_reference.prior_chain, model.prior, z, config, rng)
        ours = partial(langevin.sample, density, z, config, generator=rng)
        bare = partial(_bare_products, model.prior.f, z, n_steps)
        yield Contest(f"prior chain, n = {n:,}", n * n_steps, "chain-steps", plain, ours, bare, aim)
    n, config = 64, replace(PRIOR, n_steps=128)
    start = langevin.init(density, model.prior.sample_base(n, generator=rng))
    plain = partial(eager_reference.prior_chain, model.prior, start.z, config, rng)
    noise = ChainNoise(0, range(n), model.config.latent_dim)
    recorded: Callable[[], object] = partial(langevin.run, density, start, config, noise=noise)
    name = "recorded by `langevin.run`, plain not recorded, n = 64"
    yield Contest(name, n * config.n_steps, "chain-steps", plain, recorded)


@torch.no_grad()
def _bare_products(f: nn.Module, z: Tensor, n_steps: int) -> None:
    """The matrix products of f and its gradient, and nothing else."""
    first, second, _ = (layer.weight for layer in f.children() if isinstance(layer, nn.Linear))
    for _ in range(n_steps):
        h = linear(linear(z, first), second)
        h @ second @ first


def _posterior_contests(device: torch.device) -> Iterator[Contest]:
    """Posterior chains of the MNIST and the 32×32 generator, batch 128, in both precisions."""
    for name, preset in (("28×28, width 16", "mnist"), ("32×32 colour, width 32", "image-folder")):
        model = LatentEBM(PRESETS[preset][1].model).to(device)
        rng = torch.Generator(device).manual_seed(0)
        start, x = (model.prior.sample_base(128, generator=rng) for _ in range(2))
        x, n = model.generate(x), 4
        config = replace(_SHORT_RUN, n_steps=n)
        plain_model = eager_reference.plain_model(model)
        plain = partial(eager_reference.posterior_chain, plain_model, x, start, config, rng)
        for width in dict.fromkeys(("32-true", native("bf16-mixed", device))):
            ours = partial(posterior_chain, model, x, start, config, rng, width)
            title = f"posterior, {name}, {width}"
            yield Contest(title, n, "steps of 128 chains", plain, ours, aim=4.0)


def _iteration_contests(device: torch.device) -> Iterator[Contest]:
    """One learning iteration with MNIST's settings, on noise of MNIST's size."""
    pictures = torch.randint(0, 256, (512, 1, 28, 28), dtype=torch.uint8)
    for name, config in ITERATIONS.items():
        rng = torch.Generator(device).manual_seed(0)
        width = native(config.precision, device)
        fabric = Fabric(accelerator=device.type, devices=1, precision=width)
        method = METHODS[config.method](config, pictures, fabric, generator=rng)
        rows = torch.arange(config.batch_size)
        x = data.to_model_range(pictures[rows]).to(device)
        ours = partial(method.iteration, x, rows, generator=rng)
        model = eager_reference.plain_model(LatentEBM(config.model).to(device))
        start = model.prior.sample_base(len(x), generator=rng)
        adams = Adam(model.prior.parameters(), 1e-4), Adam(model.generator.parameters(), 1e-4)
        samplers = config.prior_sampler, config.posterior_sampler
        iterate = eager_reference.learning_iteration
        plain = partial(iterate, model, x, start, start, *adams, *samplers, rng)
        steps = f" (K₁ = {config.posterior_sampler.n_steps})" if config.method == "lebm" else ""
        aim = 3.0 if config.method == "lebm" else None
        title = f"iteration, {name}{steps}, {width}"
        yield Contest(title, 1, "iterations", plain, ours, aim=aim)


def _memory_contests(device: torch.device) -> Iterator[Contest]:
    """Peak memory against steps and chains."""
    model = zoo.load_model("mnist")[0].to(device)
    rng = torch.Generator(device).manual_seed(0)
    density, plain_model = model.prior_density(), eager_reference.plain_model(model)
    for n, n_steps in ((1000, 20), (1000, 200), (10_000, 20)):
        config, z = replace(PRIOR, n_steps=n_steps), model.prior.sample_base(n, generator=rng)
        plain = partial(eager_reference.prior_chain, model.prior, z, config, rng)
        ours = partial(langevin.sample, density, z, config, generator=rng)
        yield Contest(f"memory, prior, {n:,} chains, {n_steps} steps", 1, "MB", plain, ours)
    for n_chains, n_steps in ((32, 2), (32, 8), (128, 2)):
        config = replace(_SHORT_RUN, n_steps=n_steps)
        z = model.prior.sample_base(n_chains, generator=rng)
        x = model.generate(z)
        plain = partial(eager_reference.posterior_chain, plain_model, x, z, config, rng)
        width = native("bf16-mixed", device)
        ours = partial(posterior_chain, model, x, z, config, rng, width)
        name = f"memory, posterior, {n_chains} chains, {n_steps} steps"
        yield Contest(name, 1, "MB", plain, ours)


if __name__ == "__main__":
    sys.exit(tyro.cli(main, prog="python -m train.benchmark"))
