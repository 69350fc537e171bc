"""What is learned by: Pang et al. 2020, eq. 7 and 8 as losses to minimise, terms of eq. 17."""

from __future__ import annotations

from torch import Tensor

from lebm.model import LatentEBM
from lebm.prior import TiltedPrior


def prior_loss(prior: TiltedPrior, z_plus: Tensor, z_minus: Tensor) -> Tensor:
    r"""Scalar whose descent follows eq. 7 for the prior.

    $$ \delta_\alpha(x) = E_{p_\theta(z|x)}[\nabla_\alpha f_\alpha(z)]
                        - E_{p_\alpha(z)}[\nabla_\alpha f_\alpha(z)] $$

    f_α rises at posterior samples and falls at prior samples. Minus this loss is the "f gap"
    of the logs; it hovers around 0 when the two agree and is no likelihood.

    Args:
        prior: the tilted prior.
        z_plus: posterior samples, `(n, latent_dim)`, detached.
        z_minus: prior samples, `(m, latent_dim)`, detached.
    """
    return prior.neg_energy(z_minus).mean() - prior.neg_energy(z_plus).mean()


def generator_loss(
    model: LatentEBM, x: Tensor, z_plus: Tensor, heard: Tensor | None = None
) -> Tensor:
    r"""Scalar whose descent follows eq. 8 for the generator, mean over the batch, in nats.

    $$ \delta_\beta(x) = E_{p_\theta(z|x)}[\nabla_\beta \log p_\beta(x|z)] $$

    With the likelihood of eq. 3 this is the squared error over 2σ² plus a constant, so its
    gradient grows as 1/σ². Adam divides a gradient by its own running size, so that factor
    changes nothing but the weight of Adam's epsilon: σ acts through the posterior chain, where
    it sets how hard z is pulled towards x, and the learning rate keeps its meaning whatever σ
    is. With plain SGD the rate would have to shrink as σ². (The authors' script drops the
    factor here and keeps it in the sampler; under Adam the two learn alike.)

    Args:
        model: the joint model.
        x: examples, `(n, *data_shape)`.
        z_plus: their posterior samples, `(n, latent_dim)`, detached.
        heard: of sentences, what the decoder hears of the words before; x by default.
    """
    return -model.log_likelihood(x, z_plus, heard).mean()


def divergence_less_log_z(prior: TiltedPrior, z: Tensor, log_q: Tensor) -> Tensor:
    r"""log q(z) - f_α(z) - log p_0(z), whose mean over q is KL(q ‖ p_α) - log Z(α), in nats.

    With it the objective of amortised learning, eq. 17, needs no Z:

    $$ \Delta = -KL(q_{data} \| p_\theta) - KL(q_\phi(z|x) \| p_\theta(z|x))
                + KL(q_\psi \| p_\alpha)
       = E_{q_{data} q_\phi}[\log p_\beta(x|z)] - D(q_\phi) + D(q_\psi) + H(q_{data}) $$

    where D is the mean of what is returned here and log Z cancels between the two.

    Args:
        prior: the tilted prior.
        z: draws from q, `(n, latent_dim)`.
        log_q: log q at these draws, `(n,)`.
    """
    return log_q - prior.unnorm_log_prob(z)
