"""Short-run inference is Algorithm 1 with f = 0."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.optim import SGD, Adam

from lebm.model import LatentEBM
from train.algorithm1 import learning_iteration
from train.data import to_model_range


@pytest.mark.parametrize("chains", ["short-run", "persistent"])
@pytest.mark.parametrize("kind", ["points", "images"])
def test_it_is_algorithm_1_with_f_zero_number_for_number(kind, chains, make_method, request):
    dataset = request.getfixturevalue(kind)
    sri = make_method("sri", dataset, posterior_chains=chains)
    config = sri.config
    torch.manual_seed(0)
    model = LatentEBM(config.model)
    for parameter in model.prior.parameters():
        torch.nn.init.zeros_(parameter)
    options = config.optimizer
    adam = Adam(model.generator.parameters(), options.lr_generator, options.betas, fused=True)
    ours, theirs = (torch.Generator().manual_seed(4) for _ in range(2))
    for rows in (torch.arange(5), torch.arange(3, 9)):
        x = to_model_range(dataset.train[rows])
        if chains == "persistent":
            start = sri.memory["memory"][rows].clone()
        else:
            start = model.prior.sample_base(len(x), generator=theirs)
        metrics = sri.iteration(x, rows, generator=ours)
        iteration = learning_iteration(
            model,
            x,
            start,  # of z⁻, which no step moves and no rate learns from
            start,
            SGD(model.prior.parameters(), 0.0),
            adam,
            replace(config.prior_sampler, n_steps=0),
            config.posterior_sampler,
            generator=theirs,
        )
        assert metrics["nll_given_z"] == iteration.metrics["nll_given_z"]
        assert metrics["z_plus_norm"] == iteration.metrics["z_plus_norm"]
        learned = sri.model.generator.state_dict().values()
        assert all(map(torch.equal, learned, model.generator.state_dict().values()))
    assert torch.equal(ours.get_state(), theirs.get_state())


def test_five_layers_are_five_times_the_latents(make_method, images):
    model = make_method("sri-5", images).model
    config = model.config
    assert (config.latent_layers, config.latent_dim, config.prior) == (5, 20, "gaussian")
    assert len(model.generator.means) == 4


def test_every_layer_learns(make_method, images):
    method = make_method("sri-5", images)
    before = {name: p.detach().clone() for name, p in method.model.generator.named_parameters()}
    rows = torch.arange(8)
    method.iteration(to_model_range(images.train[rows]), rows, generator=torch.Generator())
    after = dict(method.model.generator.named_parameters())
    assert [name for name in before if torch.equal(before[name], after[name])] == []
