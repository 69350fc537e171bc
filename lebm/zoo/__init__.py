"""Models that come with the library, trained by the commands on their cards."""

from __future__ import annotations

from pathlib import Path

from lebm.checkpoint import ModelCard, load
from lebm.model import LatentEBM

_FOLDER = Path(__file__).parent


def paths() -> dict[str, Path]:
    """Name -> file of every model here, in alphabetical order."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.safetensors"))}


def load_model(name: str) -> tuple[LatentEBM, ModelCard]:
    """A model by name, with its card.

    Raises:
        ValueError: for a name that is not in the zoo; the message lists those that are.
        CheckpointError: if its file is damaged.
    """
    known = paths()
    if name not in known:
        raise ValueError(f"the zoo has no model {name!r}; it has {', '.join(known)}")
    return load(known[name])
