"""Sentences: files of one a line, well-known ones by name, and those of the built-in grammar.

A sentence is a row of T word numbers: at most T - 1 words, then its END. Longer sentences are left
out and counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from lebm.vocabulary import UNKNOWN, UNKNOWN_MARK, count_words
from train.data import grammar as own_grammar
from train.data.base import Dataset, DatasetUnavailable, Request, local_root

Sentences = list[list[str]]

MIN_SENTENCES = 20
_MAX_FILE = 2**28  # bytes; the largest of the published sets has a sixth of it
_WORD = re.compile(r"<unk>|[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]")

#: Where people get the named sets, and what their files in LEBM_DATA may differ in.
_SOURCES = {
    "ptb": "the Penn Treebank as Mikolov prepared it, in simple-examples.tgz, "
    "ptb.train.txt and ptb.test.txt",
    "snli": "sentences of the Stanford natural language inference corpus, one a line",
    "yahoo": "Yahoo answers, one a line, rare words replaced by _UNK",
}


def grammar(request: Request) -> Dataset:
    """20,000 sentences of the built-in grammar, and 2,000 others held out."""
    sentences = [sentence.split() for sentence in _drawn()]
    note = "sentences drawn from a small grammar of this program's own, not from a corpus"
    return _encoded(request, sentences[:20_000], sentences[20_000:], note)


@lru_cache(maxsize=1)
def _drawn() -> list[str]:
    """Half a second's work, once a process: the explorer asks for them again and again."""
    return own_grammar.draw(22_000, seed=0)


def named(request: Request) -> Dataset:
    """Penn Treebank, SNLI or Yahoo: NAME/train.txt and NAME/test.txt, one sentence a line.

    The words of a line stand apart by spaces and are taken as they are. A folder NAME_small is
    taken where there is no NAME.
    """
    name, root = request.name, local_root(request) or Path("data")
    folder = root / name if (root / name).is_dir() else root / f"{name}_small"
    paths = [
        path
        for part in ("train", "test")
        for path in (folder / f"{part}.txt", folder / f"{name}.{part}.txt")
        if path.is_file()
    ]
    if len(paths) != 2:
        raise DatasetUnavailable(
            f"{name}: no train.txt and test.txt in {root / name}; put {_SOURCES[name]}, there, or "
            "correct --data-root"
        )
    train, test = ([line.split() for line in read_lines(path)] for path in paths)
    note = ""
    if folder.name != name:
        note = f"a part of {name}, split anew: perplexities cannot be compared with published ones"
    return _encoded(request, train, test, note)


def text_file(request: Request) -> Dataset:
    """Every line of one's own file; each tenth is held out."""
    path = request.root
    if path is None or not path.is_file():
        raise DatasetUnavailable(
            "text-file needs a file of sentences, one a line: pass --data-root FILE"
            + (f", {path} is none" if path else "")
        )
    sentences = [words for line in read_lines(path) if (words := split_words(line))]
    held_out = sentences[9::10]
    kept = [words for i, words in enumerate(sentences) if i % 10 != 9]
    return _encoded(request, kept, held_out, "")


def split_words(line: str) -> list[str]:
    """The words and marks of a line in small letters, as `text-file` reads it."""
    return _WORD.findall(line.lower())


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        DatasetUnavailable: if it cannot be read, is too large, is empty or is no UTF-8 text.
    """
    try:
        size = path.stat().st_size
        if size > _MAX_FILE:
            raise DatasetUnavailable(f"{path} has {size:,} bytes, {_MAX_FILE:,} are the most")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DatasetUnavailable(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetUnavailable(
            f"{path} is no UTF-8 text (byte {error.start:,}): save it as UTF-8, one sentence a line"
        ) from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise DatasetUnavailable(f"{path} is empty: it needs one sentence a line")
    return lines


def _encoded(request: Request, train: Sentences, test: Sentences, note: str) -> Dataset:
    """Numbers for words; what does not fit into a row is left out.

    Raises:
        DatasetUnavailable: if the model is none of sentences, or too few are left.
    """
    if request.text is None or len(request.data_shape) != 1:
        raise DatasetUnavailable(f"{request.name} needs a model of text: start from a text preset")
    (length,) = request.data_shape
    fitting = [_fitting(part, length) for part in (train, test)]
    if min(map(len, fitting)) < 1 or sum(map(len, fitting)) < MIN_SENTENCES:
        raise DatasetUnavailable(
            f"{request.name}: {len(fitting[0])} sentences to learn from and {len(fitting[1])} "
            f"held-out ones have at most {length - 1} words, {MIN_SENTENCES} are needed: give more "
            "sentences, or a larger --model.data-shape"
        )
    vocabulary = request.text.vocabulary
    if not vocabulary.words:
        vocabulary = count_words(fitting[0], request.text.max_words)
    tokens = [vocabulary.encode(part, length) for part in fitting]
    if not any((part > UNKNOWN).any() for part in tokens):
        raise DatasetUnavailable(
            f"{request.name}: not one of its words is in the model's vocabulary; these sentences "
            "belong to another model"
        )
    skipped = len(train) + len(test) - sum(map(len, fitting))
    return Dataset(request.name, tokens[0], tokens[1], skipped, note, vocabulary=vocabulary)


def _fitting(sentences: Sequence[list[str]], length: int) -> Sentences:
    """Those with room for their END, every spelling of the unknown word made one."""
    return [
        [UNKNOWN_MARK if word == "_UNK" else word for word in words]
        for words in sentences
        if 0 < len(words) < length
    ]
