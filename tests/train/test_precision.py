"""Whether bfloat16 moves a measure by more than the seed does."""

from __future__ import annotations

import pytest

from train import precision
from train.precision import Precision


@pytest.mark.parametrize(("moved", "verdict"), [(0.5, ", less than"), (3.0, ", not less than")])
def test_the_shift_is_in_standard_deviations_between_seeds(moved, verdict):
    full = [1.0, 2.0, 3.0]
    compared = Precision(full, [x + moved for x in full], "a measure")
    assert compared.shift == pytest.approx(moved)
    assert str(compared).startswith("a measure, 3 seeds: float32 2 ± 1, bfloat16")
    assert f"{moved:.2f} standard deviations apart{verdict} the spread" in str(compared)


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


@pytest.mark.parametrize(("name", "least"), [("seeds", 2), ("examples", 1), ("epochs", 1)])
def test_too_few_of_anything_are_refused_before_work(name, least, capsys):
    assert precision.main(**{name: least - 1}) == 1
    said = f"error: {name} must be at least {least}, not {least - 1}\n"
    assert capsys.readouterr() == ("", said)
