"""Train a latent-space energy-based model, or continue a run."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from lightning_fabric import Fabric
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from train import command_line, data, ranks, run_lock
from train.command_line import Resume, Rewind
from train.config import TrainConfig
from train.divergence import DivergedRun
from train.ranks import LostProcess
from train.run_dir import End, RunDir, RunError, first_free, make_first_free
from train.trainer import Progress, Trainer
from train.words import counted


def main() -> int:
    """Run the command line; returns the exit status, 0 when the run reached its end."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # we say what matters
    console = Console(soft_wrap=True, highlight=False, quiet=not ranks.first())
    try:
        with ExitStack() as held:
            trainer = _prepare(command_line.parse_arguments(), console, held)
            _train(trainer, console)
    except (ValueError, OSError, data.DatasetUnavailable, RunError, DivergedRun) as error:
        _complain(error)
        return 1
    except KeyboardInterrupt:
        console.print("stopped before the first iteration")
        return 130
    return 0


def _complain(error: Exception) -> None:
    """One process says for all what is wrong.

    But each machine says whether data are there, and the second process that another one has
    ended, which may be the first.
    """
    lost = isinstance(error, LostProcess) and ranks.rank() == 1
    quiet = not (ranks.first() or lost or isinstance(error, data.DatasetUnavailable))
    Console(stderr=True, soft_wrap=True, highlight=False, quiet=quiet).print(
        f"error: {error}", style="red", markup=False
    )


def _prepare(
    arguments: TrainConfig | Resume | Rewind, console: Console, held: ExitStack
) -> Trainer:
    """A trainer that stands where the run is to begin; its folder exists and is locked.

    Of several processes that share the run, the first locks and writes the folder.
    """
    if isinstance(arguments, Resume):
        trainer = _resume(arguments, held)
    elif isinstance(arguments, Rewind):
        trainer = _rewind(arguments, held)
    else:
        trainer = _begin(arguments, held)
    dataset = trainer.dataset
    if dataset.note:
        console.print(f"note: {dataset.note}", markup=False)
    if dataset.skipped:
        what = "sentences that are too long" if dataset.vocabulary else "unreadable pictures"
        console.print(f"{dataset.skipped} {what} were left out")
    if trainer.precision != trainer.config.precision:
        console.print("in float32: this device only imitates bfloat16, which takes longer")
    console.print(
        f"{trainer.run.path}: {dataset.name}, {len(dataset.train)} examples, "
        f"{counted(max(0, trainer.expected_steps - trainer.step), 'iteration')} to go on "
        f"{trainer.fabric.device}",
        markup=False,
    )
    return trainer


def _begin(config: TrainConfig, held: ExitStack) -> Trainer:
    """The trainer of a new run."""
    fabric = ranks.connect(config.accelerator, config.precision)
    chosen = ranks.first_does(fabric, lambda: RunDir.choose(config.out, preset=sys.argv[1]))
    trainer = Trainer(config, _load(config, fabric), chosen, command_line.typed())

    def found() -> RunDir:
        run = _claim(config.out, Path("runs") / sys.argv[1], held)
        run.create(config)
        return run

    trainer.run = ranks.first_does(fabric, found)
    return trainer


def _resume(arguments: Resume, held: ExitStack) -> Trainer:
    """The trainer of an earlier run, where that run stopped."""
    run = RunDir(arguments.run)
    config = run.config()
    run.check_version()
    fabric = ranks.connect(config.accelerator, config.precision)
    ranks.first_does(fabric, lambda: _lock(run, held))
    before, state = run.config(), run.load_state()  # nobody else writes them now
    config = before
    if arguments.epochs is not None:
        config = replace(config, epochs=arguments.epochs)
    if arguments.minutes is not None:
        config = replace(config, minutes=arguments.minutes)
    trainer = Trainer(config, _load(config, fabric), run, command="")
    if state is None:
        trainer.command = command_line.typed()
    else:
        trainer.load_state_dict(state)
        if (arguments.epochs, arguments.minutes) != (None, None):
            trainer.command += f" && {command_line.typed()}"
    _refuse_less(trainer, before)
    ranks.first_does(fabric, lambda: run.create(config))
    return trainer


