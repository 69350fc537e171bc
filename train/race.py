"""Who learns faster: methods on one generator over the same minutes, `python -m train.race`.

Contestants take turns, so that a busy moment of the machine meets them all. After each turn its
contestant stands saved, and what it reached is in race.json: the same command goes on after a
kill, or with more --minutes after the end. The clock runs while a contestant learns, not while
it is judged.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import tyro
from torch import Tensor

from lebm.langevin import LangevinConfig
from train import cards, data, evaluation, features, records, run_lock
from train.config import AmortisedConfig, TrainConfig
from train.divergence import DivergedRun
from train.frechet import Frechet
from train.pictures import quantise
from train.presets import PRESETS
from train.race_record import Point, Race, save, table
from train.run_dir import RunDir, RunError
from train.trainer import Trainer

Contestant = Literal[
    "short-run", "persistent", "replay", "amortised", "warm-start", "warm-prior", "vae"
]

_BATCH = 250
_NEVER = 10**9  # iterations and epochs beyond any race's minutes
_SETTINGS = ("preset", "seed", "test_examples", "samples", "distance")  # that points share


def _short_run(preset: TrainConfig) -> TrainConfig:
    """Algorithm 1 as published: K_1 = 20 posterior steps from noise."""
    published = LangevinConfig(n_steps=20, step_size=0.005)
    return replace(preset, posterior_sampler=published, posterior_chains="short-run")


def _persistent(preset: TrainConfig) -> TrainConfig:
    return replace(preset, posterior_chains="persistent")


def _amortised(preset: TrainConfig, **steps: int) -> TrainConfig:
    return replace(preset, method="amortised", amortised=AmortisedConfig(**steps))


#: Name -> the settings it learns with, from those of the preset.
CONTESTANTS: dict[Contestant, Callable[[TrainConfig], TrainConfig]] = {
    "short-run": _short_run,
    "persistent": _persistent,
    "replay": lambda preset: replace(_persistent(preset), prior_chains="persistent"),
    "amortised": _amortised,
    "warm-start": lambda preset: _amortised(preset, posterior_steps=2, prior_steps=2),
    "warm-prior": lambda preset: _amortised(preset, prior_steps=20),
    "vae": lambda preset: replace(preset, method="vae"),
}


@dataclass(frozen=True, slots=True)
class Options:
    """A race."""

    contestants: tyro.conf.Positional[tuple[Contestant, ...]] = (
        "short-run",
        "persistent",
        "amortised",
        "warm-start",
        "warm-prior",
        "vae",
    )
    """Who takes part. short-run: Algorithm 1 with 20 posterior steps from noise; persistent: with
    remembered posterior chains; replay: with remembered prior chains as well; amortised: learned
    samplers; warm-start: the same, refined by 2 Langevin steps; warm-prior: only the prior's draws
    refined, by 20 steps; vae."""
    preset: Literal["digits", "mnist", "fashion-mnist"] = "mnist"
    """Data, generator and settings; the learning rates stay constant here."""
    minutes: float = 10.0
    """Of learning, for each contestant."""
    every: float = 1.0
    """Minutes between measurements."""
    features: str = "inception"
    """Whose features the samples' Fréchet distance compares, as for `python -m train.evaluate`;
    without them the test error alone is measured."""
    samples: int = 5000
    """Samples for that distance, against as many training images, the first ones."""
    test_examples: int = 1000
    """Held-out examples to reconstruct, the first ones."""
    out: Path = Path("runs/race")
    """The race's folder: a run for each contestant, race.json, race.md and race.svg."""
    seed: int = 0
    """Of weights, order of the data, chains and samples."""
    threads: int = 1
    """CPU threads. With one, minutes are the processor's, so that other programs on the machine
    cost no contestant anything; 0 leaves the choice to torch, and the clock is the wall's."""
    data_root: Path | None = None
    """Folder with the data, as for `python -m train`."""

    def __post_init__(self) -> None:
        for name in ("minutes", "every"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if self.minutes < self.every:
            raise ValueError(
                f"minutes must be at least every, {self.every:g}, for one measurement, not "
                f"{self.minutes:g}"
            )
        if self.samples < 2 or self.test_examples < 1:
            raise ValueError("samples must be at least 2 and test_examples at least 1")
        if not self.contestants:
            raise ValueError("name at least one contestant")


def main() -> int:
    """Run the command line; returns the exit status."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        options = tyro.cli(Options, prog="python -m train.race", description=__doc__)
        with run_lock.hold(options.out):
            race = run(options)
        print(f"\n{table(race)}\n\nwritten: {options.out}/race.json, race.md, race.svg")
    except (
        ValueError,
        OSError,
        data.DatasetUnavailable,
        features.FeaturesUnavailable,
        records.RecordError,
        RunError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from each contestant's last measurement")
        return 130
    return 0


def run(options: Options) -> Race:
    """Race from wherever the folder stands to `options.minutes`.

    Raises:
        RunError: if the folder holds another race, or cannot be written.
        RecordError: if its race.json is damaged.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    preset = PRESETS[options.preset][1]
    dataset = data.load(preset.dataset, preset.model.data_shape, options.data_root)
    extractor = features.load_or_go_without(options.features)
    race = _open(options, extractor)
    for turn in range(1, int(options.minutes / options.every + 1e-9) + 1):
        for name in options.contestants:
            points, mark = race.points.setdefault(name, []), turn * options.every
            if name in race.ended or (points and points[-1].minutes >= mark):
                continue
            try:
                trainer = _advance(name, options, dataset, mark)
            except DivergedRun as error:
                race.ended[name] = str(error)
            else:
                points.append(_measure(trainer, options, extractor))
            save(race, options.out, _device())
            print(f"{name}: {race.ended.get(name) or points[-1]}", flush=True)
    return race


def _open(options: Options, extractor: features.Features | None) -> Race:
    """The race in the folder, or a new one."""
    new = Race(
        preset=options.preset,
        seed=options.seed,
        test_examples=options.test_examples,
        samples=options.samples,
        distance=extractor.label if extractor else "",
    )
    path = options.out / "race.json"
    if not path.exists():
        return new
    record = records.load(path)
    old, here = record.as_type(Race), cards.hardware(_device())
    differ = {n: (getattr(old, n), getattr(new, n)) for n in _SETTINGS}
    differ["hardware"] = (record.hardware, here)
    for name, (then, now) in differ.items():
        if then != now:
            what = f"a race with {name} {then!r}, not {now!r}"
            raise RunError(f"{options.out} holds {what}: choose another --out")
    return old


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _advance(name: Contestant, options: Options, dataset: data.Dataset, minutes: float) -> Trainer:
    """The contestant when it has learned for so long, saved there."""
    run = RunDir(options.out / name)
    if not (run.path / "config.json").exists():
        run.create(_config(name, options))
    trainer = Trainer(run.config(), dataset, run, command=f"python -m train.race {name}")
    state = run.load_state()
    if state is not None:
        trainer.load_state_dict(state)
    if trainer.seconds < 60 * minutes:
        trainer.fit(lambda _: trainer.stop() if trainer.seconds >= 60 * minutes else None)
    return trainer


def _config(name: Contestant, options: Options) -> TrainConfig:
    preset = PRESETS[options.preset][1]
    return replace(
        CONTESTANTS[name](preset),
        optimizer=replace(preset.optimizer, lr_decay=1.0),
        epochs=_NEVER,
        save_every=_NEVER,
        log_every=5,
        seed=options.seed,
        threads=options.threads,
        data_root=options.data_root,
    )


def _measure(trainer: Trainer, options: Options, extractor: features.Features | None) -> Point:
    device, dataset = trainer.fabric.device, trainer.dataset
    trainer.model.eval()
    trainer.method.prepare_model()
    test = dataset.test[: options.test_examples]
    distance = None
    if extractor is not None:
        real = dataset.train[: options.samples].split(_BATCH)
        fake = _samples(trainer, [len(batch) for batch in real], options.seed)
        distance = Frechet(real, extractor.network.to(device), device).distance(fake)
    return Point(
        minutes=round(trainer.seconds / 60, 3),
        iterations=trainer.step,
        test_mse=evaluation.reconstruction_mse(
            trainer.method.reconstruct, test, seed=options.seed, device=device
        ),
        distance=distance,
    )


def _samples(trainer: Trainer, sizes: list[int], seed: int) -> Iterator[Tensor]:
    """Batches of samples as uint8 images, z by the method's own sampler."""
    model, draw = trainer.model, trainer.method.sample_prior
    generator = torch.Generator(trainer.fabric.device).manual_seed(seed)
    for size in sizes:
        start = model.prior.sample_base(size, generator=generator)
        yield quantise(model.generate(draw(start, generator=generator)))


if __name__ == "__main__":
    sys.exit(main())
