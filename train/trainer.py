"""A training run: a method over a data set, watched, saved and resumable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import ExponentialLR

from lebm import checkpoint
from lebm.model import LatentEBM
from lebm.noise import SharedGenerator
from train import cards, divergence, evaluation, scores, seeds, text_evaluation
from train.config import TrainConfig
from train.data import Dataset, hold_out, to_model_range
from train.data.order import epoch_order
from train.methods import METHODS
from train.ranks import LostProcess, connect, native
from train.run_dir import CsvLog, RunDir, RunError

STATE_VERSION = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands, for whoever watches it."""

    step: int
    n_steps: int
    """Of the whole run, as it is expected now."""
    rate: float
    """Iterations a second since the watcher was last called."""
    metrics: dict[str, float]
    """The newest row of metrics.csv."""
    saved: bool
    """Whether a checkpoint has just been written."""


class Trainer:
    """Everything that changes during a run, and how it is saved and restored.

    Args:
        config: the run's settings.
        dataset: what it learns from.
        run: where it writes.
        command: the command that started it, for the model's card.

    Raises:
        RunError: if the accelerator cannot be used here.
        DatasetUnavailable: if the class that is to be held out cannot be.
        ValueError: if no such model can be built.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset, run: RunDir, command: str) -> None:
        if config.held_out is not None:
            dataset = hold_out(dataset, config.held_out, config.split)
        self.config = config = config.with_vocabulary(dataset.vocabulary)
        self.dataset, self.run, self.command = dataset, run, command
        if config.threads:
            torch.set_num_threads(config.threads)
        self.fabric = connect(config.accelerator, config.precision)
        self.precision = native(config.precision, self.fabric.device)
        torch.manual_seed(config.seed)  # the weights' initial values; nothing else draws from it
        self.rng = SharedGenerator(self.fabric.device)
        self.rng.manual_seed(seeds.derived(config.seed, 0, 2))  # not the stream of weights
        self.method = METHODS[config.method](config, dataset.train, self.fabric, generator=self.rng)
        if dataset.anomalies is not None:
            self.method.expect_scoring(len(scores.examples(dataset)))
        self.ranks = self.method.ranks
        self._join()
        self.schedulers = [
            ExponentialLR(optimizer, config.optimizer.lr_decay)
            for optimizer in self.method.optimizers.values()
        ]
        self._vocabulary = dataset.vocabulary.digest() if dataset.vocabulary else ""
        self.step = 0
        self.seconds = 0.0
        cpu = self.fabric.device.type == "cpu"
        alone = cpu and config.threads == 1 and self.ranks.n_processes == 1
        self._clock = time.process_time if alone else time.perf_counter
        self._stopping = False
        self._watched = (0, time.perf_counter())
        self._epoch_order: tuple[int, Tensor] = (-1, torch.empty(0))

    def _join(self) -> None:
        """Let every optimiser step on the gradient of the whole batch, where others share it."""
        n, ranks = self.ranks.n_processes, self.ranks
        if n == 1:
            return
        if self.config.batch_size < n:
            raise ValueError(f"batch_size must be at least {n}, the number of processes")
        for optimizer in self.method.optimizers.values():
            optimizer.register_step_pre_hook(lambda stepped, *_: ranks.average_gradients(stepped))

    @property
    def model(self) -> LatentEBM:
        """The model that learns."""
        return self.method.model

    @property
    def steps_per_epoch(self) -> int:
        """Iterations in a pass over the data; the last batch may be smaller."""
        return -(-len(self.dataset.train) // self.config.batch_size)

    @property
    def n_steps(self) -> int:
        """Iterations in the whole run, unless its minutes are over before."""
        return self.steps_per_epoch * self.config.epochs

    @property
    def expected_steps(self) -> int:
        """As `n_steps`, by the pace so far where minutes may end the run."""
        if self.config.minutes is None or not self.seconds:
            return self.n_steps
        return min(self.n_steps, math.ceil(self.step * 60 * self.config.minutes / self.seconds))

    @property
    def finished(self) -> bool:
        """Whether the last epoch was reached or the minutes are over."""
        minutes = math.inf if self.config.minutes is None else self.config.minutes
        return self.step >= self.n_steps or self.seconds >= 60 * minutes

    def stop(self) -> None:
        """Ask `fit` to save and return after the iteration under way; safe in a signal handler."""
        self._stopping = True

    def fit(self, watch: Callable[[Progress], None] | None = None) -> bool:
        """Learn until the run is finished, from wherever it stands.

        Args:
            watch: called after each iteration that is logged or saved.

        Returns:
            Whether the run is finished; False after `stop`.

        Raises:
            DivergedRun: if the loss or a chain diverges.
            RunError: if a file cannot be written (a full disk, say).
            LostProcess: if another process that shares the run ends.
        """
        try:
            with ExitStack() as opened:
                logs = self._logs(opened) if self.ranks.first else None
                stopped = False
                while not self.finished and not stopped:
                    stopped = self._advance(logs, watch or (lambda _: None))
        except OSError as error:
            raise RunError(
                f"step {self.step}: {self.run.path} cannot be written ({error.strerror}); make "
                f"room or repair it and run `python -m train resume {self.run.path}`"
            ) from error
        except LostProcess as error:
            raise LostProcess(
                f"step {self.step}: {error}, so that this one ends too; what was saved last is "
                f"whole: `python -m train resume {self.run.path}`, on as many processes as you like"
            ) from error
        return self.finished

    def _logs(self, opened: ExitStack) -> tuple[CsvLog, CsvLog]:
        """Both logs up to this step; scores of later ones go, too."""
        self.run.forget_scores(after=self.step)
        metrics = opened.enter_context(CsvLog(self.run.path / "metrics.csv", self.step))
        rows = opened.enter_context(CsvLog(self.run.path / "evaluation.csv", self.step))
        return metrics, rows

    def _advance(
        self, logs: tuple[CsvLog, CsvLog] | None, watch: Callable[[Progress], None]
    ) -> bool:
        """One iteration and what is due after it; returns whether it was the last before a stop."""
        started = self._clock()
        scalars, stopping = self.ranks.combine(self._iterate(), self._stopping)
        self.step += 1
        if self.step % self.steps_per_epoch == 0:
            for scheduler in self.schedulers:
                scheduler.step()
        metrics = self._metrics(scalars)  # raises rather than saves what has diverged
        self.seconds = self.ranks.of_first(self.seconds + self._clock() - started)
        if logs is not None:
            self._record(metrics, stopping, *logs, watch)
        return stopping

    def _record(
        self,
        metrics: dict[str, float],
        stopping: bool,
        metrics_log: CsvLog,
        evaluation_log: CsvLog,
        watch: Callable[[Progress], None],
    ) -> None:
        """Write and tell what is due after an iteration."""
        log_due = self.finished or self.step % self.config.log_every == 0
        save_due = self.finished or self.step % self.config.save_every == 0
        rate = (self.step - self._watched[0]) / (time.perf_counter() - self._watched[1])
        if log_due:
            metrics_log.add(self._stamp() | metrics)
        if save_due:
            self._save(evaluation_log)
        elif stopping:
            self.run.save_state(self.state_dict())
        if log_due or save_due:
            self._watched = (self.step, time.perf_counter())
            watch(Progress(self.step, self.expected_steps, rate, metrics, save_due))

    def _iterate(self) -> dict[str, Tensor]:
        """One mini-batch (step 1 of Algorithm 1) and what the method learns from it."""
        epoch, position = divmod(self.step, self.steps_per_epoch)
        size = self.config.batch_size
        batch = self._order(epoch)[position * size :][:size]
        rows = batch[self.ranks.share(len(batch))]
        if self.ranks.n_processes > 1:
            self.rng.share(len(batch), self.ranks.rows)
        x = self.fabric.to_device(to_model_range(self.dataset.train[rows]))
        return self.method.iteration(x, rows, generator=self.rng)

    def _order(self, epoch: int) -> Tensor:
        """The training rows in this epoch's order."""
        if self._epoch_order[0] != epoch:
            config = self.config
            rows = epoch_order(self.dataset, config.batch_size, seed=config.seed, epoch=epoch)
            self._epoch_order = (epoch, rows)
        return self._epoch_order[1]

    def _metrics(self, scalars: dict[str, Tensor]) -> dict[str, float]:
        """The iteration's scalars as a row.

        Raises:
            DivergedRun: on a value that is not finite or a chain beyond its radius.
        """
        values = torch.stack(list(scalars.values())).tolist()  # one wait
        row = dict(zip(scalars, values, strict=True))
        if "mse" in row:
            row["mse"] *= evaluation.mse_scale(self.dataset.test)
        divergence.check(row, self.method.chain_limits(), self.step, self.run)
        return row

    def _stamp(self) -> dict[str, float]:
        epoch = self.step / self.steps_per_epoch
        return {"step": self.step, "epoch": round(epoch, 4), "seconds": round(self.seconds, 2)}

    def _save(self, log: CsvLog) -> None:
        """Pictures, evaluation row, model file, and last the state that says they are there."""
        config = self.config
        self.model.eval()
        self.method.prepare_model()
        judge = text_evaluation.judge if self.dataset.vocabulary else evaluation.judge
        row = judge(self.method, self.dataset.test, self.run.path / "samples", self.step)
        row |= self._score()
        log.add(self._stamp() | row)
        card = cards.run_card(
            config,
            name=self.run.path.name,
            facts={
                "command": self.command,
                "training examples": len(self.dataset.train),
                "iterations": self.step,
                "epochs": round(self.step / self.steps_per_epoch, 2),
                "minutes": round(self.seconds / 60, 1),
                "precision": self.precision,
                "hardware": cards.hardware(self.fabric.device, self.ranks.n_processes),
                **self.method.facts(),
                **({"data fidelity": self.dataset.note} if self.dataset.note else {}),
            },
            evaluated=row,
            prior_sampler=self.method.prior_sampler(),
            reconstruction_sampler=self.method.reconstruction_sampler(),
        )
        checkpoint.save(self.run.checkpoint_path(self.step), self.model, card)
        self.run.save_state(self.state_dict())
        self.model.train()

    def _score(self) -> dict[str, float]:
        """AUPRC of the whole test set where a class is held out; every example's terms are kept.

        The last checkpoints alone are scored, as many as count; the others' AUPRC is NaN.
        """
        if self.dataset.anomalies is None:
            return {}
        to_come = -(-(self.expected_steps - self.step) // self.config.save_every)
        if to_come >= scores.COUNTED:
            return dict.fromkeys(scores.AREAS, float("nan"))
        known = scores.score(self.method, self.dataset, seed=self.step)
        scores.save(self.run.scores_path(self.step), known)
        return {name: area(known.is_anomaly, known.total()) for name, area in scores.AREAS.items()}

    def state_dict(self) -> dict[str, Any]:
        """All that changes during a run, as plain containers and tensors."""
        return {
            "version": STATE_VERSION,
            "command": self.command,
            "step": self.step,
            "seconds": self.seconds,
            "n_examples": len(self.dataset.train),
            "vocabulary": self._vocabulary,
            "schedulers": [s.state_dict() for s in self.schedulers],
            "rng": self.rng.get_state(),
            **self.method.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where `state_dict` was taken.

        Raises:
            RunError: if the state is of another version, model, data set or kind of device.
        """
        if state.get("version") != STATE_VERSION:
            raise RunError(f"{self.run.path}/state.pt is of another version of this program")
        if state.get("n_examples") != len(self.dataset.train):
            raise RunError(
                f"{self.run.path} was trained on {state.get('n_examples')} examples, the data set "
                f"now has {len(self.dataset.train)}: bring back the old data, or start a new run"
            )
        if state.get("vocabulary", "") != self._vocabulary:
            raise RunError(
                f"{self.run.path} was trained on sentences of other words than the data now "
                "have: bring back the old data, or start a new run"
            )
        try:
            self.method.load_state_dict(state)
            for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
                scheduler.load_state_dict(saved)
            self.rng.set_state(state["rng"])
            self.step, self.seconds = int(state["step"]), float(state["seconds"])
            self.command = state["command"]
        except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
            raise RunError(
                f"{self.run.path}/state.pt does not fit its config.json or this kind of device"
            ) from error
        self._watched = (self.step, time.perf_counter())

    def take_over(self, state: dict[str, Any]) -> None:
        """Stand where another run's state was taken, with the seed and the rates of this one.

        Weights, moments, position and posterior chains are the other run's.

        Raises:
            RunError: as `load_state_dict`.
        """
        rates = [scheduler.base_lrs for scheduler in self.schedulers]
        self.load_state_dict(state | {"rng": self.rng.get_state(), "command": self.command})
        for scheduler, own in zip(self.schedulers, rates, strict=True):
            decay = self.config.optimizer.lr_decay**scheduler.last_epoch
            for group, rate in zip(scheduler.optimizer.param_groups, own, strict=True):
                group |= {"initial_lr": rate, "lr": rate * decay}
