"""Latent-space energy-based priors: model, samplers, checkpoints and a zoo of trained models.

Pang, Han, Nijkamp, Zhu, Wu, "Learning Latent Space Energy-Based Prior Model", NeurIPS 2020,
https://arxiv.org/abs/2006.08205.
"""

from lebm import archive, langevin, zoo
from lebm.checkpoint import CheckpointError, ModelCard, load, save
from lebm.decoder import TextConfig
from lebm.density import LogDensity
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM, ModelConfig
from lebm.noise import ChainNoise
from lebm.prior import TiltedPrior
from lebm.trajectory import ChainFailure, State, Trajectory
from lebm.vocabulary import Vocabulary

__all__ = [
    "ChainFailure",
    "ChainNoise",
    "CheckpointError",
    "LangevinConfig",
    "LatentEBM",
    "LogDensity",
    "ModelCard",
    "ModelConfig",
    "State",
    "TextConfig",
    "TiltedPrior",
    "Trajectory",
    "Vocabulary",
    "archive",
    "langevin",
    "load",
    "save",
    "zoo",
]
