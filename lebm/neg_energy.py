"""The network f_α of the tilted prior, and its gradient in z written by hand.

A prior chain asks for ∇_z f_α(z) and nothing else. For three linear layers this is four matrix
products; without autograd's graph a step of one chain costs a quarter of the time, and with
buffers that are used again (`adder`) a seventh.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu_, linear

from lebm.density import Analytic

Activation = Literal["leaky_relu", "gelu"]

_SLOPE = 0.2

# Looked up once: for one chain that costs as much as adding two tensors.
_leaky_relu_backward = torch.ops.aten.leaky_relu_backward.grad_input
_gelu_backward = torch.ops.aten.gelu_backward.grad_input

#: (h, memory of h's shape) -> φ(h), which lies in that memory, or in h if h is overwritten.
_Forward = Callable[[Tensor, Tensor], Tensor]
#: (gradient after φ, h as the forward pass left it) -> gradient before φ; overwrites h.
_Backward = Callable[[Tensor, Tensor], Tensor]


def _leaky_relu(h: Tensor, memory: Tensor) -> Tensor:
    return leaky_relu_(h, _SLOPE)


def _leaky_relu_back(gradient: Tensor, h: Tensor) -> Tensor:
    # Only the sign counts, and φ(h) has that of h.
    return _leaky_relu_backward(gradient, h, _SLOPE, True, grad_input=h)


def _gelu(h: Tensor, memory: Tensor) -> Tensor:
    return torch.ops.aten.gelu.out(h, out=memory)


def _gelu_back(gradient: Tensor, h: Tensor) -> Tensor:
    return _gelu_backward(gradient, h, grad_input=h)


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
        gradient = torch.zeros_like(z)
        self.adder(len(z), 1.0)(z, gradient)
        return gradient

    def value_and_force(self, z: Tensor) -> tuple[Tensor, Tensor]:
        (w1, b1), (w2, b2), (w3, b3) = self._layers
        h1 = linear(z, w1, b1)
        h2 = linear(self._forward(h1, torch.empty_like(h1)), w2, b2)
        value = linear(self._forward(h2, torch.empty_like(h2)), w3, b3)[..., 0]
        g2 = self._backward(w3.expand_as(h2), h2)
        return value, self._backward(g2 @ w2, h1) @ w1

    def adder(self, n: int, factor: float) -> Callable[[Tensor, Tensor], None]:
        """The function `(z, to)` that adds factor · ∇f(z) to `to`, both `(n, latent_dim)`.

        For many calls with the same n, one after the other: they share the memory of their
        layers. To be called without gradients and outside autocast, like the other methods.
        """
        (w1, b1), (w2, b2), (w3, _) = self._layers
        h1, h2, memory = w1.new_empty(3, n, len(w1)).unbind()
        forward, backward, addmm, mm = self._forward, self._backward, torch.addmm, torch.mm
        w1_t, w2_t, w3 = w1.T, w2.T, w3.expand_as(h2)

        def add(z: Tensor, to: Tensor) -> None:
            addmm(b1, z, w1_t, out=h1)
            addmm(b2, forward(h1, memory), w2_t, out=h2)
            mm(backward(w3, h2), w2, out=memory)
            # Not `to.addmm_`: torch's counter of operations passes it over.
            addmm(to, backward(memory, h1), w1, alpha=factor, out=to)

        return add

    def addresses(self) -> tuple[int, ...]:
        """Where in memory the weights lie: the same as long as these are changed in place."""
        return tuple(t.data_ptr() for layer in self._layers for t in layer)
