"""The network f_α of the tilted prior, and its gradient in z written by hand.

A prior chain asks for ∇_z f_α(z) and nothing else. For three linear layers this is five matrix
products; without autograd's graph a step of one chain costs a quarter of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, leaky_relu_, linear

from lebm.density import Analytic

Activation = Literal["leaky_relu", "gelu"]

_SLOPE = 0.2

#: h -> (φ(h), what its derivative is computed from); LeakyReLU overwrites h.
_Forward = Callable[[Tensor], tuple[Tensor, Tensor]]
#: (gradient after φ, what was kept) -> gradient before φ.
_Backward = Callable[[Tensor, Tensor], Tensor]


def _leaky_relu(h: Tensor) -> tuple[Tensor, Tensor]:
    a = leaky_relu_(h, _SLOPE)
    return a, a  # its sign is that of h


def _leaky_relu_back(gradient: Tensor, a: Tensor) -> Tensor:
    return torch.ops.aten.leaky_relu_backward.default(gradient, a, _SLOPE, True)


def _gelu(h: Tensor) -> tuple[Tensor, Tensor]:
    return gelu(h), h


def _gelu_back(gradient: Tensor, h: Tensor) -> Tensor:
    return torch.ops.aten.gelu_backward.default(gradient, h)


_ACTIVATIONS: dict[str, tuple[Callable[[], nn.Module], _Forward, _Backward]] = {
    "leaky_relu": (lambda: nn.LeakyReLU(_SLOPE), _leaky_relu, _leaky_relu_back),
    "gelu": (nn.GELU, _gelu, _gelu_back),
}


class NegEnergyNet(nn.Sequential):
    """f_α: z `(n, latent_dim)` -> `(n, 1)`, two hidden layers of one size, linear output.

    Args:
        latent_dim: d, the length of z; at least 1.
        hidden: units in each hidden layer; at least 1.
        activation: "leaky_relu" (slope 0.2) or "gelu".

    Raises:
        ValueError: for an argument outside its range.
    """

    def __init__(self, latent_dim: int, hidden: int, activation: Activation) -> None:
        if latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, not {latent_dim}")
        if hidden < 1:
            raise ValueError(f"hidden must be at least 1, not {hidden}")
        if activation not in _ACTIVATIONS:
            raise ValueError(f"activation must be 'leaky_relu' or 'gelu', not {activation!r}")
        make, *_ = _ACTIVATIONS[activation]
        super().__init__(
            nn.Linear(latent_dim, hidden),
            make(),
            nn.Linear(hidden, hidden),
            make(),
            nn.Linear(hidden, 1),
        )
        self.activation = activation


class NegEnergyTerm(Analytic):
    r"""f_α as a term of a log density.

    With h_1 = W_1 z + b_1, h_2 = W_2 φ(h_1) + b_2 and f = w_3 φ(h_2) + b_3

    $$ \nabla_z f = W_1^T (\varphi'(h_1) \odot W_2^T (\varphi'(h_2) \odot w_3)) $$

    Args:
        net: the network; its weights may go on learning.
    """

    def __init__(self, net: NegEnergyNet) -> None:
        self._net = net
        _, self._forward, self._backward = _ACTIVATIONS[net.activation]
        # Looked up once: attributes of modules cost as much as a matrix product for one chain.
        self._layers = [(layer.weight, layer.bias) for layer in net if isinstance(layer, nn.Linear)]

    def __call__(self, z: Tensor) -> Tensor:
        return self._net(z)[..., 0]

    def force(self, z: Tensor) -> Tensor:
        _, kept1, kept2 = self._hidden(z)
        return self._gradient(kept1, kept2)

    def value_and_force(self, z: Tensor) -> tuple[Tensor, Tensor]:
        a2, kept1, kept2 = self._hidden(z)
        weight, bias = self._layers[2]
        return linear(a2, weight, bias)[..., 0], self._gradient(kept1, kept2)

    def _hidden(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """φ(h_2), and what φ' is computed from in each layer."""
        (w1, b1), (w2, b2), _ = self._layers
        a1, kept1 = self._forward(linear(z, w1, b1))
        a2, kept2 = self._forward(linear(a1, w2, b2))
        return a2, kept1, kept2

    def _gradient(self, kept1: Tensor, kept2: Tensor) -> Tensor:
        (w1, _), (w2, _), (w3, _) = self._layers
        g2 = self._backward(w3.expand_as(kept2), kept2)
        g1 = self._backward(g2 @ w2, kept1)
        return g1 @ w1
