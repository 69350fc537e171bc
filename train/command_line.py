"""What can be asked of `python -m train`: a preset's run, or one that goes on."""

from __future__ import annotations

import math
import shlex
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructTypeInfo

from lebm.vocabulary import Vocabulary
from train import ranks
from train.config import TrainConfig
from train.presets import PRESETS

_RULES = ConstructorRegistry()


@_RULES.struct_rule
def _vocabulary_rule(info: StructTypeInfo) -> StructConstructorSpec | None:
    """The words come from the data: no option asks for them."""
    if info.type is not Vocabulary:
        return None
    return StructConstructorSpec(instantiate=Vocabulary, fields=())


@dataclass(frozen=True)
class Resume:
    """Continue a run that was stopped or killed, or train a finished one for longer."""

    run: tyro.conf.Positional[Path]
    """The run's directory."""
    epochs: int | None = None
    """A new total number of epochs; without it, as the run was started."""
    minutes: float | None = None
    """New total minutes of learning; without them, as the run was started."""


@dataclass(frozen=True)
class Rewind:
    """Go back to where a run saved last, and on from there with another seed and lower rates.

    The new run has a folder of its own, with the curves and checkpoints up to that point.
    """

    run: tyro.conf.Positional[Path]
    """The run's directory, of a run that diverged, say."""
    seed: int | None = None
    """Of the order of the data and all chains from here on; without it, the run's plus 1."""
    lr_scale: float = 0.5
    """Both learning rates are multiplied by this; above 0."""
    out: Path | None = None
    """The new run's directory; default RUN-2, or the next free RUN-3, ..."""

    def __post_init__(self) -> None:
        if not 0 < self.lr_scale < math.inf:
            raise ValueError(f"lr_scale must be above 0, not {self.lr_scale}")


_PROGRAM = "python -m train"
_DESCRIPTION = "Train a latent-space energy-based model, or continue a run."

#: Name -> what is asked for of a run that there is.
_OF_RUNS: dict[str, type[Resume] | type[Rewind]] = {"resume": Resume, "rewind": Rewind}


def parse_arguments() -> TrainConfig | Resume | Rewind:
    """What was asked for; a command has a parser of its own, that complains of no other's options.

    Raises:
        ValueError: for a preset that there is not.
    """
    name, *options = sys.argv[1:] or [""]
    prog = f"{_PROGRAM} {name}"
    with ranks.only_first_prints():
        if name in PRESETS:
            line, config = PRESETS[name]
            return parse(TrainConfig, default=config, args=options, prog=prog, description=line)
        if name in _OF_RUNS:
            return parse(_OF_RUNS[name], args=options, prog=prog)
        if name and not name.startswith("-"):
            near = get_close_matches(name, [*PRESETS, *_OF_RUNS], n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"there is no preset {name}: {meant}`{_PROGRAM} --help` lists them")
        return parse(_every_command(), prog=_PROGRAM, description=_DESCRIPTION)


def _every_command() -> Any:
    presets = [
        Annotated[TrainConfig, tyro.conf.subcommand(name, default=config, description=line)]
        for name, (line, config) in PRESETS.items()
    ]
    of_runs = [Annotated[kind, tyro.conf.subcommand(name)] for name, kind in _OF_RUNS.items()]
    command: Any = reduce(or_, [*presets, *of_runs])
    return command


def parse(command: Any, **options: Any) -> Any:
    """What `tyro.cli` makes of the arguments; whether there is text, the preset has decided."""
    with _RULES:
        return tyro.cli(command, config=(tyro.conf.AvoidSubcommands,), **options)


def typed() -> str:
    """The command line as it was typed, without where this program lies."""
    return shlex.join(["python", "-m", "train", *sys.argv[1:]])
