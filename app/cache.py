"""Everything that is cached across sessions; the only module that touches `st.cache_*`."""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import streamlit as st

from app.jobs import Jobs
from app.models import ModelEntry
from app.studies import examples as study
from app.studies import frame
from app.studies.examples import Examples
from app.studies.frame import LatentPlane
from app.studies.run_log import Columns, GrowingCsv
from lebm import recipe
from lebm.checkpoint import ModelCard, load
from lebm.model import LatentEBM

T = TypeVar("T")


@st.cache_resource(show_spinner=False)
def view(name: str) -> Callable[[], None]:
    """The function that draws a page of `app.views`, imported when it is first asked for.

    What the import brought is kept out of later garbage collections: Streamlit collects all
    garbage after every rerun, and with torch loaded that holds the interpreter for a quarter of a
    second while messages wait.
    """
    page = import_module(f"app.views.{name}").page
    gc.collect()
    gc.freeze()
    return page


@st.cache_resource(show_spinner=False)
def jobs() -> Jobs:
    """The long work of this process, for every session."""
    return Jobs()


def run_logs(folder: Path) -> dict[str, Columns]:
    """What a run has logged so far: "metrics" and "evaluation" -> column -> values."""
    return {name: _log(folder / f"{name}.csv").read() for name in ("metrics", "evaluation")}


@st.cache_resource(max_entries=128, show_spinner=False)
def _log(path: Path) -> GrowingCsv:
    return GrowingCsv(path)


def model(entry: ModelEntry) -> tuple[LatentEBM, ModelCard]:
    """The model and its card, read once a version of the file.

    Raises:
        CheckpointError: if the file cannot be used.
    """
    return _model(str(entry.path), entry.version)


@st.cache_resource(max_entries=16, show_spinner="Loading the model")
def _model(path: str, version: int) -> tuple[LatentEBM, ModelCard]:
    return load(Path(path))


def latent_plane(entry: ModelEntry) -> LatentPlane:
    """Where the model's latents are drawn, fitted once a version of the file.

    Raises:
        CheckpointError: if the file cannot be used.
    """
    return _latent_plane(str(entry.path), entry.version)


@st.cache_resource(max_entries=16, show_spinner="Looking at the prior from above")
def _latent_plane(path: str, version: int) -> LatentPlane:
    model, card = _model(path, version)
    return frame.latent_plane(model, card.prior_sampler)


def fingerprint(entry: ModelEntry) -> str:
    """Of the model's weights; exports carry it.

    Raises:
        CheckpointError: if the file cannot be used.
    """
    return _fingerprint(str(entry.path), entry.version)


@st.cache_resource(max_entries=64, show_spinner=False)
def _fingerprint(path: str, version: int) -> str:
    return recipe.fingerprint(_model(path, version)[0])


def examples(entry: ModelEntry) -> Examples:
    """Examples of the model's data, read once a version of its file."""
    return _examples(str(entry.path), entry.version)


@st.cache_resource(max_entries=4, show_spinner="Loading examples")
def _examples(path: str, version: int) -> Examples:
    return study.find(*_model(path, version))


def computed(function: Callable[..., T], *settings: Hashable) -> T:
    """What a study's function returns for these settings, computed once for all sessions.

    Args:
        function: depends on its arguments alone; nobody changes what it returns.
        settings: its arguments.
    """
    return _computed(f"{function.__module__}.{function.__qualname__}", settings, function)


@st.cache_resource(max_entries=200, show_spinner="Computing")
def _computed(name: str, settings: tuple[Hashable, ...], _function: Callable[..., T]) -> T:
    return _function(*settings)
