"""What the Tilted prior page reads of a model of sentences, and where certain words are said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from app.studies import sentence_chains
from app.studies.projection import Projection
from app.studies.tilt import TILTS, TiltView
from lebm.model import LatentEBM

N_READ = 256  # draws of each distribution, at most


@dataclass(frozen=True, slots=True)
class Voice:
    """Draws of one distribution, read.

    Attributes:
        rows: their numbers among all draws of it, `(n,)`.
        places: where they are drawn, `(n, 2)`.
        energy: -f at each, `(n,)`.
        sentences: what each says.
    """

    rows: np.ndarray
    places: np.ndarray
    energy: np.ndarray
    sentences: tuple[str, ...]

    def saying(self, words: str) -> np.ndarray:
        """Whether each sentence has all of these words, in any order and case, `(n,)`."""
        wanted = set(words.lower().split())
        return np.array([wanted <= set(said.lower().split()) for said in self.sentences], bool)


def voices(model: LatentEBM, view: TiltView, drawn: Projection, tilt: float) -> dict[str, Voice]:
    """Those of p_0, of p_λ, and of the aggregate posterior once there is one, by these names."""
    spread = np.linspace(0, len(drawn.rows) - 1, min(N_READ, len(drawn.rows))).astype(int)

    def particles(i: int) -> Voice:
        rows, places = drawn.rows[spread], drawn.particles[i][spread]
        return _voice(model, view.path.particles[i][rows], rows, places)

    found = {"p_0": particles(0), "p_λ": particles(TILTS.index(tilt))}
    if view.posterior is not None and drawn.posterior is not None:
        z, rows = view.posterior, np.arange(len(view.posterior))
        found["posterior"] = _voice(model, z, rows, drawn.posterior)
    return found


def _voice(model: LatentEBM, z: Tensor, rows: np.ndarray, places: np.ndarray) -> Voice:
    energy = -model.prior.neg_energy(z).detach().numpy()
    return Voice(rows, places, energy, sentence_chains.recall(model, z))
