"""Models of sentences in the explorer: what cannot show them says so, what can does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from app.studies import run_log
from lebm.decoder import TextConfig
from lebm.model import ModelConfig
from lebm.vocabulary import Vocabulary
from train.run_dir import RunDir

TEXT = TextConfig(embedding_dim=4, vocabulary=Vocabulary(("the", "cat", "[sleeps](x)", "*")))
SENTENCES = ModelConfig(latent_dim=3, data_shape=(6,), width=4, prior_hidden=8, text=TEXT)
PICTURES_ONLY = ("tilted_prior", "long_run", "posterior", "landscape", "compare")


@pytest.mark.parametrize("name", PICTURES_ONLY)
def test_pages_of_pictures_say_in_one_sentence_that_these_are_sentences(
    name: str, page_of: Callable[[str], AppTest], save_run: Callable
) -> None:
    save_run("text", SENTENCES)
    page = page_of(name)
    page.query_params["model"] = "runs/text"
    page.run()
    assert not page.exception
    (said,) = [error.value for error in page.error]
    assert "its examples are sentences" in said


def test_samples_that_are_sentences_count_as_samples(tmp_path) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    for kind in ("gaussian", "prior", "reconstruction"):
        (folder / f"{kind}-000500.txt").write_text("the cat\n")
    assert run_log.sample_steps(RunDir(tmp_path)) == [500]
