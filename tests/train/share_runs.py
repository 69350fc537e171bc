"""What `test_ranks` starts under torchrun: processes that share each folder's run.

    torchrun --nproc-per-node 2 tests/train/share_runs.py FOLDER ...

Each run learns from the 50 examples of `conftest` and is measured by `train.evaluate` into
FOLDER/measured.json, in the features that lie beside it. In a folder called "stopped" the last
process alone asks to stop. One called "lebm" has its long chains judged into FOLDER/long.json.
"""

from __future__ import annotations

import sys
from pathlib import Path

from train import data, evaluate, long_run
from train.data import Dataset
from train.run_dir import RunDir
from train.trainer import Trainer

FEATURES = "untrained.pth"
BATCH = 10  # samples or chains at a time
LONG = {"chains": 25, "steps": 430}
STOPPED_AT = 11  # iterations


class StopsAlone(Trainer):
    """Its last process asks to stop, and no other does."""

    def _iterate(self):
        if self.step == STOPPED_AT - 1 and self.fabric.global_rank == self.fabric.world_size - 1:
            self.stop()
        return super()._iterate()


def main() -> None:
    whole = data.load("digits", (1, 8, 8))
    digits = Dataset("digits", whole.train[:50], whole.test[:16])
    data.load = lambda *_, **__: digits
    evaluate._BATCH = long_run._BATCH = BATCH
    for folder in map(Path, sys.argv[1:]):
        run = RunDir(folder)
        kind = StopsAlone if folder.name == "stopped" else Trainer
        trainer = kind(run.config(), digits, run, "python -m train tiny")
        trainer.fit()
        trainer.fabric.barrier()  # the others read what the first one writes
        measures = {"features": str(folder.parent / FEATURES), "json": folder / "measured.json"}
        evaluate.run(evaluate.Options((folder,), samples=50, **measures))
        if folder.name == "lebm":
            long_run.run(long_run.Options((folder,), json=folder / "long.json", **LONG))


if __name__ == "__main__":
    main()
