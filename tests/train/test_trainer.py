"""A run: what it writes, that it is deterministic, and how it ends when it diverges."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import count, islice, pairwise

import pytest
import torch

import lebm
from lebm.langevin import LangevinConfig
from train import evaluation
from train.config import OptimizerConfig
from train.data import to_model_range
from train.divergence import DivergedRun

ABSURD = LangevinConfig(n_steps=10, step_size=1e6)


def columns(path) -> dict[str, list[float]]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def diverged(trainer) -> str:
    with pytest.raises(DivergedRun) as caught:
        trainer.fit()
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_a_run_leaves_everything_it_promises(start, make_config, points, tmp_path):
    assert start(make_config(), points, tmp_path / "run").fit()
    run = tmp_path / "run"
    steps = [5, 10, 15, 20, 21]
    assert columns(run / "metrics.csv")["step"] == list(range(1, 22))
    assert columns(run / "evaluation.csv")["step"] == steps
    names = {"gaussian", "prior", "reconstruction"}
    assert {p.name for p in (run / "samples").iterdir()} == {
        f"{name}-{step:06d}.png" for name in names for step in steps
    }
    assert {p.name for p in (run / "checkpoints").iterdir()} == {
        f"step-{step:06d}.safetensors" for step in steps
    }
    assert (run / "state.pt").exists()
    assert {p.name for p in run.iterdir() if p.name.startswith(".")} == set()


def test_logs_come_every_log_every_and_at_the_end(start, make_config, points, tmp_path):
    start(make_config(log_every=4, save_every=100), points, tmp_path / "run").fit()
    metrics = columns(tmp_path / "run" / "metrics.csv")
    assert metrics["step"] == [4, 8, 12, 16, 20, 21]
    assert metrics["epoch"][-1] == 3
    assert all(a <= b for a, b in pairwise(metrics["seconds"]))
    assert columns(tmp_path / "run" / "evaluation.csv")["step"] == [21]


def test_the_rate_of_learning_counts_no_evaluation(
    start, make_config, points, tmp_path, monkeypatch
):
    clock = count(step=0.1)
    monkeypatch.setattr("train.trainer.time.perf_counter", clock.__next__)
    monkeypatch.setattr("train.trainer.Trainer._save", lambda *_: [*islice(clock, 1000)])
    told = []
    config = make_config(log_every=1, save_every=5, epochs=1)
    start(config, points, tmp_path / "run").fit(told.append)
    assert [progress.step for progress in told if progress.saved] == [5, 7]
    assert all(progress.rate > 1 for progress in told)  # 0.01 with the hundred seconds of saving


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_not_drawn_from_the_stream_that_weights_were(
    start, make_config, points, tmp_path, seed
):
    """Else the first remembered chains are a function of f's first weights."""
    config = make_config(seed=seed, posterior_chains="persistent")
    trainer = start(config, points, tmp_path / "run")
    known = trainer.method.memory["memory"]
    torch.manual_seed(seed)
    assert torch.isin(known, torch.randn(10_000)).float().mean() < 0.05  # a few may coincide


def test_another_seed_has_other_weights_noise_and_order(start, make_config, points, tmp_path):
    def begun(seed: int):
        trainer = start(make_config(seed=seed), points, tmp_path / str(seed))
        weights = [p for p in trainer.model.parameters() if p.ndim > 1]
        return weights, trainer.rng.get_state(), trainer._order(0)

    (weights, noise, rows), others = begun(0), begun(1)
    assert not any(map(torch.equal, weights, others[0]))
    assert not torch.equal(noise, others[1])
    assert not torch.equal(rows, others[2])


def test_the_last_checkpoint_is_the_model_with_its_card(start, make_config, points, tmp_path):
    trainer = start(make_config(), points, tmp_path / "run")
    trainer.fit()
    model, card = lebm.load(trainer.run.checkpoints()[-1])
    assert all(map(torch.equal, model.state_dict().values(), trainer.model.state_dict().values()))
    assert (card.name, card.prior_sampler) == ("run", trainer.config.prior_sampler)
    assert card.posterior_sampler == trainer.config.posterior_sampler
    assert card.reconstruction_sampler == trainer.config.reconstruction
    facts = card.facts
    assert (facts["command"], facts["iterations"]) == ("python -m train tiny", 21)
    assert facts["training examples"] == 50
    assert facts["parameters of f"] == sum(p.numel() for p in model.prior.parameters())
    assert {"data", "hardware", "minutes", "seed", "epochs"} <= facts.keys()


def test_evaluation_rows_are_those_of_the_checkpoint(start, make_config, points, tmp_path):
    trainer = start(make_config(), points, tmp_path / "run")
    trainer.fit()
    model, card = lebm.load(trainer.run.checkpoints()[-1])
    rows = columns(tmp_path / "run" / "evaluation.csv")
    reconstruct = evaluation.by_langevin(model, card.reconstruction_sampler)
    again = evaluation.evaluate(model, reconstruct, points.test)["test_mse"]
    assert rows["test_mse"][-1] == pytest.approx(again, rel=1e-5)
    exact = evaluation.exact_log_prob(model, points.test)
    assert rows["log_prob"][-1] == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("chains", ["short-run", "persistent"])
def test_the_same_seed_is_the_same_run(
    chains, start, make_config, points, tmp_path, same_run, read_csv
):
    config = make_config(posterior_chains=chains)
    for name in ("a", "b"):
        start(config, points, tmp_path / name).fit()
    start(replace(config, seed=1), points, tmp_path / "c").fit()
    assert same_run(tmp_path / "a", tmp_path / "b")
    a, c = (read_csv(tmp_path / name / "metrics.csv") for name in "ac")
    assert all(x[2:] != y[2:] for x, y in zip(a[1:], c[1:], strict=True))


