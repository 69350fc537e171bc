"""Processes that share a run: the result is one process's with the same batch."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch
from share_runs import BATCH, FEATURES, LONG, MEASURED, STOPPED_AT
from torch import Tensor

from lebm import langevin
from lebm.langevin import LangevinConfig
from lebm.noise import SharedGenerator, drawn
from lebm.prior import TiltedPrior
from train import data, evaluate, long_run, records, scores
from train.config import AmortisedConfig
from train.features import MNISTFeatures
from train.long_run import Judged
from train.measured import Measured
from train.methods import METHODS
from train.run_dir import RunDir
from train.run_lock import owner

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("share_runs.py")
PATIENCE = 600  # seconds
TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node=2"]
TEXTS = ("lebm", "vae", "arae")
CHAINS = {"short-run": "short-run", "persistent": "persistent", "stopped": "persistent"}


@pytest.fixture(scope="module")
def process() -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts Python with a module in a folder; whatever still runs at the end is ended."""
    started = []

    def start(*command: str, folder: Path, **environment: str) -> subprocess.Popen:
        one = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(one)
        return one

    yield start
    for one in started:
        one.terminate()
        with one:  # closes its pipe and waits
            pass


@pytest.fixture(scope="module")
def shared(tmp_path_factory, make_config, process) -> Path:
    """Runs that two processes shared, by their folder's name: methods, and chains of "lebm".

    Of 50 rows in batches of 7, one process has 3 rows and the other 4, and of the last batch's
    single row one of them has none. f_α is smooth, since with a piecewise linear one some
    gradients vanish but for rounding, of which Adam makes whole steps.
    """
    folder = tmp_path_factory.mktemp("shared")
    smooth = replace(make_config("digits").model, prior_activation="gelu")
    common = {"model": smooth, "batch_size": 7}
    configs = {name: make_config("digits", method=name, **common) for name in METHODS}
    configs |= {
        name: make_config("digits", prior_chains=chains, posterior_chains=chains, **common)
        for name, chains in CHAINS.items()
    }
    configs["refined"] = replace(configs["amortised"], amortised=AmortisedConfig(2, 2))
    configs["minutes"] = replace(configs["lebm"], minutes=0.2)
    text = replace(make_config("grammar").model, prior_activation="gelu")
    dropping = {"model": text, "batch_size": 7, "word_dropout": 0.3}
    for name in TEXTS:
        configs[f"text-{name}"] = make_config("grammar", method=name, **dropping)
    configs["held-out"] = replace(configs["persistent"], held_out=1)
    torch.manual_seed(0)
    torch.save(MNISTFeatures().state_dict(), folder / FEATURES)
    for name, config in configs.items():
        RunDir(folder / name).create(config)
    started = process(*TORCHRUN, str(SCRIPT), *configs, folder=folder)
    said, _ = started.communicate(timeout=PATIENCE)
    assert started.returncode == 0, said
    return folder


