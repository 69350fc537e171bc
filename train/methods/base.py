"""What a training run knows of its method: the interface, and what methods share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Adam, Optimizer

from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.vocabulary import drop_words, lengths
from train.config import TrainConfig
from train.ranks import Ranks


class Method(ABC):
    """One way to learn a model: its networks, their optimisers, and what an iteration does.

    A subclass adds to `networks` and `optimizers` in its `__init__` and says in `iteration` how
    they learn. All that it leaves to the explorer is `model`, which every checkpoint holds.

    Args:
        config: the run's settings.
        train: the training examples, as the data set holds them.
        fabric: device and precision.
        generator: source of what is drawn before the first iteration.

    Raises:
        ValueError: if no such model can be built.

    Attributes:
        model: what is saved, sampled and looked at.
        networks: name -> network whose weights are part of the state to resume from.
        optimizers: name -> its optimiser; the learning rates of all decay alike.
        memory: name -> tensor that iterations read and write, such as remembered chains; the
            same in all processes that share a run. Chains of scored examples, which the first
            process alone has, are here to be saved.
        ranks: those processes.
    """

    #: Names of metrics for the progress line, beside the error.
    headline: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, config: TrainConfig, train: Tensor, fabric: Fabric, *, generator: torch.Generator
    ) -> None:
        self.config, self.train, self.fabric = config, train, fabric
        self.model = LatentEBM(self.model_config(config.model)).to(fabric.device)
        self.networks: dict[str, nn.Module] = {"model": self.model}
        self.optimizers: dict[str, Optimizer] = {}
        self.memory: dict[str, Tensor] = {}
        if config.annealing:
            self.memory["iterations"] = torch.zeros((), dtype=torch.long)
        self.ranks = Ranks(fabric)

    @classmethod
    def model_config(cls, config: ModelConfig) -> ModelConfig:
        """The model that this method learns, at the sizes that the run asks for."""
        return config

    @abstractmethod
    def iteration(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Learn from one mini-batch; returns scalars to log by name, left on the device.

        One of them is the error of this batch's reconstructions, by the name that `error_given_z`
        gives it.

        Where several processes share the run, each learns from its part of the batch: gradients
        are averaged before an optimiser steps, and so are the scalars. What else depends on the
        whole batch is asked of `ranks`.

        Args:
            x: the examples, `(n, *data_shape)`, on the run's device.
            rows: their rows in the training data, `(n,)`.
            generator: source of all noise.
        """

    @abstractmethod
    def reconstruct(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """g(z) with z inferred from x as this method infers it, `(n, *data_shape)`."""

    @abstractmethod
    def infer(self, x: Tensor, *, generator: torch.Generator) -> Tensor:
        """z of x as this method infers it, `(n, latent_dim)`."""

    def heard(self, x: Tensor, *, generator: torch.Generator) -> Tensor | None:
        """What the decoder of sentences hears while it learns; None for all there is."""
        rate = self.config.word_dropout
        return drop_words(x, rate, generator=generator) if rate else None

    def error_given_z(self, x: Tensor, nll_given_z: Tensor) -> dict[str, Tensor]:
        """The error inside a mean -log p_β(x|z), by name.

        For points and images it is "mse", the squared error a value, in the units of x; for
        sentences "word_nll", the nats a word, ends counted. Words are those of the whole batch, so
        that the mean over its parts is its own.
        """
        model = self.model
        if model.config.kind == "text":
            return {"word_nll": nll_given_z / self.ranks.mean(lengths(x).float().mean())}
        n_values = math.prod(model.config.data_shape)
        return {"mse": 2 * model.noise_std**2 * (nll_given_z - model.log_norm) / n_values}

    @property
    def weight(self) -> float:
        """Of the prior in what explains an example: 1, or what annealing has come to."""
        length = self.config.annealing
        return annealed(int(self.memory["iterations"]), length) if length else 1.0

    def count_iteration(self) -> None:
        """One more is done, for those whose weights depend on it."""
        if "iterations" in self.memory:
            self.memory["iterations"] += 1

    def expect_scoring(self, n: int) -> None:  # noqa: B027
        """So many examples are going to be scored at checkpoints, the same each time."""

    @abstractmethod
    def anomaly_terms(
        self, x: Tensor, rows: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """What this method finds odd about each example, as terms of a sum: name -> `(n,)`.

        Their sum is the method's own anomaly score; the higher, the more anomalous.

        Args:
            x: the examples, `(n, *data_shape)`, on the run's device.
            rows: their rows among all that are scored, `(n,)`, the same at every scoring.
            generator: source of all noise.
        """

    def prepare_model(self) -> None:  # noqa: B027  (most have nothing to do)
        """Bring `model` up to date before it is saved, where learning alone does not."""

    def sample_prior(self, start: Tensor, *, generator: torch.Generator) -> Tensor:
        """z from the prior as this method draws it, `(n, latent_dim)`.

        Args:
            start: draws of p_0, `(n, latent_dim)`, each made into one of the result.
            generator: source of whatever else is drawn.
        """
        return self.model.sample_prior(start, self.prior_sampler(), generator=generator)

    @property
    def prior_gradients(self) -> int:
        """Gradients of f that each draw of `sample_prior` takes."""
        return self.prior_sampler().n_steps if self.model.config.prior == "tilted" else 0

    def prior_sampler(self) -> LangevinConfig:
        """The prior chain that the model's card recommends."""
        return self.config.prior_sampler

    def reconstruction_sampler(self) -> LangevinConfig:
        """The posterior chain from p_0 noise that the model's card recommends."""
        return self.config.reconstruction

    def chain_limits(self) -> dict[str, float]:
        """The largest ‖z‖ at its chains' ends that is no divergence: metric -> radius."""
        return {
            "z_minus_max": self.config.prior_sampler.max_radius,
            "z_plus_max": self.config.posterior_sampler.max_radius,
        }

    def facts(self) -> dict[str, str | int | float]:
        """What the model's card says of this method: label -> value."""
        return {
            f"parameters of {symbol}": count_parameters(network)
            for symbol, network in (("f", self.model.prior.f), ("g", self.model.generator))
        }

    def state_dict(self) -> dict[str, Any]:
        """All that this method changes during a run, as plain containers and tensors."""
        states = {name: network.state_dict() for name, network in self.networks.items()}
        for name, optimizer in self.optimizers.items():
            states[f"{name}_optimizer"] = optimizer.state_dict()
        return states | self.memory

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where `state_dict` was taken; whatever else `state` holds is passed over.

        Raises:
            RuntimeError, LookupError, ValueError, TypeError, AttributeError: if it does not fit.
        """
        for name, network in self.networks.items():
            network.load_state_dict(state[name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state[f"{name}_optimizer"])
        for name, tensor in self.memory.items():
            tensor.copy_(state[name])

    def adam(self, *networks: nn.Module, lr: float, maximize: bool = False) -> Adam:
        """The run's Adam over the parameters of these networks; `maximize` climbs the loss."""
        parameters = [p for network in networks for p in network.parameters()]
        return Adam(parameters, lr, self.config.optimizer.betas, maximize=maximize, fused=True)


def latent_metrics(z: Tensor, name: str = "z_plus") -> dict[str, Tensor]:
    """How long the samples of a batch are, by default the posterior's: mean and largest norm."""
    norms = z.detach().norm(dim=-1)
    return {f"{name}_norm": norms.mean(), f"{name}_max": norms.max()}


def annealed(done: int, length: int) -> float:
    """A weight that rises from 0 to 1 over `length` iterations; 1 at once where that is 0."""
    return min(1.0, done / length) if length else 1.0


def grad_norm(module: nn.Module) -> Tensor:
    """The norm of the gradient that the last backward pass left."""
    return get_total_norm([p.grad for p in module.parameters() if p.grad is not None])


def count_parameters(module: nn.Module) -> int:
    """How many numbers a network has to learn."""
    return sum(p.numel() for p in module.parameters())
