"""What `test_ranks` starts under torchrun: processes that share each folder's run.

    torchrun --nproc-per-node 2 tests/train/share_runs.py FOLDER ...

Each run learns from 50 digits, or sentences where its model is of them, or from digits with labels
where a class is held out. What `train.evaluate` and `train.long_run` say of the run in the folder
called "lebm" (of some others the former alone) is written into it, in the features that lie beside
it. In the folder called "stopped" the last process alone asks to stop; in that called "minutes" an
iteration takes as many seconds as the process has a number, from 1 on.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

from lebm.decoder import TextConfig
from train import data, evaluate, long_run
from train.data import Dataset
from train.run_dir import RunDir
from train.trainer import Trainer

FEATURES = "untrained.pth"
BATCH = 10  # samples or chains at a time
LONG = {"chains": 25, "steps": 430}
STOPPED_AT = 11  # iterations


MEASURED = ("lebm", "vae", "rae")


class StopsAlone(Trainer):
    """Its last process asks to stop, and no other does."""

    def _iterate(self):
        if self.step == STOPPED_AT - 1 and self.fabric.global_rank == self.fabric.world_size - 1:
            self.stop()
        return super()._iterate()


def digits(*, labelled: bool = False) -> Dataset:
    whole = data.load("digits", (1, 8, 8))
    if not labelled:
        return Dataset("digits", whole.train[:50], whole.test[:16])
    labels = (whole.labels[0][:60], whole.labels[1][:20])
    return Dataset("digits", whole.train[:60], whole.test[:20], labels=labels)


def sentences() -> Dataset:
    whole = data.load("grammar", (20,), text=TextConfig(max_words=60))
    return replace(whole, train=whole.train[:50], test=whole.test[:16])


def main() -> None:
    for folder in map(Path, sys.argv[1:]):
        train(RunDir(folder))
    given = digits()
    data.load = lambda *_, **__: given
    evaluate._BATCH = long_run._BATCH = BATCH
    for folder in map(Path, sys.argv[1:]):
        measures = {"features": str(folder.parent / FEATURES), "json": folder / "measured.json"}
        if folder.name in MEASURED:
            evaluate.run(evaluate.Options((folder,), samples=16, **measures))
        if folder.name == "lebm":
            long_run.run(long_run.Options((folder,), json=folder / "long.json", **LONG))


def train(run: RunDir) -> None:
    config = run.config()
    kind = StopsAlone if run.path.name == "stopped" else Trainer
    labelled = config.held_out is not None
    examples = sentences() if config.model.text else digits(labelled=labelled)
    trainer = kind(config, examples, run, "python -m train tiny")
    if run.path.name == "minutes":
        trainer._clock = count(step=1 + trainer.fabric.global_rank).__next__
    trainer.fit()
    trainer.fabric.barrier()  # the others read what the first one writes


if __name__ == "__main__":
    main()
