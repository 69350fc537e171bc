"""A chain as files: PNG, GIF, MP4, NPZ and CSV, each with its settings and seed inside.

Settings are the JSON of `lebm.recipe.ChainRecipe`: the PNG's text chunk "settings", the GIF's and
the MP4's comment, the NPZ's field "settings", the CSV's first line.
"""

from __future__ import annotations

import csv
import io
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain as chained
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from app.studies.chain_run import ChainRun, drawable
from app.studies.examples import Example
from app.studies.recipe import file_stem
from app.studies.sentence_chains import read
from lebm import archive
from lebm.model import LatentEBM
from lebm.recipe import ChainRecipe
from lebm.trajectory import Trajectory
from train.pictures import mosaic

MAX_FRAMES = 400  # of a film; a longer chain shows every second, third, ... step
FRAMES_A_SECOND = 20
_SIDE = 448  # pixels that a film is wide, about
_CAPTION = 32  # pixels of the strip that names the step
_PLANE = 3.0  # half the side of the data's plane
_PAPER, _INK, _DOT, _X = (255, 255, 255), (20, 20, 20), (0, 114, 178), (213, 94, 0)
_GAP = 16  # pixels between an example and its reconstructions


@dataclass(frozen=True, slots=True)
class Film:
    """A chain and what it decodes to, ready to be written.

    Attributes:
        recipe: model, seed and settings.
        trajectory: the recorded steps.
        energy: -f(z) at each, `(T, n)`, whatever share of f the chain climbed.
        picture_steps: the steps that were decoded, `(P,)`.
        pictures: what they decoded to: uint8 `(P, n, h, w, c)`, or points `(P, n, 2)`.
        step: the step that is looked at.
        example: whose posterior the chain climbs; it stands beside what the chain decodes to.
    """

    recipe: ChainRecipe
    trajectory: Trajectory
    energy: Tensor
    picture_steps: np.ndarray
    pictures: np.ndarray
    step: int
    example: Example | None = None

    @classmethod
    def of(
        cls, run: ChainRun, recipe: ChainRecipe, step: int, example: Example | None = None
    ) -> Film:
        """A chain that was stepped by hand: each of its steps has a picture."""
        t = run.trajectory
        step = min(step, run.n_taken)
        return cls(recipe, t, run.energy, t.steps.numpy(), run.examples, step, example)

    @classmethod
    def of_sentences(
        cls, recipe: ChainRecipe, chains: Trajectory, step: int, example: Example | None = None
    ) -> Film:
        """Chains of the prior or of a sentence, which have no pictures."""
        return cls(recipe, chains, chains.energy, np.arange(0), np.empty(0), step, example)

    @property
    def speaks(self) -> bool:
        """Whether its chains say something and have no pictures."""
        return self.pictures.size == 0

    @property
    def name(self) -> str:
        """Stem of the files' names."""
        return file_stem(self.recipe, self.example)

    def frame(self, i: int) -> Image.Image:
        """Picture i of all chains, enlarged, with its step and the median energy beneath."""
        rows = self.pictures[i]
        x = None if self.example is None else drawable(self.example.x)
        body = _scatter(rows, x) if rows.ndim == 2 else _beside(x, _grid(rows))
        frame = Image.new("RGB", (_even(body.width), _even(body.height + _CAPTION)), _PAPER)
        frame.paste(body, (0, 0))
        step = int(self.picture_steps[i])
        row = int(np.searchsorted(self.trajectory.steps.numpy(), step))
        energy = float(self.energy[row].nanmedian())
        ImageDraw.Draw(frame).text(
            (8, body.height + 5), f"step {step}    energy {energy:.2f}", _INK, _font()
        )
        return frame

    def frames(self) -> Iterator[Image.Image]:
        """At most `MAX_FRAMES` frames, evenly spread from the first step to the last."""
        every = math.ceil(len(self.pictures) / MAX_FRAMES)
        shown = sorted({*range(0, len(self.pictures), every), len(self.pictures) - 1})
        return (self.frame(i) for i in shown)


def png(film: Film) -> bytes:
    """The decoded picture nearest to the step that is looked at."""
    i = int(np.abs(film.picture_steps - film.step).argmin())
    text = PngInfo()
    text.add_text("settings", film.recipe.to_json())
    text.add_text("step", str(int(film.picture_steps[i])))
    file = io.BytesIO()
    film.frame(i).save(file, "PNG", pnginfo=text)
    return file.getvalue()


def gif(film: Film) -> bytes:
    """The chain as a film that loops; captions keep equal pictures apart, which Pillow merges."""
    frames = film.frames()
    file = io.BytesIO()
    next(frames).save(
        file,
        "GIF",
        save_all=True,
        append_images=frames,
        duration=1000 // FRAMES_A_SECOND,
        loop=0,
        comment=film.recipe.to_json(),
    )
    return file.getvalue()


