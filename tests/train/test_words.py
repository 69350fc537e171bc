"""Numbers in sentences."""

from __future__ import annotations

import pytest

from train.words import counted


@pytest.mark.parametrize(
    ("n", "said"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs"), (1500, "1,500 epochs")]
)
def test_one_thing_is_not_many(n, said):
    assert counted(n, "epoch") == said
