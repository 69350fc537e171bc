"""Importance sampling of log p(x) from posterior chains."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from lebm.model import LatentEBM

_DRAWS = 64  # of the proposal


@torch.no_grad()
def importance_bound(
    model: LatentEBM, x: Tensor, chains: Tensor, log_z: float, *, generator: torch.Generator
) -> Tensor:
    r"""A lower bound of log p(x) of each example, in nats, `(n,)`.

    $$ E\Big[\log \tfrac{1}{S} \sum_s \frac{p_\beta(x|z_s) p_\alpha(z_s)}{q(z_s|x)}\Big]
       \le \log p(x), \qquad z_s \sim q(z|x) $$

    q is a Gaussian at the mean of an example's chains; all examples share its covariance, a
    little wider than the chains'. It is a bound whatever q is, and the better, the closer.

    Args:
        model: the model.
        x: examples, `(n, *data_shape)`; of sentences, `(n, T)`.
        chains: ends of their posterior chains, `(n, k, latent_dim)`.
        log_z: log Z(α); with 0, the bound is of log p(x) + log Z(α).
        generator: source of the draws.

    Source: Burda et al. 2016, "Importance weighted autoencoders", eq. 8.
    """
    mean, k = chains.mean(1), chains.shape[1]
    inside = (chains - mean[:, None]).flatten(0, 1)
    covariance = inside.T @ inside / (len(x) * (k - 1)) * 1.2 * (1 + 1 / k)
    covariance += 1e-4 * torch.eye(len(covariance), device=x.device)
    noise = MultivariateNormal(torch.zeros_like(mean[0]), covariance)
    log_weights = []
    for _ in range(_DRAWS):
        white = torch.randn(mean.shape, generator=generator, device=mean.device)
        step = white.to(mean) @ noise.scale_tril.T
        log_q = noise.log_prob(step)
        log_weights.append(model.unnorm_log_joint(x, mean + step) - log_z - log_q)
    return torch.stack(log_weights).logsumexp(0) - math.log(_DRAWS)
