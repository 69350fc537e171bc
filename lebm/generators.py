"""The mean g_β(z) of the generation model, Pang et al. 2020, eq. 3."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, pixel_shuffle

#: Image size -> (size of the first feature map, its channels in units of the base width).
#: 32 and 64 are the layouts of the authors' public SVHN and CelebA generators; the others
#: follow the same rule: double the size, halve the channels.
IMAGE_LAYOUTS = {8: (4, 2), 28: (7, 8), 32: (4, 8), 64: (4, 8), 128: (4, 16)}


def _xavier_init(module: nn.Module) -> None:
    """Draw the weights; on the meta device, where a checkpoint's values follow, there are none.

    Drawing there would import torch's compiler, which takes seconds.
    """
    if isinstance(module, nn.ConvTranspose2d | nn.Linear) and not module.weight.is_meta:
        nn.init.xavier_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class MLPGenerator(nn.Module):
    """g_β for points: z `(n, latent_dim)` -> `(n, data_dim)`, two hidden layers, linear output.

    Args:
        latent_dim: length of z; at least 1.
        data_dim: length of x; at least 1.
        width: units in each hidden layer; at least 1.

    Raises:
        ValueError: for an argument below 1.
    """

    def __init__(self, latent_dim: int, data_dim: int, width: int) -> None:
        super().__init__()
        if min(latent_dim, data_dim, width) < 1:
            raise ValueError(
                "latent_dim, data_dim and width must be at least 1, "
                f"not {latent_dim}, {data_dim}, {width}"
            )
        self.net = nn.Sequential(
            nn.Linear(latent_dim, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, data_dim),
        )
        self.apply(_xavier_init)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


class _FromVector(nn.ConvTranspose2d):
    """The transposed convolution of one pixel: z `(n, latent_dim)` -> `(n, channels, size, size)`.

    One matrix product, two to four times as fast as the general way.
    """

    bias: Tensor

    def forward(self, z: Tensor, output_size: list[int] | None = None) -> Tensor:
        rows = self.weight.permute(0, 2, 3, 1)  # (latent_dim, size, size, channels)
        bias = self.bias.repeat(math.prod(self.kernel_size))
        h = torch.addmm(bias, z, rows.flatten(1))
        return h.view(len(z), *rows.shape[1:]).permute(0, 3, 1, 2)


class _ToPixels(nn.ConvTranspose2d):
    """The transposed convolution (kernel 4, stride 2, padding 1) that ends in few channels.

    Each of the four kinds of output pixel (even or odd row, even or odd column) is a convolution
    of kernel 3 that takes every second weight; together they are one convolution to four times
    the channels, which is then dealt out: twice as fast where there are only 1 or 3 channels.
    """

    bias: Tensor

    def forward(self, h: Tensor, output_size: list[int] | None = None) -> Tensor:
        inside, outside = self.weight.shape[:2]
        taps = pad(self.weight.flip(2, 3), (1, 1, 1, 1)).view(inside, outside, 3, 2, 3, 2)
        kernel = taps.flip(3, 5).permute(1, 3, 5, 0, 2, 4).reshape(outside * 4, inside, 3, 3)
        kernel = kernel.contiguous(memory_format=torch.channels_last)
        return pixel_shuffle(conv2d(h, kernel, self.bias.repeat_interleave(4), padding=1), 2)


class ConvGenerator(nn.Module):
    """g_β for images in [-1, 1]: z `(n, latent_dim)` -> `(n, channels, image_size, image_size)`.

    Transposed convolutions that double the size and halve the channels, LeakyReLU 0.2 between
    them, tanh at the end, no normalisation layers. Weights are kept channels-last, which CPUs
    and tensor cores run about twice as fast; values do not depend on it.

    Args:
        latent_dim: length of z; at least 1.
        channels: 1 (grey) or 3 (colour).
        image_size: 8, 28, 32, 64 or 128 pixels.
        width: base width, the paper's "ngf" (64 there); at least 1.

    Raises:
        ValueError: for an argument outside its range.

    Source: the authors' public SVHN (32) and CelebA (64) generators, with their Xavier-normal
    initialisation; biases start at zero.
    """

    def __init__(self, latent_dim: int, channels: int, image_size: int, width: int) -> None:
        super().__init__()
        if latent_dim < 1 or width < 1:
            raise ValueError(
                f"latent_dim and width must be at least 1, not {latent_dim} and {width}"
            )
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, not {channels}")
        if image_size not in IMAGE_LAYOUTS:
            sizes = ", ".join(map(str, IMAGE_LAYOUTS))
            raise ValueError(f"image_size must be one of {sizes}, not {image_size}")
        size, multiple = IMAGE_LAYOUTS[image_size]
        layers: list[nn.Module] = [_FromVector(latent_dim, width * multiple, size)]
        while size < image_size:
            size, narrower = size * 2, max(multiple // 2, 1)
            inside = width * multiple
            layers += [
                nn.LeakyReLU(0.2),
                _ToPixels(inside, channels, 4, stride=2, padding=1)
                if size == image_size
                else nn.ConvTranspose2d(inside, width * narrower, 4, stride=2, padding=1),
            ]
            multiple = narrower
        self.net = nn.Sequential(*layers, nn.Tanh())
        self.apply(_xavier_init)
        self.net.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)
