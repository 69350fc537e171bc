"""Small models on disk for the explorer's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from app.models import ModelEntry
from lebm import checkpoint
from lebm.checkpoint import ModelCard
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig

IMAGES = ModelConfig(latent_dim=4, data_shape=(1, 8, 8), width=2, prior_hidden=8)
SAMPLER = LangevinConfig(n_steps=6, step_size=0.05)
POINTS = ModelConfig(latent_dim=2, data_shape=(2,), width=8, prior_hidden=8)


@pytest.fixture
def build() -> Callable[[ModelConfig], LatentEBM]:
    def _build(config: ModelConfig) -> LatentEBM:
        torch.manual_seed(0)
        return LatentEBM(config).requires_grad_(False)

    return _build


@pytest.fixture
def save_run(tmp_path: Path, build: Callable[[ModelConfig], LatentEBM]) -> Callable[..., Path]:
    """Lays a run with one checkpoint under `tmp_path / "runs"` and returns the file."""

    def _save(
        name: str,
        config: ModelConfig = IMAGES,
        step: int = 5,
        sampler: LangevinConfig = SAMPLER,
    ) -> Path:
        folder = tmp_path / "runs" / name
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("{}")
        path = folder / "checkpoints" / f"step-{step:06d}.safetensors"
        card = ModelCard(name, sampler, sampler, sampler, {"data": "made up", "iterations": 1234})
        checkpoint.save(path, build(config), card)
        return path

    return _save


@pytest.fixture
def entry(save_run: Callable[..., Path]) -> ModelEntry:
    return ModelEntry("runs/tiny", "a test model", save_run("tiny"), 1)
