"""The options of `python -m train`, read off the dataclasses: a form's fields in, a command out.

Nothing here knows the name of a single setting: whatever fields `TrainConfig` and the dataclasses
within it have, those are the options, in their order, with their docstrings as help.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

Config = TypeVar("Config")


@dataclass(frozen=True, slots=True)
class Option:
    """One setting of a run.

    Attributes:
        path: field names from the outermost dataclass inwards: ("model", "latent_dim").
        type: what the field holds, without `None`.
        optional: whether it may also be `None`.
        help: the docstring under the field.
    """

    path: tuple[str, ...]
    type: Any
    optional: bool
    help: str

    @property
    def flag(self) -> str:
        """As on the command line: --model.latent-dim."""
        return "--" + ".".join(self.path).replace("_", "-")

    @property
    def label(self) -> str:
        """Within its group: latent dim."""
        return self.path[-1].replace("_", " ")

    @property
    def choices(self) -> tuple:
        """The values there are, if they can be counted."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    def of(self, config: Any) -> Any:
        """The value in a config; None where the config has not even the dataclass around it."""
        for name in self.path:
            config = getattr(config, name, None)
        return config

    def belongs_to(self, config: Any) -> bool:
        """Whether a config has the dataclass that this option stands in."""
        return replace(self, path=self.path[:-1]).of(config) is not None

    def parse(self, text: str) -> Any:
        """The value a person typed.

        Raises:
            ValueError: naming the option and what it takes, if the text is nothing of its type.
        """
        words = text.split() if get_origin(self.type) is tuple else text.strip()
        if self.optional and not words:
            return None
        try:
            return msgspec.convert(words, self.type, strict=False, dec_hook=_construct)
        except (msgspec.ValidationError, ValueError) as error:
            raise ValueError(f"{self.flag} cannot be {text!r}: {_lower(str(error))}") from error

    def arguments(self, value: Any) -> list[str]:
        """The words that give it this value on the command line."""
        if value is False:
            group, dot, name = self.flag.rpartition(".")
            return [f"{group}.no-{name}" if dot else f"--no-{name[2:]}"]
        if value is True:
            return [self.flag]
        return [self.flag, *map(str, value if isinstance(value, tuple) else [value])]


def words(value: Any) -> str:
    """A value as a person types it: numbers with spaces between, nothing for `None`."""
    if isinstance(value, tuple):
        return " ".join(map(words, value))
    return "" if value is None else str(value)


@cache
def options(cls: type, within: tuple[str, ...] = ()) -> tuple[Option, ...]:
    """Every option of a config dataclass, those of the dataclasses within it included."""
    hints, docs = get_type_hints(cls), field_docs(cls)
    found: list[Option] = []
    for field in fields(cls):
        path = (*within, field.name)
        kind, optional = _without_none(hints[field.name])
        if is_dataclass(kind):
            found += options(kind, path)
        else:
            found.append(Option(path, kind, optional, docs.get(field.name, "")))
    return tuple(found)


def field_docs(cls: type) -> dict[str, str]:
    """The string that stands under each field of a class, by the field's name."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    return {
        above.target.id: " ".join(str(below.value.value).split())
        for above, below in pairwise(definition.body)
        if isinstance(above, ast.AnnAssign)
        and isinstance(above.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


def changed(config: Config, values: Mapping[tuple[str, ...], Any]) -> Config:
    """The config with other values, by the paths of their options.

    Raises:
        ValueError: the dataclass's own sentence about what it cannot be, with its group's name.
    """
    new: dict[str, Any] = {}
    for field in fields(config):  # type: ignore[arg-type]
        old = getattr(config, field.name)
        inner = {path[1:]: value for path, value in values.items() if path[0] == field.name}
        if not inner:
            continue
        try:
            new[field.name] = changed(old, inner) if is_dataclass(old) else inner[()]
        except ValueError as error:
            known = str(error).startswith(field.name)
            raise ValueError(f"{'' if known else f'{field.name}: '}{error}") from error
    return replace(config, **new)  # type: ignore[type-var]


def arguments(preset: Config, config: Config) -> list[str]:
    """The words after the preset's name that turn it into this config: only what differs."""
    return [
        word
        for option in options(type(preset))
        if option.belongs_to(preset) and option.of(config) != option.of(preset)
        for word in option.arguments(option.of(config))
    ]


def _without_none(kind: Any) -> tuple[Any, bool]:
    if get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind):
        (rest,) = [arg for arg in get_args(kind) if arg is not NoneType]
        return rest, True
    return kind, False


def _construct(kind: type, value: Any) -> Any:
    return kind(value) if kind is Path else value


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
