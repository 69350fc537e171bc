"""What a training run is: typed, frozen, stored as the run's `config.json`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from lebm.langevin import LangevinConfig
from lebm.model import ModelConfig
from lebm.vocabulary import Vocabulary

DatasetName = Literal[
    "pinwheel",
    "two-moons",
    "ring",
    "digits",
    "mnist",
    "fashion-mnist",
    "svhn",
    "cifar10",
    "celeba",
    "image-folder",
    "grammar",
    "ptb",
    "snli",
    "yahoo",
    "text-file",
]

Accelerator = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["32-true", "bf16-mixed"]

MethodName = Literal[
    "lebm",
    "amortised",
    "tilted-vae",
    "vae",
    "fb-vae",
    "sa-vae",
    "2svae",
    "rae",
    "sri",
    "sri-5",
    "meg",
    "bigan",
    "arae",
]


#: Those that learn from sentences.
TEXT_METHODS: tuple[MethodName, ...] = (
    "lebm",
    "amortised",
    "tilted-vae",
    "vae",
    "fb-vae",
    "sa-vae",
    "arae",
    "sri",
)


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """Adam for both networks."""

    lr_prior: float = 2e-4
    """η_0, learning rate of f_α."""
    lr_generator: float = 5e-4
    """η_1, learning rate of g_β, and of encoders and discriminators where the method has them."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Adam's betas."""
    lr_decay: float = 1.0
    """Both rates are multiplied by this after each epoch; above 0, at most 1."""

    def __post_init__(self) -> None:
        for name in ("lr_prior", "lr_generator"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"optimizer.{name} must lie in (0, 1), not {getattr(self, name)}")
        if not 0 < self.lr_decay <= 1:
            raise ValueError(f"optimizer.lr_decay must lie in (0, 1], not {self.lr_decay}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"optimizer.betas must lie in [0, 1), not {self.betas}")


@dataclass(frozen=True, slots=True)
class RAEConfig:
    """What a regularised autoencoder minimises beside the squared error."""

    latent_weight: float = 1e-4
    """β, of the mean square of the codes; at least 0."""
    generator_weight: float = 1e-7
    """λ, of the sum of the generator's squared weights; at least 0."""

    def __post_init__(self) -> None:
        for name in ("latent_weight", "generator_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"rae.{name} must be at least 0, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class ARAEConfig:
    """What an adversarially regularised autoencoder adds to its codes and to their encoder."""

    noise: float = 0.05
    """Standard deviation of the noise on each number of a code of length 1; at least 0. It
    dwindles by a two-thousandth every 100 iterations."""
    encoder_weight: float = 0.1
    """Of the critic's word in what the encoder minimises; at least 0."""

    def __post_init__(self) -> None:
        for name in ("noise", "encoder_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"arae.{name} must be at least 0, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class AmortisedConfig:
    """What follows the draws of learned samplers."""

    posterior_steps: int = 0
    """Langevin steps, of the run's step size, that each draw of q_φ is refined by, in learning and
    in inference; 0 leaves the draws as they are. Each costs a pass through the generator."""
    prior_steps: int = 0
    """The same for the draws of q_ψ, where a step is cheap: it passes through f alone."""

    def __post_init__(self) -> None:
        for name in ("posterior_steps", "prior_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"amortised.{name} must be at least 0, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class VAEConfig:
    """What variational autoencoders do against a posterior that collapses, beside annealing."""

    pretraining: int = 1000
    """Iterations that fb-vae spends as an autoencoder without the divergence; then its generator
    begins anew beside the encoder. 0 leaves that out."""
    free_bits: float = 0.15
    """Nats of each latent's divergence, the mean over a batch, that cost fb-vae nothing."""
    refine_steps: int = 5
    """Gradient steps by which sa-vae refines what the encoder says of each example."""
    refine_rate: float = 0.1
    """Size of these steps; above 0."""

    def __post_init__(self) -> None:
        for name in ("pretraining", "free_bits", "refine_steps"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"vae.{name} must be at least 0, not {getattr(self, name)}")
        if not 0 < self.refine_rate < math.inf:
            raise ValueError(f"vae.refine_rate must be above 0, not {self.refine_rate}")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run."""

    dataset: DatasetName
    """What to learn from."""
    model: ModelConfig
    """Sizes of prior and generator, and σ."""
    prior_sampler: LangevinConfig
    """Prior chains of Algorithm 1, step 2 (K_0, s_0)."""
    posterior_sampler: LangevinConfig
    """Posterior chains of Algorithm 1, step 3 (K_1, s_1)."""
    method: MethodName = "lebm"
    """How to learn: "lebm" is Algorithm 1 of Pang et al. 2020, prior and generator together;
    "amortised" is its section 2.6, with learned samplers in place of the chains; "tilted-vae" has
    an encoder for the posterior and keeps the prior's chains. The others are the baselines of its
    Tables 1 and 2 on the same generator: the VAE, the VAE with free bits, the semi-amortised VAE,
    the two-stage VAE, the regularised autoencoder, the adversarially regularised one, short-run
    inference under N(0, I) with one or five latent layers; and those of its Table 4, of anomaly
    detection: "meg" is an energy over data with a generator of maximum entropy, "bigan" a
    bidirectional GAN."""
    prior_chains: Literal["short-run", "persistent"] = "short-run"
    """Start prior chains from p_0 noise (the paper), or where 10,000 remembered chains stand."""
    prior_restart: float = 0.05
    """Share of persistent prior chains that begin again at p_0 noise, each iteration; 0 to 1."""
    posterior_chains: Literal["short-run", "persistent"] = "short-run"
    """Start posterior chains from p_0 noise (the paper), or where the same example's chain ended
    an epoch ago."""
    reconstruction: LangevinConfig = field(
        default_factory=lambda: LangevinConfig(n_steps=100, step_size=0.005)
    )
    """Posterior chain from p_0 noise for test reconstructions, anomaly scores and the model's
    card."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Learning rates and their decay."""
    amortised: AmortisedConfig = field(default_factory=AmortisedConfig)
    """What follows the draws of learned samplers, where the method is amortised."""
    vae: VAEConfig = field(default_factory=VAEConfig)
    """Free bits and refinement of variational autoencoders, where that is the method."""
    rae: RAEConfig = field(default_factory=RAEConfig)
    """Weights of the regularised autoencoder, where that is the method."""
    arae: ARAEConfig = field(default_factory=ARAEConfig)
    """Noise and weight of the adversarially regularised autoencoder, where that is the method."""
    annealing: int = 0
    """Iterations over which the prior comes to count in full in what explains an example, so that
    a decoder of sentences does not learn to do without z; 0 for in full at once. Its weight w rises
    from 0 to 1: encoders weigh their divergence by it, posterior chains divide log p(x|z) by it,
    but never by less than 0.3."""
    word_dropout: float = 0.0
    """Share of the words before that a decoder of sentences does not hear while it learns, so that
    it listens to z; 0 to below 1, and 0 for all other data."""
    batch_size: int = 128
    """Examples an iteration, m in the paper."""
    epochs: int = 10
    """Passes over the training data."""
    minutes: float | None = None
    """Stop earlier, after so many minutes of learning, by the run's own clock: time that other
    programs take from a run of one CPU thread does not count, nor does saving."""
    seed: int = 0
    """Of the weights, the order of the data and all chains."""
    held_out: int | None = None
    """Class left out of training, whose examples are the anomalies that each checkpoint is
    asked to tell from normal ones; see `train.anomaly`."""
    split_seed: int | None = None
    """Of which normal examples are trained on, where a class is held out; None is seed."""
    data_root: Path | None = None
    """Folder with the data, or one's own file of sentences. The environment variable LEBM_DATA
    stands in for it, but for one's own pictures and sentences. Without either, images are
    downloaded into ./data, and the sentences of ptb, snli and yahoo are looked for there; digits,
    points and the grammar need neither."""
    out: Path | None = None
    """The run's directory; default runs/PRESET, or the next free runs/PRESET-2, -3, ..."""
    save_every: int = 500
    """Iterations between checkpoints, each with a test reconstruction and sample pictures."""
    log_every: int = 20
    """Iterations between rows of metrics.csv."""
    accelerator: Accelerator = "auto"
    """Where to compute."""
    precision: Precision = "32-true"
    """bf16-mixed runs posterior chains and the generator's learning in bfloat16, where the device
    has it and does not merely imitate it; prior chains and the learning of f_α stay in float32."""
    threads: int = 0
    """CPU threads; 0 leaves the choice to torch."""

    def __post_init__(self) -> None:
        model = self.model
        if model.prior != "tilted" or model.latent_layers != 1 or model.amortised:
            raise ValueError(
                "model.prior, model.latent_layers and model.amortised are chosen by the method: "
                "leave them out"
            )
        for name in ("batch_size", "epochs", "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise ValueError(f"minutes must be above 0, not {self.minutes}")
        if not 0 <= self.word_dropout < 1 or (self.word_dropout and self.model.text is None):
            raise ValueError(
                "word_dropout must be from 0 to below 1, and 0 without sentences, "
                f"not {self.word_dropout}"
            )
        if self.annealing < 0:
            raise ValueError(f"annealing must be at least 0, not {self.annealing}")
        if not 0 <= self.prior_restart <= 1:
            raise ValueError(f"prior_restart must be from 0 to 1, not {self.prior_restart}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be from 0 to 2^63 - 1, not {self.seed}")
        for name in ("held_out", "split_seed"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")
        if self.model.text is not None and self.method not in TEXT_METHODS:
            raise ValueError(
                f"method {self.method} learns no sentences: {', '.join(TEXT_METHODS)} do"
            )
        if self.threads < 0:
            raise ValueError(f"threads must be at least 0, not {self.threads}")

    def with_vocabulary(self, vocabulary: Vocabulary | None) -> TrainConfig:
        """The same settings with the words of the data, where these are sentences."""
        if self.model.text is None or vocabulary is None:
            return self
        text = replace(self.model.text, vocabulary=vocabulary)
        return replace(self, model=replace(self.model, text=text))

    @property
    def split(self) -> int:
        """The seed of which normal examples are trained on."""
        return self.seed if self.split_seed is None else self.split_seed
