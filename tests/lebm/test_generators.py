"""The generators: shapes, ranges, layouts, refusals."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import conv_transpose2d

from lebm.generators import IMAGE_LAYOUTS, ConvGenerator, MLPGenerator


def channel_counts(generator: ConvGenerator) -> list[int]:
    layers = [m for m in generator.net if isinstance(m, nn.ConvTranspose2d)]
    return [layers[0].in_channels, *(m.out_channels for m in layers)]


def test_the_supported_sizes():
    assert set(IMAGE_LAYOUTS) == {8, 28, 32, 64, 128}


@pytest.mark.parametrize("size", sorted(IMAGE_LAYOUTS))
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("n", [1, 2])
def test_images_have_their_shape_and_range(size, channels, n, rng):
    generator = ConvGenerator(5, channels, size, width=1)
    with torch.no_grad():
        images = generator(20 * torch.randn(n, 5, generator=rng))
    assert images.shape == (n, channels, size, size)
    assert images.abs().max() <= 1
    assert images.std() > 0


@pytest.mark.parametrize(
    ("size", "counts"),
    [
        (32, [100, 512, 256, 128, 3]),  # the authors' SVHN generator
        (64, [100, 512, 256, 128, 64, 3]),  # the authors' CelebA generator
    ],
)
def test_published_layouts(size, counts):
    with torch.device("meta"):
        assert channel_counts(ConvGenerator(100, 3, size, width=64)) == counts


def as_transposed_convolutions(generator: ConvGenerator, z: torch.Tensor) -> torch.Tensor:
    """What the layers are by their names and their weights, computed by PyTorch alone."""
    h = z[:, :, None, None]
    for layer in generator.net:
        if isinstance(layer, nn.ConvTranspose2d):
            h = conv_transpose2d(h, layer.weight, layer.bias, layer.stride, layer.padding)
        else:
            h = layer(h)
    return h


@pytest.mark.parametrize("size", [8, 28, 32])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_layer_is_a_transposed_convolution(size, channels, rng):
    generator = ConvGenerator(5, channels, size, width=2).double()
    for parameter in generator.parameters():
        nn.init.normal_(parameter, std=0.2, generator=rng)
    z = torch.randn(3, 5, dtype=torch.float64, generator=rng, requires_grad=True)
    sources = [z, *generator.parameters()]
    ours, plain = generator(z), as_transposed_convolutions(generator, z)
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-13)
    weights = torch.randn(ours.shape, dtype=torch.float64, generator=rng)
    gradients = [torch.autograd.grad((x * weights).sum(), sources) for x in (ours, plain)]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("data_dim", [1, 2, 7])
def test_points_have_their_shape(n, data_dim):
    assert MLPGenerator(3, data_dim, 6)(torch.zeros(n, 3)).shape == (n, data_dim)


def test_points_have_no_bounds():
    z = torch.full((1, 2), 1e4)
    assert MLPGenerator(2, 2, 16)(z).abs().max() > 10


@pytest.mark.parametrize("make", [lambda: MLPGenerator(3, 2, 6), lambda: ConvGenerator(3, 1, 8, 2)])
def test_biases_start_at_zero_and_weights_do_not(make):
    for name, value in make().named_parameters():
        assert bool(value.abs().max() > 0) is name.endswith("weight")


def test_memory_layout_changes_no_value(rng):
    generator = ConvGenerator(4, 3, 8, width=2).double()
    z = torch.randn(3, 4, dtype=torch.float64, generator=rng)
    before = generator(z)
    after = generator.to(memory_format=torch.contiguous_format)(z)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("latent_dim", "channels", "size", "width", "value"),
    [
        (0, 1, 8, 4, "0"),
        (-2, 1, 8, 4, "-2"),
        (3, 2, 8, 4, "2"),
        (3, 0, 8, 4, "0"),
        (3, 4, 8, 4, "4"),
        (3, 1, 16, 4, "16"),
        (3, 1, 0, 4, "0"),
        (3, 1, 8, 0, "0"),
    ],
)
def test_an_image_generator_refuses_and_says_what_it_got(latent_dim, channels, size, width, value):
    with pytest.raises(ValueError, match=rf"not .*{value}\b"):
        ConvGenerator(latent_dim, channels, size, width)


@pytest.mark.parametrize("sizes", [(0, 2, 4), (3, 0, 4), (3, 2, 0), (3, -1, 4)])
def test_a_point_generator_refuses_and_says_what_it_got(sizes):
    with pytest.raises(ValueError, match="not {}, {}, {}".format(*sizes)):
        MLPGenerator(*sizes)