def rows(path: Path) -> list[dict[str, float]]:
    with path.open() as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def assert_same_run(ours: Path, others: Path) -> None:
    """The same but for rounding: logs, weights, remembered chains and the random stream."""
    for log in ("metrics.csv", "evaluation.csv"):
        for a, b in zip(rows(ours / log), rows(others / log), strict=True):
            del a["seconds"], b["seconds"]
            assert a == pytest.approx(b, rel=2e-3, abs=1e-5)
    a, b = (RunDir(path).load_state() for path in (ours, others))
    assert a.keys() == b.keys()
    assert torch.equal(a["rng"], b["rng"])
    tensors = {name for name in a if isinstance(a[name], Tensor)} - {"rng"}
    for name in tensors:
        torch.testing.assert_close(a[name], b[name], rtol=1e-3, atol=1e-4)
    for name in a["model"]:
        torch.testing.assert_close(a["model"][name], b["model"][name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [*METHODS, "refined", "short-run", "persistent"])
def test_two_processes_give_the_result_of_one_with_both_batches(
    name, shared, start, images, tmp_path
):
    start(RunDir(shared / name).config(), images, tmp_path / "alone").fit()
    assert_same_run(shared / name, tmp_path / "alone")


@pytest.mark.parametrize("name", TEXTS)
def test_words_are_dropped_and_counted_as_by_one_process(name, shared, start, sentences, tmp_path):
    run = shared / f"text-{name}"
    start(RunDir(run).config(), sentences, tmp_path / "alone").fit()
    assert_same_run(run, tmp_path / "alone")


def test_a_process_that_asks_to_stop_stops_all_and_one_process_goes_on(
    shared, start, resume, images, tmp_path
):
    config = RunDir(shared / "stopped").config()
    shutil.copytree(shared / "stopped", tmp_path / "pieces")
    resumed = resume(config, images, tmp_path / "pieces")
    assert resumed.step == STOPPED_AT
    assert resumed.fit()
    start(config, images, tmp_path / "alone").fit()
    assert_same_run(tmp_path / "pieces", tmp_path / "alone")


def test_minutes_end_all_processes_at_once_by_the_first_ones_clock(shared, start, images, tmp_path):
    """Twelve seconds, of which each iteration takes the first process one and the second two."""
    trainer = start(RunDir(shared / "minutes").config(), images, tmp_path / "alone")
    trainer._clock = count().__next__
    assert trainer.fit()
    assert trainer.step == 12
    assert_same_run(shared / "minutes", tmp_path / "alone")


def test_a_class_held_out_is_scored_as_by_one_process(shared, start, labelled, tmp_path):
    start(RunDir(shared / "held-out").config(), labelled, tmp_path / "alone").fit()
    assert_same_run(shared / "held-out", tmp_path / "alone")
    ours, others = (RunDir(path).scores() for path in (shared / "held-out", tmp_path / "alone"))
    assert [file.name for file in ours] == [file.name for file in others] != []
    for file, other in zip(ours, others, strict=True):
        a, b = scores.load(file), scores.load(other)
        assert a.total() == pytest.approx(b.total(), rel=1e-3)


@pytest.mark.parametrize("name", MEASURED)
def test_measures_that_processes_share_are_those_of_one(
    name, shared, images, monkeypatch, tmp_path
):
    monkeypatch.setattr(data, "load", lambda *_, **__: images)
    monkeypatch.setattr(evaluate, "_BATCH", BATCH)
    measures = {"features": str(shared / FEATURES), "samples": 16, "json": tmp_path / "one.json"}
    evaluate.run(evaluate.Options((shared / name,), **measures))
    files = (measures["json"], shared / name / "measured.json")
    ((alone,),), ((together,),) = (records.load(f).as_type(list[list[Measured]]) for f in files)
    assert alone.values.keys() == together.values.keys()
    for measure in alone.values.keys() - {"seconds per 1,000 samples"}:
        assert together.values[measure] == pytest.approx(alone.values[measure], rel=1e-4)
    assert together.hardware == f"2 × {alone.hardware}"


def test_long_chains_that_processes_share_are_those_of_one(shared, monkeypatch, tmp_path):
    monkeypatch.setattr(long_run, "_BATCH", BATCH)
    file = tmp_path / "long.json"
    long_run.run(long_run.Options((shared / "lebm",), json=file, accelerator="cpu", **LONG))
    (alone,), (together,) = (
        records.load(f).as_type(list[Judged]) for f in (file, shared / "lebm" / "long.json")
    )
    assert together.chains == 25
    assert together.verdict.word == alone.verdict.word
    for name in ("energy_shift", "norm_shift", "spread", "moved"):
        ours, others = (getattr(judged.verdict, name) for judged in (together, alone))
        assert ours == pytest.approx(others, rel=1e-3)
    assert together.mixing["norm"].mean == pytest.approx(alone.mixing["norm"].mean, rel=1e-5)


STEPS_PER_EPOCH = 15
OPTIONS = {
    "batch-size": 100,
    "log-every": 1,
    "save-every": 5,
    "accelerator": "cpu",
    "model.latent-dim": 3,
    "model.width": 4,
    "model.prior-hidden": 4,
    "prior-sampler.n-steps": 3,
    "posterior-sampler.n-steps": 3,
    "reconstruction.n-steps": 3,
}
TINY = [f"--{name}={value}" for name, value in OPTIONS.items()]
SLURM = {
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "2",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NNODES": "1",
    "SLURM_NODEID": "0",
    "SLURM_NODELIST": "127.0.0.1",
    "MASTER_ADDR": "127.0.0.1",
}


@pytest.fixture
def slurm(tmp_path, free_port, process):
    """`python -m train ...` twice, as Slurm would start two tasks that share it."""

    def launch(*arguments: str) -> list[subprocess.Popen]:
        common = SLURM | {"MASTER_PORT": str(free_port)}
        owns = ({"SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in ("0", "1"))
        return [process("train", *arguments, folder=tmp_path, **common, **own) for own in owns]

    return launch


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_a_save(run: RunDir, trains: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (run.path / "state.pt").exists():
        assert trains.poll() is None, trains.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_process_ends_the_run_which_any_number_can_resume(slurm, tmp_path, command):
    """The other one, which writes, ends by itself with a sentence, and the state is whole."""
    writer, worker = slurm("digits", *TINY, "--epochs=1000", "--out=run")
    run = RunDir(tmp_path / "run")
    wait_for_a_save(run, writer)
    worker.send_signal(signal.SIGKILL)
    said, _ = writer.communicate(timeout=PATIENCE)
    assert worker.communicate()[0] == ""
    assert writer.returncode == 1
    assert "Traceback" not in said
    assert said.count("1500 examples") == 1
    end, step = run.end(), run.load_state()["step"]
    assert end.how == "failed"
    assert end.step >= step
    assert step % 5 == 0
    assert end.sentence.startswith(f"step {end.step}: another process of this run has ended")
    assert f"error: {end.sentence}" in said
    status, said = command("resume", "run", "--epochs", str(step // STEPS_PER_EPOCH + 1))
    assert (status, run.end().how) == (0, "finished"), said


def test_where_the_one_that_writes_is_killed_another_says_so(process, tmp_path):
    """Started as a person would, without a name for the run, which the first one chose."""
    arguments = [*TORCHRUN, "-m", "train", "digits", *TINY, "--epochs=1000"]
    started = process(*arguments, folder=tmp_path)
    run = RunDir(tmp_path / "runs" / "digits")
    wait_for_a_save(run, started)
    os.kill(owner(run.path).pid, signal.SIGKILL)
    said, _ = started.communicate(timeout=PATIENCE)
    assert started.returncode != 0
    assert "another process of this run has ended" in said
    assert "`python -m train resume runs/digits`" in said
    assert run.end() is None
    assert run.load_state()["step"] % 5 == 0
    assert owner(run.path) is None


@pytest.mark.parametrize("generator", [torch.Generator(), SharedGenerator()])
def test_a_generator_that_nobody_shares_draws_for_whoever_asks(generator):
    assert drawn(5, generator) == (5, slice(None))


def test_processes_draw_the_rows_of_one_batch():
    """A chain's noise is that of the whole batch, whichever rows are here."""
    prior, config = TiltedPrior(3, 8), LangevinConfig(7, 0.1)

    def end(rows: slice) -> Tensor:
        generator = SharedGenerator()
        generator.manual_seed(0)
        generator.share(5, rows)
        start = prior.sample_base(rows.stop - rows.start, generator=generator)
        return langevin.sample(prior.density(), start, config, generator=generator)

    parts = torch.cat([end(slice(0, 2)), end(slice(2, 5))])
    torch.testing.assert_close(parts, end(slice(0, 5)))
    plain = torch.Generator().manual_seed(0)
    start = prior.sample_base(5, generator=plain)
    alone = langevin.sample(prior.density(), start, config, generator=plain)
    assert torch.equal(alone, end(slice(0, 5)))


def test_draws_for_another_number_than_the_part_are_refused():
    generator = SharedGenerator()
    generator.share(5, slice(2, 5))
    with pytest.raises(ValueError, match="4 draws for a part of 3 rows"):
        drawn(4, generator)
