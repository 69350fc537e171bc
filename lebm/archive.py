"""A chain as one NPZ file: every recorded number, and the recipe that makes it again.

Nothing is pickled, neither when it is written nor when it is read; a file is data from somebody
else until its sizes, names, types and shapes have been checked.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from lebm.model import LatentEBM
from lebm.recipe import ChainRecipe
from lebm.trajectory import Trajectory

MAX_BYTES = 2**30  # of all arrays of a file together, unpacked
_SETTINGS, _EXAMPLE = "settings", "x"
_LONGEST_SETTINGS = 2**16  # characters

#: What unpacking a damaged or hostile file raises, beside ValueError.
_UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class ChainArchive:
    """What an exported NPZ holds.

    Attributes:
        recipe: the model and settings of the chain.
        arrays: name -> array, its first axis the T recorded steps: "steps" `(T,)`,
            "z" `(T, n, latent_dim)`, and `(T, n)` each of "drift_norm", "diffusion_norm",
            "displacement", "term_…", "force_norm_…" and "force_cosine_…_…".
        x: the example of a posterior chain, `(1, *data_shape)`; None for a prior chain.
    """

    recipe: ChainRecipe
    arrays: dict[str, np.ndarray]
    x: Tensor | None = None

    def replay(self, model: LatentEBM) -> Trajectory:
        """The chain, computed again from the recipe and its example alone.

        Raises:
            ValueError: if the model is not the one the chain belongs to.
        """
        return self.recipe.run(model, self.x)


def dumps(trajectory: Trajectory, recipe: ChainRecipe, x: Tensor | None = None) -> bytes:
    """The NPZ file of a chain.

    Args:
        trajectory: the chain.
        recipe: what made it.
        x: the example of a posterior chain, `(1, *data_shape)`.
    """
    t = trajectory
    tensors = {"steps": t.steps, "z": t.z, "drift_norm": t.drift_norm}
    tensors |= {"diffusion_norm": t.diffusion_norm, "displacement": t.displacement}
    tensors |= {f"term_{name}": value for name, value in t.terms.items()}
    tensors |= {f"force_norm_{name}": value for name, value in t.force_norms.items()}
    tensors |= {f"force_cosine_{a}_{b}": value for (a, b), value in t.force_cosines.items()}
    tensors |= {} if x is None else {_EXAMPLE: x}
    arrays = {name: value.cpu().numpy() for name, value in tensors.items()}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays, **{_SETTINGS: recipe.to_json()})
    return file.getvalue()


def load(path: Path) -> ChainArchive:
    """The chain in an exported NPZ file.

    Raises:
        OSError: if the file cannot be read.
        ValueError: as `loads`.
    """
    path = Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path.name} is larger than any exported chain")
    return loads(path.read_bytes())


def loads(data: bytes) -> ChainArchive:
    """As `load`, from bytes.

    Raises:
        ValueError: if this is no exported chain: not an NPZ file, damaged, larger unpacked than
            `MAX_BYTES`, with pickled objects, or with arrays that the recipe does not explain.
    """
    try:
        _check_sizes(data)
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, *_UNREADABLE) as error:
        raise ValueError(f"this is not an exported chain: {error}") from error
    settings = arrays.pop(_SETTINGS, None)
    if settings is None or settings.dtype.kind != "U" or settings.ndim:
        raise ValueError("this is not an exported chain: it states no settings")
    if settings.itemsize > 4 * _LONGEST_SETTINGS:
        raise ValueError("this is not an exported chain: its settings are too long")
    recipe = ChainRecipe.from_json(settings.item())
    x = arrays.pop(_EXAMPLE, None)
    _check(arrays, recipe)
    _check_example(x, recipe)
    return ChainArchive(recipe, arrays, None if x is None else torch.from_numpy(x))


def _check_sizes(data: bytes) -> None:
    """Raise if unpacking would take more memory than is sensible, or than there are bytes for."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = file.infolist()
        if (unpacked := sum(member.file_size for member in members)) > MAX_BYTES:
            raise ValueError(f"it would unpack to {unpacked} bytes")
        for member in members:
            with file.open(member) as array:
                version = npy.read_magic(array)
                read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = read(array)
            if math.prod(shape) * dtype.itemsize > member.file_size:
                raise ValueError(f"{member.filename[:80]!r} is shorter than it says")


def _check(arrays: dict[str, np.ndarray], recipe: ChainRecipe) -> None:
    """Raise unless the arrays are those of the recipe's chain."""
    steps, z = arrays.get("steps"), arrays.get("z")
    if steps is None or z is None or steps.ndim != 1 or z.ndim != 3:
        raise ValueError("this is not an exported chain: it lacks steps or z")
    shape = (len(steps), recipe.n_chains)
    odd = [
        name
        for name, value in arrays.items()
        if name != "steps" and (value.shape[:2] != shape or value.dtype.kind != "f")
    ]
    if odd or steps.dtype.kind != "i" or not len(steps) or steps[-1] != recipe.n_steps:
        raise ValueError(
            f"the file does not hold the chain its settings describe: {(odd or ['steps'])[0]!r} "
            "is another"
        )


def _check_example(x: np.ndarray | None, recipe: ChainRecipe) -> None:
    """Raise unless there is one example where the recipe names one, and none where it does not."""
    if (x is None) != (recipe.example is None) or (
        x is not None and (x.dtype not in (np.float32, np.int64) or x.ndim < 2 or len(x) != 1)
    ):
        raise ValueError("the file does not hold the chain its settings describe: 'x' is another")
