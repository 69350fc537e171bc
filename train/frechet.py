"""The Fréchet distance between two sets of images, in the features of some network."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def frechet_distance(
    real: Iterable[Tensor], fake: Iterable[Tensor], network: nn.Module, device: torch.device
) -> float:
    r"""The distance of two Gaussians fitted to features, as torchmetrics computes it.

    $$ \|\mu_1 - \mu_2\|^2 + \mathrm{tr}(S_1 + S_2 - 2 (S_1 S_2)^{1/2}) $$

    In Inception's features it is the FID. It falls with the number of images, so only distances
    over the same numbers can be compared.

    Args:
        real: batches of images, uint8 `(n, channels, size, size)`; two images at least.
        fake: the same of a model's samples.
        network: images to features `(n, num_features)`; has the attribute `num_features`.
        device: where the network runs.

    Source: Heusel et al. 2017, "GANs trained by a two time-scale update rule".
    """
    from torchmetrics.image.fid import FrechetInceptionDistance  # two seconds to import

    metric = FrechetInceptionDistance(feature=network, normalize=False).to(device)
    for batches, is_real in ((real, True), (fake, False)):
        for images in batches:
            metric.update(images.to(device), real=is_real)
    return float(metric.compute())
