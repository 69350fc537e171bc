"""Files of other versions: what they lack is filled in, what is not known any more is named."""

from __future__ import annotations

import pytest
from edited_files import saved, speaking, with_config, with_metadata, with_tensors

from lebm.checkpoint import CheckpointError, loads


def test_settings_of_another_version_are_named_on_the_card(tmp_path):
    data, label = speaking(tmp_path), "settings that this version ignores"
    assert label not in loads(data)[1].facts
    text = {"embedding_dim": 4, "vocabulary": {"words": ["a", "b"]}, "sharpness": 2.0}
    _, card = loads(with_config(data, text=text))
    assert card.facts[label] == "text.sharpness"
    _, card = loads(with_config(data, **{"x" * 100_000: 10**400}))
    assert len(str(card.facts)) < 500


@pytest.mark.parametrize("version", ["3", "4"])
def test_older_learned_samplers_end_with_the_identity(version, tmp_path):
    learned = saved(tmp_path, amortised=True)
    last = ["amortised.synthesis.shift", "amortised.synthesis.log_scale"]
    older = with_tensors(learned, lambda tensors: [tensors.pop(name) for name in last])
    with pytest.raises(CheckpointError, match="2 names differ"):
        loads(older)
    model, _ = loads(with_metadata(older, format_version=version))
    assert all(not model.state_dict()[name].any() for name in last)
