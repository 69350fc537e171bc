"""Several processes that share one run: torchrun or Slurm starts them, Fabric connects them.

A mini-batch is cut into consecutive rows, a part for each process. Weights, remembered chains and
the state of the random stream are the same in all of them; gradients are averaged before each
step of an optimiser, and each process draws the noise of the whole batch and takes its rows of it
(`lebm.noise.SharedGenerator`). So a run is the same up to rounding however many processes share
it, its state is one process's, and any number of them can go on from it. The price is noise that
is drawn and left: n - 1 times what is used, for n processes, where a step of a chain costs
hundreds of times its noise.

With one process nothing here does anything.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.optim import Optimizer

from train.config import Accelerator, Precision
from train.run_dir import RunError

T = TypeVar("T")


class LostProcess(RunError):
    """Another process of this run has ended."""


def environment() -> ClusterEnvironment | None:
    """What started this process as one of several; None where nothing did."""
    for kind in (TorchElasticEnvironment, SLURMEnvironment):
        if kind.detect():
            return kind()
    return None


def rank() -> int:
    """Which of the run's processes this is, from 0."""
    started_by = environment()
    return started_by.global_rank() if started_by else 0


def first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return rank() == 0


@contextmanager
def only_first_prints() -> Iterator[None]:
    """What several processes would say alike is said once."""
    if first():
        yield
    else:
        with Path(os.devnull).open("w") as null, redirect_stdout(null), redirect_stderr(null):
            yield


def connect(accelerator: Accelerator, precision: Precision = "32-true") -> Fabric:
    """Device and precision, connected to the other processes that share the work.

    Args:
        accelerator: where to compute, as in `TrainConfig`.
        precision: of a run, as in `TrainConfig`; `native` says what becomes of it.

    Raises:
        RunError: if the accelerator cannot be used here.
    """
    started_by = environment()
    n_processes = started_by.world_size() if started_by else 1
    machines = int(os.environ.get("GROUP_WORLD_SIZE") or os.environ.get("SLURM_NNODES") or 1)
    several = n_processes > 1
    make = partial(
        Fabric,
        accelerator=accelerator,
        strategy="ddp" if several else "auto",
        devices=n_processes // machines if several else 1,
        num_nodes=machines if several else 1,
    )
    try:
        fabric = make(precision=precision)
        if (own := native(precision, fabric.device)) != precision:
            fabric = make(precision=own)
        if several:
            fabric.launch()
            atexit.register(_disconnect)
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        raise RunError(
            f"--accelerator {accelerator} with --precision {precision} cannot be used here: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return fabric


def native(precision: Precision, device: torch.device) -> Precision:
    """A run's precision, or float32 where the device would only imitate bfloat16.

    A processor without AVX-512 takes fifteen times as long for a convolution in imitated bfloat16
    as in float32, and a GPU before Ampere gains nothing by it.
    """
    if device.type == "cpu":
        onednn = torch.backends.mkldnn.is_available()
        has_bfloat16 = onednn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    elif device.type == "cuda":
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bfloat16 = True
    return precision if has_bfloat16 else "32-true"


def first_does(fabric: Fabric, work: Callable[[], T]) -> T:
    """What `work` returns in the first process, in all of them; the others wait for it.

    Raises:
        LostProcess: if it failed in the first one; what it raised is raised there.
    """
    done = work() if fabric.global_rank == 0 else None
    with _talking():
        return cast(T, fabric.broadcast(done))


def in_turn(fabric: Fabric, load: Callable[[], T]) -> T:
    """What `load` returns, called first in one process of each machine, then in the others.

    It may leave files for those that come later, such as a download.

    Raises:
        LostProcess: if it failed in the first one; what it raised is raised there.
    """
    if fabric.world_size == 1:
        return load()
    with _talking():
        if fabric.local_rank > 0:
            fabric.barrier()
    loaded = load()
    with _talking():
        if fabric.local_rank == 0:
            fabric.barrier()
    return loaded


class Ranks:
    """This process's part in each mini-batch, and how the parts come together.

    All processes call the same methods in the same order.

    Args:
        fabric: from `connect`.

    Raises:
        LostProcess: if one of them has ended, from every method that talks to them.

    Attributes:
        n_processes: how many share the run.
        rows: which rows of the batch are here.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.n_processes, self._rank = fabric.world_size, fabric.global_rank
        self._n, self._size, self.rows = 1, 1, slice(None)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self._rank == 0

    @property
    def turns(self) -> slice:
        """Which of many equal pieces are this process's, where any of them can do any."""
        return slice(self._rank, None, self.n_processes)

    def share(self, n: int) -> slice:
        """Begin a batch of n rows; returns which of them are this process's.

        Where there are fewer rows than processes, some get the first row and count for nothing.
        """
        start, stop = (n * rank // self.n_processes for rank in (self._rank, self._rank + 1))
        self._n, self._size = n, stop - start
        self.rows = slice(start, stop) if self._size else slice(0, 1)
        return self.rows

    def gather(self, part: Tensor) -> Tensor:
        """The whole batch from every process's part of it: `(n_part, ...) -> (n, ...)`."""
        if self.n_processes == 1:
            return part
        whole = part.new_zeros(self._n, *part.shape[1:])
        if self._size:
            whole[self.rows] = part
        return self.total(whole).to(part)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the whole batch of what is a mean over each part of it."""
        return self.total(value * self._weight)

    def average_gradients(self, optimizer: Optimizer) -> None:
        """Give every parameter the gradient of the whole batch, in one message."""
        parameters = (p for group in optimizer.param_groups for p in group["params"])
        gradients = [p.grad for p in parameters if p.grad is not None]
        whole = self.mean(torch.cat([g.flatten() for g in gradients]))
        pieces = whole.split([g.numel() for g in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))

    def combine(self, scalars: dict[str, Tensor], stopping: bool) -> tuple[dict[str, Tensor], bool]:
        """Metrics of the whole batch, and whether any process wants to stop.

        Means but for names that end in "_max", which are the largest.
        """
        if self.n_processes == 1:
            return scalars, stopping
        row = [torch.tensor(v, device=self._fabric.device) for v in (float(stopping), self._weight)]
        table = torch.zeros(self.n_processes, 2 + len(scalars), device=self._fabric.device)
        table[self._rank] = torch.stack([*row, *scalars.values()])
        table = self.total(table)
        largest, means = table.amax(0), table[:, 1] @ table
        whole = {
            name: (largest if name.endswith("_max") else means)[i]
            for i, name in enumerate(scalars, start=2)
        }
        return whole, bool(largest[0])

    def of_first(self, seconds: float) -> float:
        """What the first process's clock says, so that all act on one time.

        The others' clocks run on while the first one saves.
        """
        mine = torch.tensor(seconds if self.first else 0.0, dtype=torch.float64)
        return float(self.total(mine)) if self.n_processes > 1 else seconds

    def total(self, values: Tensor) -> Tensor:
        """The sum over the processes, on the run's device; may overwrite the values."""
        if self.n_processes == 1:
            return values
        values = self._fabric.to_device(values)
        with _talking():
            torch.distributed.all_reduce(values)  # Fabric's own waits at a barrier before each
        return values

    @property
    def _weight(self) -> float:
        """What share of the batch is here."""
        return self._size / self._n


def _disconnect() -> None:
    """Before the interpreter goes: threads of gloo that are still there would abort it."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@contextmanager
def _talking() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # of gloo and NCCL
        raise LostProcess("another process of this run has ended") from error
