"""Several latent layers over one generator."""

from __future__ import annotations

import pytest
import torch

from lebm.hierarchy import HierarchicalGenerator
from lebm.model import ModelConfig


@pytest.fixture
def hierarchy() -> HierarchicalGenerator:
    torch.manual_seed(0)
    made = HierarchicalGenerator(torch.nn.Linear(2, 4), layer_dim=2, n_layers=3, hidden=5)
    torch.nn.init.normal_(made.log_scales)
    return made


def test_layers_follow_from_the_top_down(hierarchy, rng):
    noises = torch.randn(6, 6, generator=rng)
    top, middle, lowest = noises.split(2, 1)
    second = hierarchy.means[0](top) + hierarchy.log_scales[0].exp() * middle
    first = hierarchy.means[1](second) + hierarchy.log_scales[1].exp() * lowest
    assert torch.equal(hierarchy.bottom_latent(noises), first)
    assert torch.equal(hierarchy(noises), hierarchy.bottom(first))


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)])
def test_a_model_of_five_layers_generates_its_shape(shape, make_model, rng):
    model = make_model(latent_dim=15, data_shape=shape, latent_layers=5, prior="gaussian")
    z = model.prior.sample_base(7, generator=rng)
    assert z.shape == (7, 15)
    assert model.generate(z).shape == (7, *shape)


@pytest.mark.parametrize(("layers", "dim"), [(0, 4), (17, 17), (3, 4), (-1, 4)])
def test_layers_that_do_not_share_the_latent_evenly_are_refused(layers, dim):
    with pytest.raises(ValueError, match="latent_layers must be from 1 to 16 and divide"):
        ModelConfig(dim, (2,), latent_layers=layers)
