"""The joint model p(x, z) = p_α(z) p_β(x|z), Pang et al. 2020, eq. 1 to 4."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lebm import langevin
from lebm.amortised import AmortisedSamplers
from lebm.decoder import RecurrentDecoder, TextConfig
from lebm.density import LIKELIHOOD, LogDensity, LogDensityFn
from lebm.generators import ConvGenerator, MLPGenerator
from lebm.hierarchy import HierarchicalGenerator
from lebm.langevin import LangevinConfig
from lebm.neg_energy import Activation
from lebm.prior import TiltedPrior
from lebm.tilts import ExactTilt, MixtureTilt, NoTilt

#: Largest size of a layer; far beyond any use, it keeps a made-up config from asking for all
#: memory.
MAX_LAYER = 65_536


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """All that is needed to build a `LatentEBM`."""

    latent_dim: int
    """d, the length of z."""
    data_shape: tuple[int, ...]
    """Shape of one example: (2,) for points, (channels, size, size) for images, (T,) for sentences
    of up to T words, the end counted as one."""
    width: int = 64
    """Base width of the generator's convolutions, units a layer for points, units of the recurrent
    state for sentences."""
    noise_std: float = 0.3
    """σ of the observation noise, in the units of x (images lie in [-1, 1]); 1e-6 to 1e6.
    Sentences have none."""
    prior_hidden: int = 200
    """Units in each of the two hidden layers of f_α."""
    prior_activation: Activation = "leaky_relu"
    """Activation of f_α."""
    prior: Literal["tilted", "gaussian", "mixture"] = "tilted"
    """What f is: the network f_α, 0 (the prior is N(0, I)), or the tilt whose prior is a mixture
    of Gaussians. The training method chooses it."""
    mixture_components: int = 10
    """Gaussians in a mixture prior."""
    latent_layers: int = 1
    """Layers of latents over the generator, which share latent_dim evenly; 1 to 16. The training
    method chooses it."""
    amortised: bool = False
    """Whether learned samplers q_φ(z|x) and q_ψ(z) come along. The training method chooses it."""
    text: TextConfig | None = None
    """Vocabulary and word vectors, where examples are sentences."""

    def __post_init__(self) -> None:
        sizes = {"latent_dim": self.latent_dim, "width": self.width}
        sizes |= {name: getattr(self, name) for name in ("prior_hidden", "mixture_components")}
        sizes |= {f"data_shape[{i}]": length for i, length in enumerate(self.data_shape)}
        for name, value in sizes.items():
            if not 1 <= value <= MAX_LAYER:
                raise ValueError(f"{name} must be from 1 to {MAX_LAYER}, not {value}")
        if not 1e-6 <= self.noise_std <= 1e6:
            raise ValueError(f"noise_std must be from 1e-6 to 1e6, not {self.noise_std}")
        if not 1 <= self.latent_layers <= 16 or self.latent_dim % self.latent_layers:
            raise ValueError(
                "latent_layers must be from 1 to 16 and divide latent_dim, not "
                f"{self.latent_layers} with latent_dim {self.latent_dim}"
            )
        shape = self.data_shape
        square = len(shape) == 3 and shape[1] == shape[2]
        if not (len(shape) == 1 or square):
            raise ValueError(
                f"data_shape must be (dim,) or (channels, size, size), not {tuple(shape[:4])}"
            )
        if self.text is not None and (len(shape) != 1 or self.latent_layers != 1):
            raise ValueError(
                "a model of text needs data_shape (T,) and one latent layer, "
                f"not {tuple(shape[:4])} and {self.latent_layers}"
            )

    @property
    def kind(self) -> Literal["points", "images", "text"]:
        """What an example is."""
        if self.text is not None:
            return "text"
        return "points" if len(self.data_shape) == 1 else "images"


def _build_prior(config: ModelConfig) -> TiltedPrior:
    """The network is made whatever the prior is, so that a seed gives every method the same g."""
    prior = TiltedPrior(config.latent_dim, config.prior_hidden, config.prior_activation)
    if config.prior == "gaussian":
        prior.f = NoTilt()
    elif config.prior == "mixture":
        prior.f = MixtureTilt(config.latent_dim, config.mixture_components)
    return prior


def _build_generator(config: ModelConfig) -> nn.Module:
    layer_dim = config.latent_dim // config.latent_layers
    bottom: nn.Module
    if config.text is not None:
        return RecurrentDecoder(layer_dim, config.data_shape[0], config.width, config.text)
    if config.kind == "points":
        bottom = MLPGenerator(layer_dim, config.data_shape[0], config.width)
    else:
        channels, size, _ = config.data_shape
        bottom = ConvGenerator(layer_dim, channels, size, config.width)
    if config.latent_layers == 1:
        return bottom
    return HierarchicalGenerator(bottom, layer_dim, config.latent_layers, config.prior_hidden)


def _build_samplers(config: ModelConfig) -> AmortisedSamplers | None:
    if not config.amortised:
        return None
    sizes = config.latent_dim, config.data_shape, config.width, config.text
    return AmortisedSamplers(*sizes, hidden=config.prior_hidden)


class LatentEBM(nn.Module):
    """Tilted prior p_α(z) over a generator p_β(x|z).

    For points and images p_β(x|z) = N(g_β(z), σ² I); for sentences it is a recurrent decoder.

    Args:
        config: sizes, σ and activations.

    Attributes:
        prior: p_α(z).
        generator: g_β.
        amortised: learned samplers of prior and posterior, where the model has them.

    Raises:
        ValueError: for a size outside its range, naming the field.

    Source: Pang et al. 2020, eq. 1 (joint), 2 (prior), 3 and 4 (generator).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.prior = _build_prior(config)
        self.generator = _build_generator(config)
        self.amortised = _build_samplers(config)
        self.noise_std = config.noise_std

    @property
    def log_norm(self) -> float:
        """The constant of eq. 3: D/2 log(2πσ²), with D values in an example."""
        return 0.5 * math.prod(self.config.data_shape) * math.log(math.tau * self.noise_std**2)

    def log_likelihood(self, x: Tensor, z: Tensor, heard: Tensor | None = None) -> Tensor:
        r"""log p_β(x|z), normalised, in nats: eq. 4 for sentences, else eq. 3.

        $$ \log N(x; g_\beta(z), \sigma^2 I)
           = -\frac{\|x - g_\beta(z)\|^2}{2 \sigma^2} - \frac{D}{2} \log(2 \pi \sigma^2) $$

        Args:
            x: examples, `(n, *data_shape)`.
            z: latents, `(n, latent_dim)`.
            heard: of sentences, what the decoder hears of the words before; x by default.

        Returns:
            `(n,)`.
        """
        if isinstance(self.generator, RecurrentDecoder):
            return self.generator.log_prob(x, z, heard)
        sq_error = (x - self.generator(z)).square().flatten(1).sum(1)
        return -sq_error / (2 * self.noise_std**2) - self.log_norm

    def unnorm_log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x, z) + log Z(α), `(n,)` in nats: the posterior's target, an anomaly score."""
        return self.log_likelihood(x, z) + self.prior.unnorm_log_prob(z)

    def prior_density(self, tilt: float = 1.0) -> LogDensity:
        """log p_α(z) + log Z(α) as its terms: "base" (log p_0) and "tilt" (f_α).

        Args:
            tilt: λ in p_λ ∝ exp(λ f_α) p_0; 1 is the model's prior, 0 the plain Gaussian.
        """
        return self.prior.density(tilt)

    def posterior_density(self, x: Tensor, likelihood_weight: float = 1.0) -> LogDensity:
        """log p(x, z) + log Z(α) for given x `(n, *data_shape)` as "base", "tilt", "likelihood".

        One chain an example: row i of z belongs to row i of x. For sentences, the words before
        are those of x (teacher forcing), and the density stays with the weights it was made of.

        Args:
            x: the examples.
            likelihood_weight: how often log p_β(x|z) counts; 1 is Bayes' rule.
        """
        log_likelihood: LogDensityFn
        if isinstance(self.generator, RecurrentDecoder):
            log_likelihood = self.generator.given(x)
        else:
            log_likelihood = lambda z: self.log_likelihood(x, z)  # noqa: E731
        once = log_likelihood
        if likelihood_weight != 1:  # a plain function, which runs under autocast, as `once` does
            log_likelihood = lambda z: likelihood_weight * once(z)  # noqa: E731
        return LogDensity(self.prior_density().terms | {LIKELIHOOD: log_likelihood})

    def sample_prior(
        self, start: Tensor, config: LangevinConfig, *, generator: torch.Generator
    ) -> Tensor:
        """z from the prior, `(n, latent_dim)`: exactly where f allows it, else by a chain.

        Args:
            start: draws of p_0, `(n, latent_dim)`; where the chain starts.
            config: the prior chain, for an f that has no exact draws.
            generator: source of the noise.
        """
        if isinstance(self.prior.f, ExactTilt):
            return self.prior.f.sample(start, generator=generator)
        return langevin.sample(self.prior_density(), start, config, generator=generator)

    @torch.no_grad()
    def learned_start(self, noise: Tensor, x: Tensor | None = None) -> Tensor:
        """Draws of the learned samplers, `(n, latent_dim)`: of q_ψ(z), or of q_φ(z|x).

        Args:
            noise: draws of p_0, `(n, latent_dim)`, each made into one of the result.
            x: examples, `(n, *data_shape)`, or one for all, `(1, *data_shape)`; None draws from
                q_ψ.

        Raises:
            ValueError: if the model has no learned samplers.
        """
        if self.amortised is None:
            raise ValueError("this model has no learned samplers: train one with method amortised")
        if x is None:
            return self.amortised.synthesis(noise)[0]
        return self.amortised.inference(x.expand(len(noise), *x.shape[1:]), noise)[0]

    @torch.no_grad()
    def generate(self, z: Tensor) -> Tensor:
        """g_β(z), the mean of p_β(x|z): `(n, latent_dim) -> (n, *data_shape)`, no gradient.

        Sentences have no mean: theirs is the greedy decoding, the likeliest word at each place.
        """
        return self.generator(z)

    def infer(self, x: Tensor, config: LangevinConfig, *, generator: torch.Generator) -> Tensor:
        """z `(n, latent_dim)` from a posterior chain that starts at p_0 noise.

        Args:
            x: examples, `(n, *data_shape)`.
            config: the posterior chain.
            generator: source of the start and the noise.
        """
        start = self.prior.sample_base(len(x), generator=generator)
        return langevin.sample(self.posterior_density(x), start, config, generator=generator)

    def reconstruct(
        self, x: Tensor, config: LangevinConfig, *, generator: torch.Generator
    ) -> Tensor:
        """g_β(z), `(n, *data_shape)`, with z as `infer` finds it."""
        return self.generate(self.infer(x, config, generator=generator))
