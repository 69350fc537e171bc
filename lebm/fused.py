r"""Steps of the prior chain with as little as possible between the matrix products.

On log p_0(z) + λ f_α(z), with p_0 = N(0, I), eq. 9 of Pang et al. 2020 is

    z_{k+1} = (1 - s) z_k + s λ ∇f_α(z_k) + sqrt(2 s) ε_k

Each state is made where its noise lies, the last matrix product adds the force to it, and the
network's layers go into the same memory again and again: eight kernels a step, none of which
allocates. On a GPU the kernels of many steps are recorded once, as a CUDA graph, and launched
together.

`langevin.sample` uses this wherever the density is a `PriorDensity`; there is nothing to switch
on, no compiler is needed and the first call costs what the next ones do (on a GPU, a recording).

The same steps through `torch.compile` (2.14, one core, latent 32, f of 200 units) took as long
for 64 and 1,000 chains, within 5 %, and a tenth less for one, or a third less with its C++ wrapper;
compiling took 8 to 33 seconds of computing for each number of chains. So they are not compiled.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import torch
from torch import Tensor

from lebm.density import BASE, TILT, Analytic, LogDensity, Scaled
from lebm.neg_energy import NegEnergyTerm

#: (z, ε of K steps) -> z after them: `(n, latent_dim)`, `(K, n, latent_dim)` -> `(n, latent_dim)`.
#: Overwrites ε, leaves z as it is.
Steps = Callable[[Tensor, Tensor], Tensor]


class PriorDensity(LogDensity):
    """log p_0(z) + λ f_α(z) as "base" and "tilt", with fused steps.

    Args:
        base: log N(0, I), up to a constant.
        f: f_α.
        tilt: λ.
    """

    def __init__(self, base: Analytic, f: NegEnergyTerm, tilt: float) -> None:
        super().__init__({BASE: base, TILT: f if tilt == 1 else Scaled(tilt, f)})
        self.f, self.tilt = f, tilt

    def steps(self, z: Tensor, step_size: float, noise_scale: float) -> Steps:
        """Steps of chains of z's number, type and device, without gradients.

        Args:
            z: `(n, latent_dim)`.
            step_size: s.
            noise_scale: what ε is multiplied by.
        """
        add_force = self.f.adder(len(z), step_size * self.tilt)

        def take(z: Tensor, noise: Tensor) -> Tensor:
            with torch.inference_mode(), torch.autocast(z.device.type, enabled=False):
                for z_next in noise.mul_(noise_scale).unbind():
                    z_next.add_(z, alpha=1 - step_size)
                    add_force(z, z_next)
                    z = z_next
            return z.clone()  # the noise of all steps would live as long as a part of it

        if z.device.type != "cuda":
            return take
        settings = (*self.f.addresses(), self.tilt, step_size, noise_scale)
        return lambda z, noise: _recorded(settings, take, z, noise)


class Recording:
    """Steps recorded on a GPU over tensors of their own, to be taken again for others.

    They read the weights where these lie, and so follow them as they learn.

    Args:
        take: the steps.
        z: an example of what they will be called with.
        noise: likewise.
    """

    def __init__(self, take: Steps, z: Tensor, noise: Tensor) -> None:
        self._take = take  # whose buffers the recording writes to
        self._z, self._noise = z.clone(), noise.clone()
        self._replay, self._end = _record(lambda: take(self._z, self._noise), z.device)

    def __call__(self, z: Tensor, noise: Tensor) -> Tensor:
        self._z.copy_(z)
        self._noise.copy_(noise)
        self._replay()
        return self._end.clone()


def _record(run: Callable[[], Tensor], device: torch.device) -> tuple[Callable[[], None], Tensor]:
    """`run` as a CUDA graph: what launches it, and where its result is."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device):
        now, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(now)
        with torch.cuda.stream(aside):
            run()  # what kernels load when they first run cannot be loaded in a recording
        now.wait_stream(aside)
        # Other threads, such as the explorer's sessions, may use the GPU meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            end = run()
    return graph.replay, end


_RECORDINGS: OrderedDict[tuple, Recording] = OrderedDict()  # the latest last
_MOST_RECORDINGS = 16
_ONE_AT_A_TIME = Lock()  # a recording has one set of tensors for all threads


def _recorded(settings: tuple, take: Steps, z: Tensor, noise: Tensor) -> Tensor:
    """`take(z, noise)` by a recording, made where there is none for these settings and shapes.

    A recording keeps its weights in memory, so no other weights can come to have their address.
    """
    key = (*settings, z.device, z.dtype, noise.shape)
    with _ONE_AT_A_TIME:
        recording = _RECORDINGS.pop(key, None) or Recording(take, z, noise)
        _RECORDINGS[key] = recording
        if len(_RECORDINGS) > _MOST_RECORDINGS:
            _RECORDINGS.popitem(last=False)
        return recording(z, noise)
