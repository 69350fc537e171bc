"""The Fréchet distance between two sets of images, in the features of some network."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Frechet:
    r"""The distance of two Gaussians fitted to features, as torchmetrics computes it.

    $$ \|\mu_1 - \mu_2\|^2 + \mathrm{tr}(S_1 + S_2 - 2 (S_1 S_2)^{1/2}) $$

    In Inception's features it is the FID. It falls with the number of images, so only distances
    over the same numbers can be compared. The real images pass through the network once, however
    many sets of samples are compared with them.

    Args:
        real: batches of images, uint8 `(n, channels, size, size)`; two images at least.
        network: images to features `(n, num_features)`; has the attribute `num_features`.
        device: where the network runs.

    Source: Heusel et al. 2017, "GANs trained by a two time-scale update rule".
    """

    @torch.no_grad()
    def __init__(self, real: Iterable[Tensor], network: nn.Module, device: torch.device) -> None:
        from torchmetrics.image.fid import FrechetInceptionDistance  # two seconds to import

        metric = FrechetInceptionDistance(network, reset_real_features=False, normalize=False)
        self._device, self._metric = device, metric.to(device)
        for images in real:
            self._metric.update(images.to(device), real=True)

    @torch.no_grad()
    def distance(self, fake: Iterable[Tensor]) -> float:
        """From batches of samples, as `real`, two images at least."""
        self._metric.reset()
        for images in fake:
            self._metric.update(images.to(self._device), real=False)
        return float(self._metric.compute())