def _refuse_less(trainer: Trainer, before: TrainConfig) -> None:
    """See that a run has not done all, or more, of what it is now to do.

    One that has reached its end may be asked for that end again, and leaves its model alone; one
    that was stopped before its first checkpoint has no model to leave.
    """
    run, step, n_steps, minutes = trainer.run, trainer.step, trainer.n_steps, trainer.config.minutes
    no_model = not run.checkpoints()
    if step > n_steps or (step == n_steps and no_model):
        raise RunError(
            f"{run.path} has done {counted(step, 'iteration')}, --epochs {trainer.config.epochs} "
            f"ends at {n_steps:,}: give more --epochs"
        )
    over = minutes is not None and trainer.seconds >= 60 * minutes
    if over and (minutes != before.minutes or no_model):
        raise RunError(
            f"{run.path} has learned for {trainer.seconds / 60:.3g} minutes, --minutes {minutes:g} "
            "is over: give more --minutes"
        )


def _rewind(arguments: Rewind, held: ExitStack) -> Trainer:
    """The trainer of a new run that stands where an earlier one saved last."""
    old = RunDir(arguments.run)
    config, state = old.config(), old.load_state()
    old.check_version()
    if state is None:
        raise RunError(f"{old.path} saved nothing to go back to: start it anew")
    optimizer = replace(
        config.optimizer,
        lr_prior=config.optimizer.lr_prior * arguments.lr_scale,
        lr_generator=config.optimizer.lr_generator * arguments.lr_scale,
    )
    seed = config.seed + 1 if arguments.seed is None else arguments.seed
    config = replace(config, seed=seed, split_seed=config.split, optimizer=optimizer)
    fabric = ranks.connect(config.accelerator, config.precision)
    out = arguments.out or first_free(old.path)
    ranks.first_does(fabric, lambda: RunDir.choose(out, preset=""))
    trainer = Trainer(config, _load(config, fabric), old, command_line.typed())
    trainer.take_over(state)  # what does not fit is the old run's

    def found() -> RunDir:
        run = _claim(arguments.out, old.path, held)
        old.copy_history(run, trainer.step)
        run.save_state(trainer.state_dict())
        run.create(config)  # last, so that a full disk leaves no run that would begin at step 0
        return run

    trainer.run = ranks.first_does(fabric, found)
    return trainer


def _claim(out: Path | None, default: Path, held: ExitStack) -> RunDir:
    """The folder of a new run, locked; what others began while the data were read is left alone."""
    run = RunDir(out or make_first_free(default))
    _lock(run, held)
    return RunDir.choose(run.path, preset="")  # none has been begun here in the meantime


def _lock(run: RunDir, held: ExitStack) -> None:
    held.enter_context(run_lock.hold(run.path))


def _load(config: TrainConfig, fabric: Fabric) -> data.Dataset:
    model = config.model

    def load() -> data.Dataset:
        return data.load(config.dataset, model.data_shape, config.data_root, text=model.text)

    return ranks.in_turn(fabric, load)


def _train(trainer: Trainer, console: Console) -> None:
    """Run to the end under a progress bar; Ctrl-C or SIGTERM saves and stops, twice kills."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        trainer.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    columns = [
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    ]
    with ProgressBar(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=trainer.n_steps, completed=trainer.step)

        def watch(progress: Progress) -> None:
            line = _describe(progress, trainer.method.headline)
            bar.update(task, completed=progress.step, total=progress.n_steps, description=line)
            if not console.is_terminal and progress.saved:
                console.print(f"{progress.step}/{progress.n_steps} {line}", markup=False)

        finished = _fit(trainer, watch)
    if finished and trainer.ranks.first:
        console.print(f"done: {trainer.run.checkpoints()[-1]}", markup=False)
    elif not finished:
        console.print(
            f"stopped at iteration {trainer.step}; go on with "
            f"`python -m train resume {trainer.run.path}`",
            markup=False,
        )


def _fit(trainer: Trainer, watch: Callable[[Progress], None]) -> bool:
    """Train; the run's folder says how it ended."""
    if trainer.ranks.first:
        trainer.run.forget_end()
    try:
        finished = trainer.fit(watch)
    except (DivergedRun, RunError) as error:
        diverged = isinstance(error, DivergedRun)
        _save_end(trainer, End("diverged" if diverged else "failed", trainer.step, str(error)))
        raise
    _save_end(trainer, End("finished" if finished else "stopped", trainer.step))
    return finished


def _save_end(trainer: Trainer, end: End) -> None:
    if trainer.ranks.first:
        with suppress(OSError):  # a full disk has been complained of already
            trainer.run.save_end(end)


def _describe(progress: Progress, headline: tuple[str, ...]) -> str:
    m = progress.metrics
    rest = "".join(f"  {name.replace('_', ' ')} {m[name]:.3g}" for name in headline)
    error = f"mse {m['mse']:.5f}" if "mse" in m else f"nats a word {m['word_nll']:.3f}"
    return f"{progress.rate:.2f} it/s  {error}{rest}"


if __name__ == "__main__":
    sys.exit(main())
