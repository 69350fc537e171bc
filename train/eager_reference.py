"""Algorithm 1 as plain eager loops, written as the equations read: what speed is measured against.

Same networks and same steps as the library; autograd for every gradient, float32, PyTorch's
own layers and memory layout, one call of `randn` a step. Only tests and `train.benchmark` use it.
"""

from __future__ import annotations

import math
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lebm.langevin import LangevinConfig
from lebm.model import LatentEBM
from lebm.prior import TiltedPrior


def plain_model(model: LatentEBM) -> LatentEBM:
    """A copy of a model of images, its generator made of `nn.ConvTranspose2d` as it comes."""
    plain = deepcopy(model)
    layers: list[nn.Module] = [nn.Unflatten(1, (model.config.latent_dim, 1, 1))]
    for layer in model.generator.get_submodule("net").children():
        if isinstance(layer, nn.ConvTranspose2d):
            own = deepcopy(layer).to(memory_format=torch.contiguous_format)
            own.__class__ = nn.ConvTranspose2d
            layers.append(own)
        else:
            layers.append(layer)
    plain.generator = nn.Sequential(*layers)
    return plain


def prior_chain(
    prior: TiltedPrior, z: Tensor, config: LangevinConfig, generator: torch.Generator
) -> Tensor:
    """z⁻ by eq. 9 on log p_α(z) = f_α(z) - ½‖z‖² + constant, from z `(n, latent_dim)`."""
    for _ in range(config.n_steps):
        z = z.detach().requires_grad_()
        log_prob = prior.f(z)[:, 0] - 0.5 * z.square().sum(1)
        (gradient,) = torch.autograd.grad(log_prob.sum(), z)
        noise = torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)
        z = z + config.step_size * gradient + math.sqrt(2 * config.step_size) * noise
    return z.detach()


def posterior_chain(
    model: LatentEBM, x: Tensor, z: Tensor, config: LangevinConfig, generator: torch.Generator
) -> Tensor:
    """z⁺ by eq. 9 on log p(x, z), from z `(n, latent_dim)`, for x `(n, *data_shape)`."""
    for _ in range(config.n_steps):
        z = z.detach().requires_grad_()
        log_prior = model.prior.f(z)[:, 0] - 0.5 * z.square().sum(1)
        sq_error = (x - model.generator(z)).square().flatten(1).sum(1)
        log_prob = log_prior - sq_error / (2 * model.noise_std**2)
        (gradient,) = torch.autograd.grad(log_prob.sum(), z)
        noise = torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)
        z = z + config.step_size * gradient + math.sqrt(2 * config.step_size) * noise
    return z.detach()


def learning_iteration(
    model: LatentEBM,
    x: Tensor,
    z_minus_start: Tensor,
    z_plus_start: Tensor,
    prior_optimizer: Optimizer,
    generator_optimizer: Optimizer,
    prior_sampler: LangevinConfig,
    posterior_sampler: LangevinConfig,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Steps 2 to 5 of Algorithm 1 for one mini-batch; returns z⁺ and z⁻.

    Arguments as those of `train.algorithm1.learning_iteration`.
    """
    z_minus = prior_chain(model.prior, z_minus_start, prior_sampler, generator)
    z_plus = posterior_chain(model, x, z_plus_start, posterior_sampler, generator)

    prior_optimizer.zero_grad()
    (model.prior.f(z_minus).mean() - model.prior.f(z_plus).mean()).backward()
    prior_optimizer.step()

    generator_optimizer.zero_grad()
    sq_error = (x - model.generator(z_plus)).square().flatten(1).sum(1)
    (sq_error / (2 * model.noise_std**2)).mean().backward()
    generator_optimizer.step()
    return z_plus, z_minus
