"""What holds for every method: it resumes, it learns, and what it leaves can be opened."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch

import lebm
from lebm import langevin
from lebm.langevin import LangevinConfig
from lebm.model import ModelConfig
from train import data, evaluation
from train.config import MethodName, OptimizerConfig
from train.data import Dataset, to_model_range
from train.divergence import DivergedRun
from train.methods import METHODS

SHAPES = ["points", "images"]
#: Methods for which no reconstruction is part of what they minimise.
ADVERSARIAL = ("meg", "bigan")


def test_every_name_has_a_method():
    assert tuple(METHODS) == get_args(MethodName)


@pytest.mark.parametrize("name", METHODS)
def test_a_run_stopped_within_an_epoch_ends_as_if_it_had_not_been(
    name, start, resume, make_config, images, tmp_path, same_run
):
    config = make_config("digits", method=name, save_every=8)
    start(config, images, tmp_path / "whole").fit()
    trainer = start(config, images, tmp_path / "pieces")
    assert not trainer.fit(lambda p: trainer.stop() if p.step == 10 else None)
    assert resume(config, images, tmp_path / "pieces").fit()
    assert same_run(tmp_path / "whole", tmp_path / "pieces")


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", SHAPES)
def test_a_checkpoint_is_a_model_that_the_explorer_can_use(
    name, kind, start, make_config, request, tmp_path, rng
):
    """It loads, and chains on its prior and its posterior are finite where it says how."""
    dataset = request.getfixturevalue(kind)
    config = make_config(dataset.name, method=name, epochs=1, save_every=100)
    trainer = start(config, dataset, tmp_path / "run")
    trainer.fit()
    model, card = lebm.load(trainer.run.checkpoints()[-1])
    assert card.facts["method"] == name
    z = model.prior.sample_base(5, generator=rng)
    density, chain = model.prior_density(), card.prior_sampler
    assert langevin.sample(density, z, chain, generator=rng).isfinite().all()
    assert model.sample_prior(z, chain, generator=rng).shape == (5, model.config.latent_dim)
    x = to_model_range(dataset.test[:5])
    again = model.reconstruct(x, card.reconstruction_sampler, generator=rng)
    assert again.shape == x.shape
    assert again.isfinite().all()
    assert evaluation.evaluate(model, trainer.method.reconstruct, dataset.test)["test_mse"] < 10


@pytest.mark.parametrize("name", ["lebm", "sri", "sri-5"])
def test_each_chain_is_the_one_that_the_run_names(name, make_method, images, monkeypatch):
    """z⁻ by the prior's, z⁺ by the posterior's, and from noise by the reconstruction's."""
    method, walked = make_method(name, images), []

    def watched(density, z, chain, **rest):
        walked.append(chain)
        return sample(density, z, chain, **rest)

    sample = langevin.sample
    monkeypatch.setattr(langevin, "sample", watched)
    config, rng = method.config, torch.Generator().manual_seed(0)
    rows = torch.arange(4)
    x = to_model_range(images.train[rows])
    method.iteration(x, rows, generator=rng)
    learning = [config.posterior_sampler]
    assert walked == ([config.prior_sampler, *learning] if name == "lebm" else learning)
    walked.clear()
    method.infer(x, generator=rng)
    method.reconstruct(x, generator=rng)
    assert walked == [config.reconstruction] * 2
    walked.clear()
    method.sample_prior(method.model.prior.sample_base(3, generator=rng), generator=rng)
    assert walked == ([config.prior_sampler] if name == "lebm" else [])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", SHAPES)
def test_a_batch_of_one_learns(name, kind, make_method, request):
    dataset = request.getfixturevalue(kind)
    method = make_method(name, dataset)
    before = [p.detach().clone() for p in method.model.generator.parameters()]
    rows = torch.tensor([3])
    x = to_model_range(dataset.train[rows])
    metrics = method.iteration(x, rows, generator=torch.Generator().manual_seed(0))
    assert all(m.isfinite() and m.ndim == 0 and not m.requires_grad for m in metrics.values())
    assert set(method.headline) < set(metrics)
    assert not all(map(torch.equal, before, method.model.generator.parameters()))


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ADVERSARIAL])
def test_a_method_learns_to_reconstruct_digits_it_has_not_seen(name, start, make_config, tmp_path):
    """The mean digit of the training data has an error of 0.075; seconds of learning halve it."""
    whole = data.load("digits", (1, 8, 8))
    dataset = Dataset("digits", whole.train[:600], whole.test[:100])
    config = make_config(
        "digits",
        method=name,
        model=ModelConfig(8, (1, 8, 8), width=8, prior_hidden=16),
        posterior_sampler=LangevinConfig(n_steps=8, step_size=0.02),
        posterior_chains="persistent",
        reconstruction=LangevinConfig(n_steps=40, step_size=0.02),
        optimizer=OptimizerConfig(lr_generator=4e-3),
        batch_size=50,
        epochs=14,
        save_every=1000,
        log_every=50,
    )
    trainer = start(config, dataset, tmp_path / "run")
    trainer.fit()
    row = evaluation.evaluate(trainer.model, trainer.method.reconstruct, dataset.test)
    assert row["test_mse"] < 0.0375


@pytest.mark.parametrize("name", METHODS)
def test_another_run_s_state_can_be_taken_over_with_lower_rates(
    name, start, make_config, images, tmp_path
):
    config = make_config("digits", method=name, epochs=1)
    first = start(config, images, tmp_path / "first")
    first.fit()
    slower = OptimizerConfig(lr_prior=1e-5, lr_generator=2e-5, lr_decay=0.5)
    second = start(replace(config, optimizer=slower), images, tmp_path / "second")
    before = [g["lr"] for o in second.method.optimizers.values() for g in o.param_groups]
    second.take_over(first.state_dict())
    after = [g["lr"] for o in second.method.optimizers.values() for g in o.param_groups]
    assert after == [0.5 * rate for rate in before]  # one epoch has passed
    weights = second.model.state_dict().values()
    assert all(map(torch.equal, first.model.state_dict().values(), weights))


@pytest.mark.parametrize("name", ["amortised", "tilted-vae"])
@pytest.mark.parametrize(
    ("chain", "goes_on"), [("posterior_sampler", True), ("prior_sampler", False)]
)
def test_an_encoder_that_aims_far_has_not_diverged_but_a_prior_has(
    name, chain, goes_on, start, make_config, points, tmp_path
):
    config = make_config(method=name, epochs=1)
    config = replace(config, **{chain: replace(getattr(config, chain), max_radius=1e-3)})
    trainer = start(config, points, tmp_path / "run")
    if goes_on:
        assert trainer.fit()
    else:
        with pytest.raises(DivergedRun, match="step 1: z_minus_max is beyond"):
            trainer.fit()