def test_every_epoch_visits_every_example_once(start, make_config, points, tmp_path):
    """A remembered chain moves when its example is visited."""
    config, moved = make_config(posterior_chains="persistent", epochs=1), []
    trainer = start(config, points, tmp_path / "run")
    before = trainer.method.memory["memory"].clone()
    trainer.fit(
        lambda _: moved.append(int((trainer.method.memory["memory"] != before).all(1).sum()))
    )
    assert moved == [8, 16, 24, 32, 40, 48, 50]


def test_the_logged_mse_is_the_squared_error(start, make_config, points, tmp_path):
    config = make_config(batch_size=50, epochs=1)
    trainer = start(config, points, tmp_path / "run")
    for parameter in trainer.model.generator.net[-1].parameters():
        torch.nn.init.zeros_(parameter)  # g = 0 in the first iteration
    trainer.fit()
    mse = columns(tmp_path / "run" / "metrics.csv")["mse"]
    assert mse[0] == pytest.approx(points.train.square().mean().item(), rel=1e-4)


def test_the_logged_mse_of_images_is_on_the_scale_from_0_to_1(start, make_config, images, tmp_path):
    config = make_config("digits", batch_size=50, epochs=1)
    trainer = start(config, images, tmp_path / "run")
    for parameter in trainer.model.generator.net[-2].parameters():
        torch.nn.init.zeros_(parameter)
    trainer.fit()
    grey = (to_model_range(images.train) + 1) / 2
    mse = columns(tmp_path / "run" / "metrics.csv")["mse"]
    assert mse[0] == pytest.approx((grey - 0.5).square().mean().item(), rel=1e-4)


def test_learning_rates_decay_after_each_epoch(start, make_config, points, tmp_path):
    trainer = start(make_config(), points, tmp_path / "run")
    trainer.fit()
    assert trainer.method.optimizers.keys() == {"prior", "generator"}
    first = {"prior": 1e-3, "generator": 2e-3}
    for name, optimizer in trainer.method.optimizers.items():
        assert optimizer.param_groups[0]["lr"] == pytest.approx(first[name] * 0.9**3)


@pytest.mark.parametrize("sampler", ["prior_sampler", "posterior_sampler"])
def test_an_absurd_step_size_ends_the_run(sampler, start, make_config, points, tmp_path):
    trainer = start(make_config(**{sampler: ABSURD}), points, tmp_path / "run")
    message = diverged(trainer)
    assert "diverged at step 1:" in message
    assert "no checkpoint was saved" in message


def test_an_absurd_learning_rate_ends_the_run(start, make_config, points, tmp_path):
    optimizer = OptimizerConfig(lr_prior=0.99, lr_generator=0.99)
    trainer = start(make_config(optimizer=optimizer, epochs=30), points, tmp_path / "run")
    message = diverged(trainer)
    assert f"diverged at step {trainer.step}:" in message


def test_divergence_names_the_last_good_checkpoint_and_keeps_its_state(
    start, resume, make_config, points, tmp_path
):
    config = make_config()
    trainer = start(config, points, tmp_path / "run")
    trainer.fit()
    before = (tmp_path / "run" / "state.pt").read_bytes()
    longer = replace(config, epochs=6, prior_sampler=ABSURD)
    message = diverged(resume(longer, points, tmp_path / "run"))
    assert "diverged at step 22:" in message
    assert str(trainer.run.checkpoint_path(21)) in message
    assert (tmp_path / "run" / "state.pt").read_bytes() == before


def test_a_chain_beyond_its_radius_ends_the_run(start, make_config, points, tmp_path):
    near = LangevinConfig(n_steps=3, step_size=0.02, max_radius=0.5)
    message = diverged(start(make_config(prior_sampler=near), points, tmp_path / "run"))
    assert "z_minus_max is beyond 0.5" in message


def test_a_posterior_chain_has_its_own_radius(start, make_config, points, tmp_path):
    near = LangevinConfig(n_steps=3, step_size=0.02, max_radius=0.5)
    message = diverged(start(make_config(posterior_sampler=near), points, tmp_path / "run"))
    assert "z_plus_max is beyond 0.5" in message


def test_an_encoder_that_aims_beyond_the_chains_radius_goes_on(
    start, make_config, points, tmp_path
):
    """Its first draws may lie far out; no chain has left its ball, and they come back."""
    near = replace(make_config().posterior_sampler, max_radius=1e-3)
    trainer = start(make_config(method="vae", posterior_sampler=near), points, tmp_path / "run")
    assert trainer.fit()
    assert min(columns(tmp_path / "run" / "metrics.csv")["z_plus_max"]) > 1e-3


def test_stopping_a_run_that_has_diverged_unnoticed_saves_nothing(
    start, make_config, points, tmp_path
):
    """Between two rows of the log nothing looks at the weights; a stop must."""
    trainer = start(make_config(log_every=100, save_every=5, epochs=9), points, tmp_path / "run")

    def poison_and_stop(_) -> None:
        with torch.no_grad():
            next(trainer.model.parameters()).fill_(torch.nan)
        trainer.stop()

    with pytest.raises(DivergedRun):
        trainer.fit(poison_and_stop)
    state = trainer.run.load_state()
    assert all(value.isfinite().all() for value in state["model"].values())


def test_a_reconstruction_that_diverges_leaves_checkpoints_that_load(
    start, make_config, points, tmp_path
):
    """The test chain is no part of learning; its step size can be wrong where learning is well."""
    trainer = start(make_config(reconstruction=ABSURD), points, tmp_path / "run")
    assert trainer.fit()
    assert lebm.load(trainer.run.checkpoints()[-1])