def mp4(film: Film) -> bytes:
    """The chain as an H.264 film."""
    frames = film.frames()
    first = next(frames)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.mp4"
        writer = imageio_ffmpeg.write_frames(
            str(path),
            first.size,
            fps=FRAMES_A_SECOND,
            macro_block_size=2,
            output_params=["-metadata", f"comment={film.recipe.to_json()}"],
        )
        writer.send(None)
        for frame in chained([first], frames):
            writer.send(frame.tobytes())
        writer.close()
        return path.read_bytes()


def npz(film: Film) -> bytes:
    """Every recorded number; `lebm.archive` reads and replays it."""
    x = None if film.example is None else film.example.x
    return archive.dumps(film.trajectory, film.recipe, x)


def profile_csv(film: Film) -> bytes:
    """A row for each step and chain, after a comment line with the settings."""
    t = film.trajectory
    columns = {"energy": film.energy, "half_sq_norm": t.half_sq_norm, "drift": t.drift_norm}
    columns |= {"diffusion": t.diffusion_norm, "displacement": t.displacement}
    columns |= {} if film.example is None else {"log_likelihood": t.log_likelihood}
    return _table(film, {name: column.numpy() for name, column in columns.items()})


def sentences_csv(model: LatentEBM, film: Film) -> bytes:
    """A row for each step and chain: the terms of -log p(z) or -log p(x, z), and what it says."""
    t = film.trajectory
    columns = {"energy": film.energy.numpy(), "half_sq_norm": t.half_sq_norm.numpy()}
    if film.example is not None:
        columns = {"neg_log_likelihood": -t.log_likelihood.numpy()} | columns
    said = np.array(read(model, t.z.flatten(0, 1)), object).reshape(film.energy.shape)
    return _table(film, columns | {"sentence": said})


def _table(film: Film, columns: dict[str, np.ndarray]) -> bytes:
    """Columns `(T, n)` of numbers or texts as CSV, after a comment line with the settings."""
    file = io.StringIO()
    file.write(f"# settings: {film.recipe.to_json()}\n")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["step", "chain", *columns])
    rows = [column.tolist() for column in columns.values()]
    for step, *values in zip(film.trajectory.steps.tolist(), *rows, strict=True):
        for chain, row in enumerate(zip(*values, strict=True)):
            shown = (v if isinstance(v, str) else f"{v:.7g}" for v in row)
            writer.writerow([step, chain, *shown])
    return file.getvalue().encode()


def _grid(pictures: np.ndarray) -> Image.Image:
    """Pictures `(n, h, w, c)` side by side, each pixel enlarged by a whole number."""
    grid = mosaic(pictures, math.ceil(math.sqrt(len(pictures))))
    image = Image.fromarray(grid[..., 0] if grid.shape[-1] == 1 else grid)
    factor = max(1, round(_SIDE / image.width))
    enlarged = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    return enlarged.convert("RGB")


def _beside(x: np.ndarray | None, grid: Image.Image) -> Image.Image:
    """The example `(1, h, w, c)`, if there is one, half as large as the grid, to its left."""
    if x is None:
        return grid
    side = _grid(x).resize((grid.width // 2, grid.width // 2), Image.Resampling.NEAREST)
    both = Image.new("RGB", (side.width + _GAP + grid.width, grid.height), _PAPER)
    both.paste(side, (0, (grid.height - side.height) // 2))
    both.paste(grid, (side.width + _GAP, 0))
    return both


def _scatter(points: np.ndarray, x: np.ndarray | None = None) -> Image.Image:
    """Points `(n, 2)` in the data's plane, and the example `(1, 2)` as a cross."""
    image = Image.new("RGB", (_SIDE, _SIDE), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, _SIDE - 1, _SIDE - 1), outline=(200, 200, 200))
    for column, row in _places(points):
        draw.ellipse((column - 3, row - 3, column + 3, row + 3), fill=_DOT)
    for column, row in [] if x is None else _places(x):
        draw.line((column - 8, row, column + 8, row), fill=_X, width=3)
        draw.line((column, row - 8, column, row + 8), fill=_X, width=3)
    return image


def _places(points: np.ndarray) -> list[tuple[float, float]]:
    """Column and row of each finite point."""
    finite = points[np.isfinite(points).all(1)]
    return [((x / _PLANE + 1) * _SIDE / 2, (1 - y / _PLANE) * _SIDE / 2) for x, y in finite]


def _even(length: int) -> int:
    """H.264 takes even sizes alone."""
    return length + length % 2


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(18)
