"""A run that is stopped and resumed is bit for bit the run that was not."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
import torch

import lebm
from train.run_dir import RunError

STOPPED_AT = 11  # of 21; iterations 8 to 14 are the second epoch


def stop_in_the_second_epoch(trainer) -> None:
    """`watch` asks to stop after iteration 10, and the one after it is the last."""
    assert not trainer.fit(lambda p: trainer.stop() if p.step == STOPPED_AT - 1 else None)
    assert trainer.step == STOPPED_AT


@pytest.mark.parametrize("chains", ["short-run", "persistent"])
@pytest.mark.parametrize("name", ["ring", "digits"])
def test_a_run_stopped_within_an_epoch_ends_as_if_it_had_not_been(
    name, chains, start, resume, make_config, points, images, tmp_path, same_run
):
    dataset = points if name == "ring" else images
    config = make_config(name, posterior_chains=chains, prior_chains=chains)
    assert start(config, dataset, tmp_path / "whole").fit()
    stop_in_the_second_epoch(start(config, dataset, tmp_path / "pieces"))
    assert resume(config, dataset, tmp_path / "pieces").fit()
    assert same_run(tmp_path / "whole", tmp_path / "pieces")
    paths = [tmp_path / n / "checkpoints/step-000021.safetensors" for n in ("whole", "pieces")]
    whole, pieces = (lebm.load(path)[0].state_dict().values() for path in paths)
    assert all(map(torch.equal, whole, pieces))


@pytest.mark.parametrize("chains", ["short-run", "persistent"])
def test_a_run_killed_after_a_save_repeats_what_was_lost(
    chains, start, resume, make_config, points, tmp_path, same_run
):
    """A kill at iteration 13 leaves the state of 10 and rows up to 13."""
    config = make_config(posterior_chains=chains)
    start(config, points, tmp_path / "whole").fit()

    class Killed(BaseException):
        pass

    def kill(progress) -> None:
        if progress.step == 13:
            raise Killed

    with pytest.raises(Killed):
        start(config, points, tmp_path / "pieces").fit(kill)
    resumed = resume(config, points, tmp_path / "pieces")
    assert resumed.step == 10
    resumed.fit()
    assert same_run(tmp_path / "whole", tmp_path / "pieces")


def test_a_run_killed_before_its_first_save_begins_again(
    start, resume, make_config, points, tmp_path, same_run
):
    config = make_config()
    start(config, points, tmp_path / "whole").fit()
    start(config, points, tmp_path / "pieces")
    resume(config, points, tmp_path / "pieces").fit()
    assert same_run(tmp_path / "whole", tmp_path / "pieces")


def test_many_stops_are_as_good_as_none(start, resume, make_config, points, tmp_path, same_run):
    config = make_config(posterior_chains="persistent")
    start(config, points, tmp_path / "whole").fit()
    trainer, n_stops = start(config, points, tmp_path / "pieces"), 0
    trainer.stop()
    while not trainer.fit():
        trainer, n_stops = resume(config, points, tmp_path / "pieces"), n_stops + 1
        trainer.stop()
    assert n_stops == 20
    assert same_run(tmp_path / "whole", tmp_path / "pieces")


def test_a_finished_run_can_be_trained_for_longer(
    start, resume, make_config, points, tmp_path, read_csv
):
    """Its checkpoints are those of a longer run, but for the one at its own end."""
    config = make_config(save_every=7)
    longer = replace(config, epochs=5)
    start(longer, points, tmp_path / "whole").fit()
    start(config, points, tmp_path / "pieces").fit()
    assert resume(longer, points, tmp_path / "pieces").fit()
    whole, pieces = (read_csv(tmp_path / n / "metrics.csv") for n in ("whole", "pieces"))
    assert whole == pieces


def test_minutes_end_a_run_and_more_minutes_go_on(
    start, resume, make_config, points, tmp_path, same_run
):
    """By a clock on which each iteration takes a second."""
    whole = make_config(save_every=6, epochs=2)
    start(whole, points, tmp_path / "whole").fit()
    short, longer = (replace(whole, minutes=minutes) for minutes in (0.1, 1.0))
    for begin, config, end in ((start, short, 6), (resume, longer, 14)):
        trainer = begin(config, points, tmp_path / "pieces")
        trainer._clock = count().__next__
        assert trainer.fit()
        assert trainer.step == trainer.expected_steps == end
    assert same_run(tmp_path / "whole", tmp_path / "pieces")


def test_a_finished_run_that_is_resumed_stays_as_it_is(
    start, resume, make_config, points, tmp_path
):
    config = make_config()
    start(config, points, tmp_path / "run").fit()
    names = ("state.pt", "metrics.csv", "evaluation.csv")
    before = [(tmp_path / "run" / name).read_bytes() for name in names]
    assert resume(config, points, tmp_path / "run").fit()
    assert [(tmp_path / "run" / name).read_bytes() for name in names] == before


def test_the_card_keeps_the_command_that_started_the_run(
    start, resume, make_config, points, tmp_path
):
    config = make_config()
    stop_in_the_second_epoch(start(config, points, tmp_path / "run"))
    trainer = resume(config, points, tmp_path / "run")
    trainer.fit()
    _, card = lebm.load(trainer.run.checkpoints()[-1])
    assert card.facts["command"] == "python -m train tiny"


MUTABLE = [
    "model",
    "prior_optimizer",
    "generator_optimizer",
    "schedulers",
    "rng",
    "memory",
    "replay",
    "replay_iterations",
    "step",
]


@pytest.fixture
def saved(start, make_config, points, tmp_path):
    """A run that has saved its state, with remembered chains."""
    config = make_config(posterior_chains="persistent", prior_chains="persistent")
    trainer = start(config, points, tmp_path / "run")
    trainer.stop()
    trainer.fit()
    return trainer


def test_time_that_was_spent_counts_after_a_stop(saved, resume, points):
    """The minutes that a run may take are those of all its pieces."""
    saved.run.save_state(saved.state_dict() | {"seconds": 1234.5})
    resumed = resume(replace(saved.config, minutes=30), points, saved.run.path)
    assert resumed.seconds == 1234.5
    assert not resumed.finished
    assert resume(replace(saved.config, minutes=20), points, saved.run.path).finished
    resumed.fit()
    assert resumed.seconds > 1234.5
    last = (saved.run.path / "metrics.csv").read_text().splitlines()[-1]
    assert float(last.split(",")[2]) > 1234.5


@pytest.mark.parametrize("part", [*MUTABLE, "version", "seconds", "command"])
def test_a_state_without_one_of_its_parts_is_refused(part, saved, resume, points):
    state = saved.state_dict()
    del state[part]
    saved.run.save_state(state)
    with pytest.raises(RunError, match=r"state\.pt"):
        resume(saved.config, points, saved.run.path)


@pytest.mark.parametrize("part", MUTABLE)
def test_a_state_with_a_part_of_another_type_is_refused(part, saved, resume, points):
    saved.run.save_state(saved.state_dict() | {part: [None]})
    with pytest.raises(RunError, match=r"state\.pt"):
        resume(saved.config, points, saved.run.path)


def test_remembered_chains_of_other_data_are_refused(saved, resume, points):
    fewer = replace(points, train=points.train[:40])
    with pytest.raises(RunError, match="50 examples, the data set now has 40"):
        resume(saved.config, fewer, saved.run.path)


def test_a_state_of_another_model_is_refused(start, resume, make_config, points, images, tmp_path):
    start(make_config(), points, tmp_path / "run").fit()
    with pytest.raises(RunError, match=r"does not fit its config\.json"):
        resume(make_config("digits"), images, tmp_path / "run")
