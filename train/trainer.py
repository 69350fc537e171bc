"""A training run: Algorithm 1 over a data set, watched, saved and resumable."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import ExponentialLR

from lebm import checkpoint
from lebm.checkpoint import ModelCard
from lebm.model import LatentEBM
from train import evaluation
from train.algorithm1 import Iteration, learning_iteration
from train.config import TrainConfig
from train.data import Dataset, to_model_range
from train.run_dir import CsvLog, RunDir, RunError

STATE_VERSION = 1
EVALUATED = 512  # held-out examples reconstructed at a checkpoint, the first of them

_FACTS = {
    "test_mse": f"test MSE (first {EVALUATED})",
    "log_prob": "log p(x) of test points",
    "log_prob_gaussian": "the same with f = 0",
}


class DivergedRun(Exception):
    """The loss or a chain diverged; the message names the step and the last good checkpoint."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands, for whoever watches it."""

    step: int
    n_steps: int
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
    """

    def __init__(self, config: TrainConfig, dataset: Dataset, run: RunDir, command: str) -> None:
        self.config, self.dataset, self.run, self.command = config, dataset, run, command
        if config.threads:
            torch.set_num_threads(config.threads)
        self.fabric = Fabric(accelerator=config.accelerator, devices=1, precision=config.precision)
        torch.manual_seed(config.seed)  # the weights' initial values; nothing else draws from it
        self.model = LatentEBM(config.model).to(self.fabric.device)
        options = config.optimizer
        self.prior_optimizer = Adam(self.model.prior.parameters(), options.lr_prior, options.betas)
        self.generator_optimizer = Adam(
            self.model.generator.parameters(), options.lr_generator, options.betas
        )
        self.schedulers = [
            ExponentialLR(optimizer, options.lr_decay)
            for optimizer in (self.prior_optimizer, self.generator_optimizer)
        ]
        self.rng = torch.Generator(self.fabric.device).manual_seed(config.seed)
        self.step = 0
        self.seconds = 0.0
        self._stopping = False
        self._watched = (0, time.perf_counter())
        self.memory: Tensor | None = None
        if config.posterior_chains == "persistent":
            self.memory = self._base_noise(len(dataset.train)).cpu()

    @property
    def steps_per_epoch(self) -> int:
        """Iterations in a pass over the data; the last batch may be smaller."""
        return -(-len(self.dataset.train) // self.config.batch_size)

    @property
    def n_steps(self) -> int:
        """Iterations in the whole run."""
        return self.steps_per_epoch * self.config.epochs

    def stop(self) -> None:
        """Ask `fit` to save and return after the iteration under way; safe in a signal handler."""
        self._stopping = True

    def fit(self, watch: Callable[[Progress], None] | None = None) -> bool:
        """Learn until the last epoch, from wherever the run stands.

        Args:
            watch: called after each iteration that is logged or saved.

        Returns:
            Whether the last epoch was reached; False after `stop`.

        Raises:
            DivergedRun: if the loss or a chain diverges.
            RunError: if a file cannot be written (a full disk, say).
        """
        metrics_log = CsvLog(self.run.path / "metrics.csv", self.step)
        evaluation_log = CsvLog(self.run.path / "evaluation.csv", self.step)
        try:
            stopped = False
            while self.step < self.n_steps and not stopped:
                stopped = self._advance(metrics_log, evaluation_log, watch or (lambda _: None))
        except OSError as error:
            raise RunError(
                f"step {self.step}: {self.run.path} cannot be written ({error.strerror}); free "
                f"some space and run `python -m train resume {self.run.path}`"
            ) from error
        finally:
            metrics_log.close()
            evaluation_log.close()
        return self.step >= self.n_steps

    def _advance(
        self, metrics_log: CsvLog, evaluation_log: CsvLog, watch: Callable[[Progress], None]
    ) -> bool:
        """One iteration and what is due after it; returns whether it was saved to stop."""
        started = time.perf_counter()
        iteration = self._iterate()
        self.step += 1
        if self.step % self.steps_per_epoch == 0:
            for scheduler in self.schedulers:
                scheduler.step()
        last = self.step == self.n_steps
        log_due = last or self.step % self.config.log_every == 0
        save_due = last or self.step % self.config.save_every == 0
        stopping = self._stopping
        if log_due or save_due or stopping:
            metrics = self._metrics(iteration)  # raises rather than saves what has diverged
        self.seconds += time.perf_counter() - started
        if log_due:
            metrics_log.add(self._stamp() | metrics)
        if save_due:
            self._save(evaluation_log)
        elif stopping:
            self.run.save_state(self.state_dict())
        if log_due or save_due:
            rate = (self.step - self._watched[0]) / (time.perf_counter() - self._watched[1])
            self._watched = (self.step, time.perf_counter())
            watch(Progress(self.step, self.n_steps, rate, metrics, save_due))
        return stopping

    def _iterate(self) -> Iteration:
        """One mini-batch of Algorithm 1 (its step 1 is here)."""
        config = self.config
        epoch, position = divmod(self.step, self.steps_per_epoch)
        order = np.random.default_rng([config.seed, epoch]).permutation(len(self.dataset.train))
        rows = torch.from_numpy(order[position * config.batch_size :][: config.batch_size])
        x = self.fabric.to_device(to_model_range(self.dataset.train[rows]))
        if self.memory is None:
            z_plus_start = self._base_noise(len(rows))
        else:
            z_plus_start = self.fabric.to_device(self.memory[rows])
        iteration = learning_iteration(
            self.model,
            x,
            z_plus_start,
            self.prior_optimizer,
            self.generator_optimizer,
            config.prior_sampler,
            config.posterior_sampler,
            generator=self.rng,
            autocast=self.fabric.autocast,
        )
        if self.memory is not None:
            self.memory[rows] = iteration.z_plus.cpu()
        return iteration

    def _base_noise(self, n: int) -> Tensor:
        return self.model.prior.sample_base(n, generator=self.rng)

    def _metrics(self, iteration: Iteration) -> dict[str, float]:
        """The iteration's scalars as a row.

        Raises:
            DivergedRun: on a value that is not finite or a chain beyond its radius.
        """
        row = {name: float(value) for name, value in iteration.metrics.items()}
        row["mse"] = self._mse(row["nll_given_z"])
        wrong = [name for name, value in row.items() if not math.isfinite(value)]
        radius = self.config.prior_sampler.max_radius
        if not wrong and row["max_norm"] <= radius:
            return row
        what = f"{wrong[0]} is not finite" if wrong else f"a chain left the radius {radius:g}"
        good = self.run.checkpoints()
        where = f"the last good checkpoint is {good[-1]}" if good else "no checkpoint was saved"
        raise DivergedRun(
            f"diverged at step {self.step}: {what}; {where}. Try a lower learning rate or step "
            "size, or another seed"
        )

    def _mse(self, nll_given_z: float) -> float:
        """The squared error inside -log p_β(x|z), on the scale of `reconstruction_mse`."""
        variance, shape = self.model.noise_std**2, self.config.model.data_shape
        n_values = math.prod(shape)
        sq_error = 2 * variance * nll_given_z - n_values * variance * math.log(math.tau * variance)
        return sq_error / n_values * evaluation.mse_scale(self.dataset.test)

    def _stamp(self) -> dict[str, float]:
        epoch = self.step / self.steps_per_epoch
        return {"step": self.step, "epoch": round(epoch, 4), "seconds": round(self.seconds, 2)}

    def _save(self, log: CsvLog) -> None:
        """Pictures, evaluation row, model file, and last the state that says they are there."""
        config, test = self.config, self.dataset.test
        self.model.eval()
        evaluation.save_samples(
            self.model,
            test,
            config.prior_sampler,
            config.reconstruction,
            self.run.path / "samples",
            self.step,
        )
        row = {
            "test_mse": evaluation.reconstruction_mse(
                self.model, test[:EVALUATED], config.reconstruction, seed=0
            )
        }
        if config.model.latent_dim == 2:
            row["log_prob"] = evaluation.exact_log_prob(self.model, test)
            row["log_prob_gaussian"] = evaluation.exact_log_prob(self.model, test, tilted=False)
        log.add(self._stamp() | row)
        checkpoint.save(self.run.checkpoint_path(self.step), self.model, self._card(row))
        self.run.save_state(self.state_dict())
        self.model.train()

    def _card(self, evaluated: dict[str, float]) -> ModelCard:
        config = self.config
        facts: dict[str, str | int | float] = {
            "data": config.dataset,
            "command": self.command,
            "training examples": len(self.dataset.train),
            "iterations": self.step,
            "epochs": round(self.step / self.steps_per_epoch, 2),
            "minutes": round(self.seconds / 60, 1),
            "hardware": _hardware(self.fabric.device),
            "seed": config.seed,
            "parameters of f": _count(self.model.prior),
            "parameters of g": _count(self.model.generator),
        }
        facts |= {_FACTS[name]: value for name, value in evaluated.items()}
        return ModelCard(
            name=self.run.path.name,
            prior_sampler=config.prior_sampler,
            posterior_sampler=config.reconstruction,
            facts=facts,
        )

    def state_dict(self) -> dict[str, Any]:
        """All that changes during a run, as plain containers and tensors."""
        return {
            "version": STATE_VERSION,
            "command": self.command,
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "prior_optimizer": self.prior_optimizer.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "schedulers": [s.state_dict() for s in self.schedulers],
            "rng": self.rng.get_state(),
            "memory": self.memory,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where `state_dict` was taken.

        Raises:
            RunError: if the state is of another version or another model.
        """
        if state.get("version") != STATE_VERSION:
            raise RunError(f"{self.run.path}/state.pt is of another version of this program")
        try:
            self.model.load_state_dict(state["model"])
            self.prior_optimizer.load_state_dict(state["prior_optimizer"])
            self.generator_optimizer.load_state_dict(state["generator_optimizer"])
            for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
                scheduler.load_state_dict(saved)
            self.rng.set_state(state["rng"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise RunError(
                f"{self.run.path}/state.pt does not belong to its config.json"
            ) from error
        self.memory, self.command = state["memory"], state["command"]
        self.step, self.seconds = state["step"], state["seconds"]
        self._watched = (self.step, time.perf_counter())


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"


def _processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    names = Path("/proc/cpuinfo")
    if names.exists():
        for line in names.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
