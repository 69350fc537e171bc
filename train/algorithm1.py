"""Algorithm 1 of Pang et al. 2020: one learning iteration, to be held against the paper."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from lebm import langevin
from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from train.objectives import generator_loss, prior_loss


@dataclass(frozen=True, slots=True)
class Iteration:
    """What one iteration leaves: the samples it learned from and scalars to log.

    Attributes:
        z_plus: posterior samples, `(n, latent_dim)`.
        z_minus: prior samples, `(n, latent_dim)`.
        metrics: name -> scalar tensor, left on the device so that logging decides when to wait.
    """

    z_plus: Tensor
    z_minus: Tensor
    metrics: dict[str, Tensor]


def learning_iteration(
    model: LatentEBM,
    x: Tensor,
    z_minus_start: Tensor,
    z_plus_start: Tensor,
    prior_optimizer: Optimizer,
    generator_optimizer: Optimizer,
    prior_sampler: LangevinConfig,
    posterior_sampler: LangevinConfig,
    *,
    generator: torch.Generator,
    likelihood_weight: float = 1.0,
    heard: Tensor | None = None,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> Iteration:
    """Steps 2 to 5 of Algorithm 1 for one mini-batch; updates the model in place.

    Args:
        model: prior and generator.
        x: the mini-batch of step 1, `(n, *data_shape)`.
        z_minus_start: where the prior chains start, `(n, latent_dim)`: p_0 noise (the paper's
            short run), or where earlier chains ended (persistent chains).
        z_plus_start: where the posterior chains start, `(n, latent_dim)`: p_0 noise (the
            paper's short run), or the examples' last z⁺ (persistent chains).
        prior_optimizer: of α, learning rate η_0.
        generator_optimizer: of β, learning rate η_1.
        prior_sampler: K_0 and s_0.
        posterior_sampler: K_1 and s_1.
        generator: source of all noise, on the model's device.
        likelihood_weight: how often log p_β(x|z) counts in step 3; 1 is the paper.
        heard: of sentences, what the decoder hears of the words before while it learns; x by
            default.
        autocast: context of the passes through g_β, for mixed precision.
    """
    prior = model.prior
    # Step 2, prior sampling: z⁻ by K_0 Langevin steps (eq. 9).
    z_minus = langevin.sample(
        model.prior_density(), z_minus_start, prior_sampler, generator=generator
    )
    # Step 3, posterior sampling: z⁺ by K_1 Langevin steps on log p(x, z).
    with autocast():
        z_plus = langevin.sample(
            model.posterior_density(x, likelihood_weight),
            z_plus_start,
            posterior_sampler,
            generator=generator,
        )
    # Step 4, learning the prior: α follows eq. 7.
    prior_optimizer.zero_grad()
    loss_prior = prior_loss(prior, z_plus, z_minus)
    loss_prior.backward()
    prior_optimizer.step()
    # Step 5, learning the generator: β follows eq. 8.
    generator_optimizer.zero_grad()
    with autocast():
        loss_generator = generator_loss(model, x, z_plus, heard)
    loss_generator.backward()
    generator_optimizer.step()

    metrics = {
        "f_gap": -loss_prior,
        "nll_given_z": loss_generator,
        "grad_norm_prior": _grad_norm(prior),
        "grad_norm_generator": _grad_norm(model.generator),
        "z_plus_norm": z_plus.norm(dim=-1).mean(),
        "z_minus_norm": z_minus.norm(dim=-1).mean(),
        "z_plus_max": z_plus.norm(dim=-1).max(),
        "z_minus_max": z_minus.norm(dim=-1).max(),
    }
    return Iteration(z_plus, z_minus, {name: m.detach() for name, m in metrics.items()})


def _grad_norm(module: torch.nn.Module) -> Tensor:
    return get_total_norm([p.grad for p in module.parameters() if p.grad is not None])
