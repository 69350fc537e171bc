"""A class held out of training: who is trained on, who is tested, and refusals."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from train import data
from train.data import Dataset, DatasetUnavailable, hold_out

REAL = os.environ.get("LEBM_DATA")


def rows(examples: torch.Tensor) -> list[tuple[int, ...]]:
    return sorted(tuple(row) for row in examples.flatten(1).tolist())


def test_the_class_is_taken_out_of_both_parts_and_the_rest_is_divided_anew(labelled):
    divided = hold_out(labelled, 3, seed=0)
    labels = torch.cat(labelled.labels)
    pooled = torch.cat([labelled.train, labelled.test])
    assert divided.anomalies is not None
    assert torch.equal(divided.anomalies, pooled[labels == 3])
    normal = pooled[labels != 3]
    assert len(divided.train) == int(0.8 * len(normal))
    assert rows(torch.cat([divided.train, divided.test])) == rows(normal)


def test_the_seed_alone_decides_the_division(labelled):
    one, same, other = (hold_out(labelled, 3, seed=seed).train for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_embedded_digits_have_their_ten_classes():
    digits = data.load("digits", (1, 8, 8))
    assert digits.labels is not None
    assert [len(part) for part in digits.labels] == [len(digits.train), len(digits.test)]
    assert torch.cat(digits.labels).bincount().tolist() == [
        *(178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
    ]


@pytest.mark.skipif(REAL is None, reason="LEBM_DATA is unset: there is no MNIST")
def test_mnist_has_the_counts_of_the_published_protocol():
    """62,123 normal digits and 7,877 ones; 0.388 of the test examples are ones."""
    mnist = hold_out(data.load("mnist", (1, 28, 28), None), 1, seed=0)
    assert mnist.anomalies is not None
    assert [len(mnist.train), len(mnist.test), len(mnist.anomalies)] == [49_698, 12_425, 7_877]


def test_a_class_that_does_not_exist_is_named_with_those_that_do(labelled):
    with pytest.raises(DatasetUnavailable, match=r"no class 12 to hold out: choose one of \[0, 1"):
        hold_out(labelled, 12, seed=0)


def test_data_without_classes_are_refused(points):
    with pytest.raises(DatasetUnavailable, match="ring has no classes to hold out"):
        hold_out(points, 1, seed=0)


def test_a_single_class_leaves_nothing_to_train_on(labelled):
    ones = Dataset("ones", labelled.train, labelled.test, labels=(torch.ones(60), torch.ones(20)))
    with pytest.raises(DatasetUnavailable, match="no class 1 to hold out"):
        hold_out(ones, 1, seed=0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("digits", "--held-out", "10"), "digits has no class 10 to hold out"),
        (("ring", "--held-out", "1"), "ring has no classes to hold out"),
        (("digits", "--held-out", "-1"), "held_out must be at least 0, not -1"),
    ],
)
def test_the_command_line_says_so_in_a_sentence_and_starts_no_run(options, sentence, command):
    status, text = command(*options)
    assert status != 0
    assert sentence in text
    assert "Traceback" not in text
    assert not list(Path("runs").glob("*"))
