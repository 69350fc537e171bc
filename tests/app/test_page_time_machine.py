"""The Time machine page as Streamlit runs it, without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from explorer import with_lines
from streamlit.testing.v1 import AppTest

from app.sidebar import plain
from app.views.sentences import SILENCE
from lebm import checkpoint
from lebm.decoder import TextConfig
from lebm.model import ModelConfig
from lebm.vocabulary import Vocabulary


@pytest.fixture
def page(page_of: Callable[..., AppTest]) -> AppTest:
    page = page_of("time_machine")
    page.query_params["run"] = "the example"
    return page


def test_the_lines_to_copy_make_the_chains_of_every_checkpoint(page: AppTest) -> None:
    for name, value in {"n": "4", "K": "7", "T": "0.5", "seed": "3"}.items():
        page.query_params[name] = value
    with_lines(page)
    machine = page.session_state["time_machine.machine"]
    names: dict[str, object] = {}
    exec(page.code[0].value, names)
    assert list(names["examples"]) == machine.steps.tolist()
    for stage in machine.stages:
        np.testing.assert_allclose(names["examples"][stage.step], stage.examples, atol=1e-3)
        ends = stage.curves["energy"]
        np.testing.assert_allclose(names["energies"][stage.step][1], ends, atol=1e-3)


def test_nonsense_in_the_address_falls_back(page: AppTest) -> None:
    for name in ("run", "n", "K", "s", "T", "seed", "at", "chain", "curve"):
        page.query_params[name] = "../../etc/passwd"
    with_lines(page)
    assert page.session_state["time_machine.view"].step == 11  # the newest of twelve


TEXT = TextConfig(embedding_dim=4, vocabulary=Vocabulary(("the", "cat", "[sleeps](x)", "*")))
SENTENCES = ModelConfig(latent_dim=3, data_shape=(6,), width=4, prior_hidden=8, text=TEXT)


def _noisy(path: Path, seed: int) -> None:
    """Weights of a checkpoint, moved, so that no two say the same."""
    model, card = checkpoint.load(path)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data += 0.5 * torch.randn(parameter.shape, generator=generator)
    checkpoint.save(path, model, card)


@pytest.fixture
def text_page(page_of: Callable[..., AppTest], save_run: Callable[..., Path]) -> AppTest:
    for step in (5, 10, 15):
        _noisy(save_run("words", SENTENCES, step=step), step)
    page = page_of("time_machine")
    page.query_params.update({"run": "words", "n": "16", "K": "7"})
    return page


def _read(page: AppTest, name: str) -> list[str]:
    """Lines of the list whose lines name a chain, or an iteration."""
    (text,) = [m.value for m in page.markdown if f":gray[{name} " in m.value]
    return [each.split("  \n")[0] for each in text.split("\n\n")]


def _bare(line: str) -> str:
    return re.sub(r":orange\[\*\*(.*?)\*\*\]", r"\1", line)


def test_sentences_of_every_checkpoint_are_read(text_page: AppTest) -> None:
    with_lines(text_page)
    assert not text_page.error
    names: dict[str, Any] = {}
    exec(text_page.code[0].value, names)
    said = names["examples"]
    assert list(said) == [5, 10, 15]
    shown = [plain(sentence) or SILENCE for sentence in said[15]]
    assert [_bare(line) for line in _read(text_page, "chain")] == shown
    text_page.number_input(key="chain").set_value(3).run()
    followed = [plain(said[step][3]) or SILENCE for step in said]
    assert [_bare(line) for line in _read(text_page, "iteration")] == followed
    text_page.select_slider(key="at").set_value(5).run()
    first = _read(text_page, "chain")
    assert [_bare(line) for line in first] == [plain(s) or SILENCE for s in said[5]]
    assert first == [_bare(line) for line in first]  # nothing came before: nothing is new


def test_fewer_chains_bring_the_followed_one_back_into_range(text_page: AppTest) -> None:
    text_page.query_params["chain"] = "12"
    with_lines(text_page)
    assert text_page.number_input(key="chain").value == 12
    text_page.select_slider(key="n").set_value(4)
    with_lines(text_page)
    assert len(_read(text_page, "chain")) == 4


def test_nonsense_in_the_address_of_sentences_falls_back(text_page: AppTest) -> None:
    for name in ("at", "chain"):
        text_page.query_params[name] = "../../etc/passwd"
    with_lines(text_page)
    assert text_page.select_slider(key="at").value == 15


def test_another_run_has_other_checkpoints(
    text_page: AppTest, save_run: Callable[..., Path]
) -> None:
    save_run("other", SENTENCES, step=99)
    with_lines(text_page)
    text_page.select_slider(key="at").set_value(10).run()
    text_page.sidebar.selectbox(key="run").set_value("other")
    with_lines(text_page)
    assert any("Iteration 99" in m.value for m in text_page.markdown)
    assert len(_read(text_page, "iteration")) == 1
