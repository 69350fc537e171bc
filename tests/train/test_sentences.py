"""Sentence files: words, splits, orders, and refusals in one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from lebm.decoder import TextConfig
from lebm.vocabulary import END, UNKNOWN, Vocabulary, lengths
from train import data
from train.data import Dataset, DatasetUnavailable, grammar
from train.data.order import bucketed, epoch_order
from train.data.sentences import split_words

REAL = os.environ.get("LEBM_DATA")
TEXT = TextConfig()


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("LEBM_DATA", raising=False)


def lines(n: int) -> str:
    return "".join(f"Line {'very ' * (i % 3)}number w{i}.\n" for i in range(n))


def own(path: Path, length: int = 10, text: TextConfig = TEXT) -> Dataset:
    return data.load("text-file", (length,), path, text=text)


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path | None, name: str = "text-file", text: TextConfig | None = TEXT) -> str:
    with pytest.raises(DatasetUnavailable) as caught:
        data.load(name, (10,), path, text=text)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_file_of_one_s_own_is_read_each_tenth_line_held_out(tmp_path):
    dataset = own(written(tmp_path / "my.txt", lines(100)))
    assert dataset.train.shape == (90, 10)
    assert dataset.test.shape == (10, 10)
    assert dataset.train.dtype == torch.int64
    assert dataset.skipped == 0
    assert dataset.vocabulary.decode(dataset.train[:2]) == [
        "line number w0 .",
        "line very number w1 .",
    ]
    assert dataset.vocabulary.words[:3] == ("line", "number", ".")
    assert dataset.vocabulary.decode(dataset.test[:1]) == ["line number <unk> ."]


def test_words_are_counted_in_the_sentences_learned_from_and_at_most_so_many(tmp_path):
    path = written(tmp_path / "my.txt", lines(100))
    dataset = own(path, text=TextConfig(max_words=2))
    assert dataset.vocabulary.words == ("line", "number")
    assert (dataset.train == UNKNOWN).any()


def test_a_vocabulary_that_is_given_is_kept(tmp_path):
    path, words = written(tmp_path / "my.txt", lines(30)), Vocabulary(("number", "house"))
    dataset = own(path, text=TextConfig(vocabulary=words))
    assert dataset.vocabulary == words
    assert dataset.train.unique().tolist() == [END, UNKNOWN, 2]


def test_sentences_that_do_not_fit_are_left_out_and_counted(tmp_path):
    enormous = "word " * 400_000
    dataset = own(written(tmp_path / "my.txt", lines(50) + enormous + "\n" + "a " * 10 + "\n"))
    assert dataset.skipped == 2
    assert len(dataset.train) + len(dataset.test) == 50
    assert int(lengths(dataset.train).max()) <= 10


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Don't stop, Anne-Marie!", ["don't", "stop", ",", "anne-marie", "!"]),
        ("  a <unk>  b ", ["a", "<unk>", "b"]),
        ("Größe 3,5 €", ["größe", "3", ",", "5", "€"]),
        ("\t", []),
    ],
)
def test_words_and_marks_stand_apart(line, words):
    assert split_words(line) == words


def test_byte_order_marks_and_other_line_ends_are_taken(tmp_path):
    path = written(
        tmp_path / "my.txt", b"\xef\xbb\xbf" + lines(40).replace("\n", "\r\n\r\n").encode()
    )
    assert own(path).vocabulary.words[0] == "line"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "is empty"),
        ("\n \n\t\n", "is empty"),
        ("one line\n", "20 are needed"),
        ("word " * 1_000_000, "20 are needed"),
        ("Größe\n".encode("latin-1") * 30, r"no UTF-8 text \(byte 2\)"),
        ("text\n".encode("utf-16") * 30, "no UTF-8 text"),
    ],
)
def test_files_that_are_no_sentences_are_refused(content, complaint, tmp_path):
    path = written(tmp_path / "my.txt", content)
    with pytest.raises(DatasetUnavailable, match=complaint):
        own(path)
    assert "my.txt" in refused(path) or "text-file" in refused(path)


def test_sentences_of_unknown_words_alone_belong_to_another_model(tmp_path):
    path = written(tmp_path / "my.txt", lines(30))
    message = refused(path, text=TextConfig(vocabulary=Vocabulary(("house", "tree"))))
    assert "not one of its words" in message


def test_a_place_without_sentences_is_refused(tmp_path):
    assert "--data-root FILE" in refused(None)
    assert "is none" in refused(tmp_path / "missing.txt")
    assert "is none" in refused(tmp_path)
    assert "ptb.train.txt" in refused(tmp_path, "ptb")
    assert "--data-root" in refused(tmp_path, "yahoo")


def test_a_file_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "my.txt"
    with path.open("wb") as file:
        file.truncate(2**28 + 1)  # sparse
    assert "268,435,457 bytes" in refused(path)


def test_sentences_need_a_model_of_text(tmp_path):
    assert "text preset" in refused(written(tmp_path / "my.txt", lines(30)), text=None)
    with pytest.raises(DatasetUnavailable, match="text preset"):
        data.load("grammar", (1, 8, 8), text=TEXT)


@pytest.mark.parametrize("folder", ["ptb", "ptb_small"])
@pytest.mark.parametrize("file", ["{}.txt", "ptb.{}.txt"])
def test_named_sets_are_taken_as_they_are(folder, file, tmp_path):
    (tmp_path / folder).mkdir()
    written(tmp_path / folder / file.format("train"), " No <unk> n't _UNK \n" * 30)
    written(tmp_path / folder / file.format("test"), " No no \n" * 5)
    dataset = data.load("ptb", (10,), tmp_path, text=TEXT)
    assert (len(dataset.train), len(dataset.test)) == (30, 5)
    assert dataset.vocabulary.words == ("No", "n't")
    assert dataset.train[0].tolist()[:5] == [2, UNKNOWN, 3, UNKNOWN, END]
    assert bool(dataset.note) == (folder == "ptb_small")


@pytest.mark.skipif(not REAL, reason="LEBM_DATA is not set")
def test_the_penn_treebank_is_whole():
    dataset = data.load("ptb", (84,), Path(REAL or ""), text=TEXT)
    assert (len(dataset.train), len(dataset.test), dataset.skipped) == (42_068, 3_761, 0)
    assert len(dataset.vocabulary.words) == 9_998  # of 10,000 with <unk> and the end
    assert int(lengths(dataset.train).sum()) == 929_589


def test_the_grammar_is_the_same_every_time_and_says_no_sentence_twice():
    first, again = (grammar.draw(3000, seed=0) for _ in range(2))
    assert first == again
    assert len(set(first)) == 3000
    assert grammar.draw(5, seed=1) != first[:5]
    assert all(5 <= len(sentence.split()) <= 18 for sentence in first)
    assert all(sentence[-1] in ".?" for sentence in first)


def test_no_held_out_sentence_of_the_grammar_is_learned_from():
    dataset = data.load("grammar", (20,), text=TEXT)
    assert (len(dataset.train), len(dataset.test), dataset.skipped) == (20_000, 2_000, 0)
    train, test = (set(dataset.vocabulary.decode(rows)) for rows in (dataset.train, dataset.test))
    assert len(train) == 20_000
    assert not train & test
    assert not (dataset.test == UNKNOWN).any()


def test_batches_hold_sentences_of_about_one_length():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 40, 1005)
    order = bucketed(rng.permutation(1005), sizes, 10, rng=rng)
    assert sorted(order) == list(range(1005))
    spread = [np.ptp(sizes[order[i : i + 10]]) for i in range(0, 1000, 10)]
    assert np.mean(spread) < 2
    means = [sizes[order[i : i + 10]].mean() for i in range(0, 1000, 10)]
    assert abs(np.corrcoef(means[1:], means[:-1])[0, 1]) < 0.4  # batches are shuffled


def test_an_epoch_s_order_is_a_function_of_seed_and_epoch(tmp_path):
    dataset = own(written(tmp_path / "my.txt", lines(100)))
    orders = [epoch_order(dataset, 8, seed=s, epoch=e) for s, e in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0], orders[3])
