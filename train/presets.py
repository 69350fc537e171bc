"""Named settings. Step sizes are s of eq. 9; δ stands beside a number that was published as δ.

The image settings start from the authors' public ones (σ = 0.3, prior δ = 0.4, posterior
δ = 0.1, Adam with betas (0.5, 0.999)) at sizes that two CPU cores train in an hour or two:
a narrower generator, fewer latent dimensions, posterior chains that persist between epochs
(5 steps a visit instead of 20 from noise) and higher learning rates.
"""

from __future__ import annotations

from lebm.langevin import LangevinConfig
from lebm.model import ModelConfig
from train.config import DatasetName, OptimizerConfig, TrainConfig

PRIOR = LangevinConfig(n_steps=60, step_size=0.08)  # δ = 0.4
POSTERIOR = LangevinConfig(n_steps=5, step_size=0.005)  # δ = 0.1


def _plane(dataset: DatasetName) -> TrainConfig:
    """A 2-D toy with z in the plane, so that every density is exact on a grid.

    The generator is narrow on purpose: what it cannot fold, the prior has to carve out.
    Posterior chains start from noise, since persistent ones let the scale of z run away here.
    """
    return TrainConfig(
        dataset=dataset,
        model=ModelConfig(
            latent_dim=2,
            data_shape=(2,),
            width=16,
            noise_std=0.1,
            prior_hidden=100,
            prior_activation="gelu",
        ),
        prior_sampler=LangevinConfig(n_steps=80, step_size=0.03),
        posterior_sampler=LangevinConfig(n_steps=40, step_size=0.002),
        reconstruction=LangevinConfig(n_steps=200, step_size=0.002),
        optimizer=OptimizerConfig(lr_prior=3e-4, lr_generator=1e-3, lr_decay=0.985),
        batch_size=256,
        epochs=200,
    )


def _grey_28(dataset: DatasetName) -> TrainConfig:
    return TrainConfig(
        dataset=dataset,
        model=ModelConfig(latent_dim=32, data_shape=(1, 28, 28), width=16),
        prior_sampler=PRIOR,
        posterior_sampler=POSTERIOR,
        posterior_chains="persistent",
        optimizer=OptimizerConfig(lr_decay=0.95),
        epochs=25,
        precision="bf16-mixed",
    )


#: Name -> (one line for --help, settings).
PRESETS: dict[str, tuple[str, TrainConfig]] = {
    "pinwheel": ("Five curved arms in the plane; ten minutes.", _plane("pinwheel")),
    "two-moons": ("Two interleaved half circles in the plane; ten minutes.", _plane("two-moons")),
    "ring": ("Eight Gaussians on a circle in the plane; ten minutes.", _plane("ring")),
    "digits": (
        "scikit-learn's 8x8 digits, embedded, no download; two minutes.",
        TrainConfig(
            dataset="digits",
            model=ModelConfig(latent_dim=16, data_shape=(1, 8, 8), width=32),
            prior_sampler=PRIOR,
            posterior_sampler=LangevinConfig(n_steps=10, step_size=0.005),
            posterior_chains="persistent",
            optimizer=OptimizerConfig(lr_prior=2e-4, lr_generator=1e-3, lr_decay=0.99),
            epochs=150,
        ),
    ),
    "mnist": ("28x28 handwritten digits; about an hour on 2 cores.", _grey_28("mnist")),
    "fashion-mnist": ("28x28 clothes; about an hour on 2 cores.", _grey_28("fashion-mnist")),
    "image-folder": (
        "Your own pictures (--data-root), cropped and resized to the model's size.",
        TrainConfig(
            dataset="image-folder",
            model=ModelConfig(latent_dim=64, data_shape=(3, 32, 32), width=32),
            prior_sampler=PRIOR,
            posterior_sampler=POSTERIOR,
            posterior_chains="persistent",
            epochs=50,
            precision="bf16-mixed",
        ),
    ),
}
