"""Whether bfloat16 moves a measure by more than the seed does."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch

from train import models, precision
from train.precision import Precision
from train.ranks import connect, native

IMITATED = native("bf16-mixed", torch.device("cpu")) == "32-true"


@pytest.mark.parametrize(("moved", "verdict"), [(0.5, ", less than"), (3.0, ", not less than")])
def test_the_shift_is_in_standard_deviations_between_seeds(moved, verdict):
    full = [1.0, 2.0, 3.0]
    compared = Precision(full, [x + moved for x in full], "a measure")
    assert compared.shift == pytest.approx(moved)
    assert str(compared).startswith("a measure, 3 seeds: float32 2 ± 1, bfloat16")
    assert f"{moved:.2f} standard deviations apart{verdict} the spread" in str(compared)


@pytest.mark.skipif(IMITATED, reason="this processor only imitates bfloat16")
def test_models_learn_in_both_precisions_from_the_same_seeds(make_config, images):
    """Float32 twice is the same; the other precision is near it and not it."""
    config = make_config("digits", epochs=1)
    mse, distance = precision.compare_learning(config, images, seeds=range(2))
    again, _ = precision.compare_learning(config, images, seeds=range(2))
    assert again == mse
    assert mse.float32[0] != mse.float32[1]
    for measure in (mse, distance):
        assert measure.float32 != measure.bfloat16
        assert measure.bfloat16 == pytest.approx(measure.float32, rel=0.1)
    assert min(distance.float32) > 0


@pytest.mark.skipif(not IMITATED, reason="this processor has bfloat16")
def test_where_bfloat16_is_imitated_there_is_nothing_to_compare(capsys):
    assert precision.main() == 1
    assert capsys.readouterr().err.startswith("error: this processor only imitates bfloat16")


@pytest.mark.parametrize(("name", "least"), [("seeds", 2), ("examples", 1), ("epochs", 1)])
def test_too_few_of_anything_are_refused_before_work(name, least, capsys):
    assert precision.main(**{name: least - 1}) == 1
    said = f"error: {name} must be at least {least}, not {least - 1}\n"
    assert capsys.readouterr() == ("", said)


def test_no_run_waits_for_imitated_bfloat16():
    """A convolution in a run's own precision is no slower than in float32, up to the clock's mood.

    Where bfloat16 is imitated it takes 15 times as long.
    """
    pictures, layer = torch.randn(32, 32, 14, 14), torch.nn.Conv2d(32, 32, 4)

    def seconds(context: AbstractContextManager) -> float:
        started = time.process_time()
        with torch.no_grad(), context:
            layer(pictures)
        return time.process_time() - started

    ours = connect("cpu", "bf16-mixed")
    pairs = [(seconds(ours.autocast()), seconds(nullcontext())) for _ in range(9)]
    assert min(a for a, _ in pairs) < 4 * min(b for _, b in pairs)


@pytest.mark.parametrize("asked", ["32-true", "bf16-mixed"])
def test_the_card_and_the_first_line_say_what_a_run_learns_in(asked, command, tmp_path):
    run = tmp_path / "run"
    options = f"--precision {asked} --epochs 1 --batch-size 2000 --accelerator cpu --out {run}"
    status, said = command("digits", *options.split())
    assert status == 0
    fabric = connect("cpu", asked)
    with fabric.autocast():
        half = torch.is_autocast_enabled("cpu")
    card = models.load(run)[1]
    assert card.facts["precision"] == ("bf16-mixed" if half else "32-true")
    assert ("only imitates bfloat16" in said) == (asked == "bf16-mixed" and not half)
