from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from app.studies import history
from app.studies.chain_run import ChainRun, ChainSettings
from app.studies.frame import latent_plane
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig

POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)
NOW = ChainSettings(n_chains=4, n_steps=5, step_size=0.05, temperature=1.0, seed=3)
THEN = replace(NOW, step_size=0.0123, temperature=0.5)
TESTED = replace(NOW, step_size=3e-6, adjusted=True)


def _start(build: Callable[[ModelConfig], LatentEBM], settings: ChainSettings) -> ChainRun:
    model = build(POINTS)
    start = ChainRun.start("a", model, latent_plane(model, LangevinConfig(5, 0.05)), settings)
    return start.advance(settings.n_steps)


def test_a_chain_is_told_and_replayed(build: Callable[[ModelConfig], LatentEBM]) -> None:
    run = _start(build, THEN).change(TESTED).advance(9).change(NOW).advance(12)
    text = history.write(run)
    past = history.parse(text, NOW)
    assert past == ((THEN, 5), (TESTED, 9))
    again = history.replay(_start(build, past[0][0]), past, NOW).advance(12)
    assert torch.equal(again.trajectory.z, run.trajectory.z)
    assert again.id == run.id
    assert history.describe(run) == (
        "Steps 1 to 5: s = 0.0123, T = 0.5, seed 3. "
        "Steps 6 to 9: s = 3e-06, T = 1, seed 3, Metropolis test. "
        "From step 10 on: s = 0.05, T = 1, seed 3."
    )


def test_a_chain_without_changes_has_no_past(build: Callable[[ModelConfig], LatentEBM]) -> None:
    assert history.write(_start(build, NOW)) == ""
    assert history.parse("", NOW) == ()


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "0.05_1_0",
        "0_1_0_5",
        "3_1_0_5",
        "0.05_9_0_5",
        "0.05_0_1_5",  # the Metropolis test at temperature 0
        "1e-99_1_0_5x",
        "0.05_1_0_9~0.05_1_0_5",
        "0.05_1_0_0",
        "nan_1_0_5",
    ],
)
def test_nonsense_is_no_past(text: str) -> None:
    assert history.parse(text, NOW) == ()
