"""The semi-amortised VAE (Kim et al. 2018): what the encoder says is refined for each example."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm.encoders import encode_gaussian
from train.methods.vae import VAE, negative_elbo

_LONGEST = 5.0  # of an example's gradient


class SemiAmortisedVAE(VAE):
    r"""A VAE whose q(z|x) takes gradient steps on its own example's bound, from the encoder's.

    $$ \lambda_0 = enc(x), \qquad \lambda_{k+1} = \lambda_k + r \nabla_\lambda ELBO(x, \lambda_k) $$

    and encoder and generator learn through all these steps.

    Departures: five steps of 0.1 unless `vae` says otherwise, where the authors take twenty of 1
    with momentum 0.5; the second derivatives are exact, where the paper takes finite differences;
    the steps go up each example's own bound, not the batch's mean, in log σ, not in log σ², and no
    example's gradient is longer than 5, in means or in log σ, where the authors' code holds the
    whole batch's to that length.

    Source: Kim et al. 2018, "Semi-amortized variational autoencoders", Algorithm 1; their code is
    https://github.com/harvardnlp/sa-vae (optim_n2n.py, train_text.py).
    """

    def posterior(
        self, x: Tensor, *, learning: bool, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """q(z|x) after its steps; what it draws are the noises of the bounds."""
        parameters = encode_gaussian(self.encoder, x)
        with torch.enable_grad():
            for _ in range(self.config.vae.refine_steps):
                if not learning:
                    mean, log_std = (p.detach().requires_grad_() for p in parameters)
                    parameters = mean, log_std
                parameters = self._refined(x, parameters, learning, generator=generator)
        mean, log_std = parameters
        return parameters if learning else (mean.detach(), log_std.detach())

    def _refined(
        self,
        x: Tensor,
        parameters: tuple[Tensor, Tensor],
        learning: bool,
        *,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation one step further up the bound."""
        noise = self.model.prior.sample_base(len(x), generator=generator)
        nll, kl = negative_elbo(self.model, x, *parameters, noise)
        loss = (nll + self.weight * kl).sum()
        gradients = torch.autograd.grad(loss, parameters, create_graph=learning)
        rate = self.config.vae.refine_rate
        mean, log_std = (
            p - rate * _shortened(gradient)
            for p, gradient in zip(parameters, gradients, strict=True)
        )
        return mean, log_std


def _shortened(gradient: Tensor) -> Tensor:
    """Each row at most `_LONGEST` long."""
    return gradient * (_LONGEST / gradient.norm(dim=-1, keepdim=True).clamp_min(_LONGEST))
