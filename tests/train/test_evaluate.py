"""`python -m train.evaluate`: rows, intervals over seeds, and refusals."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lebm import checkpoint
from lebm.langevin import LangevinConfig
from train import data, evaluate, evaluation, features, records, seeds
from train.config import AmortisedConfig
from train.data import to_model_range
from train.evaluate import Options
from train.features import MNISTFeatures
from train.frechet import Frechet
from train.measured import Measured, table
from train.pictures import quantise
from train.run_dir import RunError


@pytest.fixture(autouse=True)
def small_digits(monkeypatch, images, points):
    """Runs are judged on the data they were trained on."""
    sets = {"digits": images, "ring": points}
    monkeypatch.setattr(data, "load", lambda name, *_, **__: sets[name])


@pytest.fixture
def extractor(tmp_path) -> str:
    torch.manual_seed(0)
    torch.save(MNISTFeatures().state_dict(), tmp_path / "untrained.pth")
    return str(tmp_path / "untrained.pth")


@pytest.fixture
def train(start, make_config, images, points, tmp_path):
    """A trained run's folder."""

    def make(name: str, dataset: str = "digits", **changes):
        config = make_config(dataset, **{"epochs": 1, "save_every": 100} | changes)
        start(config, images if dataset == "digits" else points, tmp_path / name).fit()
        return tmp_path / name

    return make


def cells(text: str) -> list[dict[str, str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    header, _, *rows = ([c.strip() for c in line.split("|")[1:-1]] for line in lines)
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_each_method_is_a_row_with_its_costs(train, extractor, tmp_path):
    refined = AmortisedConfig(2, 2)
    runs = (
        train("a"),
        train("b", method="vae"),
        train("c", method="rae"),
        train("d", method="amortised", amortised=refined),
    )
    options = Options(runs, features=extractor, samples=30, json=tmp_path / "all.json")
    rows = cells(text := evaluate.run(options))
    assert [row["method"] for row in rows] == ["lebm", "vae", "rae", "amortised"]
    assert [row["gradients per sample"] for row in rows] == ["3", "0", "0", "2"]
    assert [row["test MSE, by Langevin"] != "" for row in rows] == [False, True, True, True]
    assert all(float(row["Fréchet distance (features: untrained)"]) > 0 for row in rows)
    assert all(row["examples"] == "16 reconstructed, 30 sampled" for row in rows)
    written = records.load(tmp_path / "all.json").as_type(list[list[Measured]])
    assert table(written) == text


def test_reconstructions_are_as_far_from_data_as_the_method_leaves_them(train, images, extractor):
    """By hand, of a VAE, whose reconstructions draw nothing."""
    run = train("a", method="vae")
    (row,) = cells(evaluate.run(Options((run,), features=extractor, samples=12)))
    reconstruct = evaluate._open(run, data.load).method.reconstruct
    again = reconstruct(to_model_range(images.test[:12]), generator=torch.Generator())
    network = features.load(extractor).network
    real = Frechet([images.train[:12]], network, torch.device("cpu"))
    found = float(row["Fréchet distance (features: untrained) of reconstructions"])
    assert found == pytest.approx(real.distance([quantise(again)]), rel=1e-3)
    assert found != float(row["Fréchet distance (features: untrained)"])
    (row,) = cells(evaluate.run(Options((run,), features=extractor, samples=17)))
    assert len(images.test) == 16
    assert "Fréchet distance (features: untrained) of reconstructions" not in row


def test_numbers_are_those_of_the_run(train):
    """Of a VAE, whose reconstructions draw nothing: chains have another seed here."""
    rows = cells(evaluate.run(Options((train("a", method="vae"),), features="none")))
    assert rows[0]["seeds"] == "1"
    assert rows[0]["iterations"] == "7"
    logged = (
        (train("b", method="vae") / "evaluation.csv").read_text().splitlines()[-1].split(",")[-1]
    )
    assert float(rows[0]["test MSE"]) == pytest.approx(float(logged), rel=1e-3)


def test_points_have_no_pictures_but_an_exact_density(train, extractor):
    (row,) = cells(evaluate.run(Options((train("a", "ring"),), features=extractor)))
    assert "Fréchet distance (features: untrained)" not in row
    assert float(row["log p(x), nats"]) < 0


def test_points_have_no_exact_density_where_the_prior_reaches_beyond_the_grid(
    train, monkeypatch, capsys
):
    run, open_run = train("a", "ring"), evaluate._open

    def tilted_away(*arguments):
        trainer = open_run(*arguments)
        trainer.model.prior.f.get_submodule("0").weight.mul_(1000)
        return trainer

    monkeypatch.setattr(evaluate, "_open", tilted_away)
    (row,) = cells(evaluate.run(Options((run,), features="none")))
    assert "log p(x), nats" not in row
    assert f"no log p(x) of {run}: its prior reaches beyond" in capsys.readouterr().err


def test_seeds_are_one_row_and_other_settings_another(train):
    runs = (train("a"), train("b", seed=1), train("c", seed=1, batch_size=16))
    rows = cells(evaluate.run(Options(runs, features="none")))
    assert [row["seeds"] for row in rows] == ["2", "1"]
    assert "±" in rows[0]["test MSE"]
    assert "±" not in rows[1]["test MSE"]


def test_likeliest_words_are_no_seed_of_drawn_ones():
    """Nor is their row the same; of a record that does not say, words were drawn."""
    plain = Measured("r", "ptb", "lebm", 0, 10, 1.0, "", 16, 50, {"FPPL": 2.0})
    others = [replace(plain, seed=1), replace(plain, seed=2, greedy=True)]
    rows = cells(table(seeds.together([plain, *others])))
    assert [row["seeds"] for row in rows] == ["2", "1"]
    sampled = ["16 reconstructed, 50 sampled", "16 reconstructed, 50 sampled greedily"]
    assert [row["examples"] for row in rows] == sampled


def test_rows_of_one_method_are_told_apart_by_run_and_machine():
    one = Measured("runs/a", "ring", "vae", 0, 1, 1.0, "x", 16, 0, {"Var E[z|x]": 1.0})
    (row,) = cells(table([[one]]).replace("\\|", "¦"))
    assert row["Var E[z¦x]"] == "1"
    assert not {"run", "measured on"} & set(row)
    rows = cells(table([[one], [replace(one, run="runs/b")]]).replace("\\|", "¦"))
    assert [(row["run"], "measured on" in row) for row in rows] == [("a", False), ("b", False)]
    other = replace(one, method="sri", hardware="y")
    rows = cells(table([[one], [other]]).replace("\\|", "¦"))
    assert [("run" in row, row["measured on"]) for row in rows] == [(False, "x"), (False, "y")]


def test_what_a_record_holds_of_earlier_runs_joins_the_table(train, tmp_path):
    """Also when the runs are gone; the same seed again, or another kind of record, is refused."""
    record, a, b = tmp_path / "all.json", train("a"), train("b", seed=1)
    together = evaluate.run(Options((a, b), features="none", test_examples=8))
    evaluate.run(Options((a,), features="none", test_examples=8, json=record))
    same = Options((record, b), features="none", test_examples=8, json=record)
    text = evaluate.run(same)
    assert [row["seeds"] for row in cells(text)] == ["2"]
    assert cells(text)[0]["test MSE"] == cells(together)[0]["test MSE"]
    assert evaluate.run(Options((record,))) == text
    with pytest.raises(RunError, match="spread between seeds"):
        evaluate.run(same)
    others = evaluate.run(Options((record, train("c", seed=2)), features="none", test_examples=4))
    assert [row["seeds"] for row in cells(others)] == ["2", "1"]
    records.save(record, "faults", {"kills": 3}, torch.device("cpu"))
    with pytest.raises(records.RecordError, match="does not fit"):
        evaluate.run(same)


def test_a_setting_at_its_default_changes_no_group(make_config):
    config = make_config("digits")
    same = replace(config, seed=3, save_every=7, threads=2, data_root=Path("elsewhere"))
    assert seeds.settings_of(config) == seeds.settings_of(same)
    others = (
        replace(config, batch_size=config.batch_size + 1),
        replace(config, model=replace(config.model, noise_std=0.123)),
        replace(config, method="vae"),
    )
    assert len({seeds.settings_of(each) for each in (config, *others)}) == 4
    assert "word_dropout" not in str(seeds._changed(config))


def test_what_trained_a_row_stands_below(train):
    text = evaluate.run(Options((train("a"), train("b", seed=1)), features="none"))
    assert text.endswith("\n\n- `python -m train tiny`")
    assert text.count("python -m train tiny") == 1


def test_records_from_before_commands_were_kept_are_read():
    assert "Trained by" not in table([[Measured("r", "ring", "vae", 0, 1, 1.0, "", 16, 0, {})]])


def test_the_interval_is_student_s():
    group = [
        Measured("r", "digits", "vae", s, 10, 1.0, "", 16, 0, {"test MSE": value})
        for s, value in enumerate((1.0, 2.0, 3.0))
    ]
    (row,) = cells(table([group]))
    assert row["test MSE"] == "2 ± 2.5"  # 4.303 · 1 / √3


def test_the_same_seed_twice_is_refused(train):
    with pytest.raises(RunError, match="spread between seeds"):
        evaluate.run(Options((train("a"), train("b")), features="none"))


def test_without_fid_s_weights_everything_else_is_measured(train, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (row,) = cells(evaluate.run(Options((train("a"),))))
    assert "FID" not in row
    assert capsys.readouterr().err.startswith("no FID: FID needs the Inception weights")


def test_weights_of_features_are_asked_for_where_there_are_pictures(
    train, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    points = train("a", "ring")
    evaluate.run(Options((points,)))
    assert "FID" not in capsys.readouterr().err
    evaluate.run(Options((points, train("b"))))
    assert "no FID" in capsys.readouterr().err


def test_samples_are_those_of_the_model(train, start, make_config, images, tmp_path):
    """A trainer's samples come from its own prior, the same for the same seed."""
    trainer = evaluate._open(train("a", method="rae"), data.load)
    a, b = (torch.cat(list(evaluate._samples(trainer, 300, seed=4))) for _ in range(2))
    assert torch.equal(a, b)
    assert len(a) == 300
    trainer.method.mixture.means.add_(100.0)
    moved = torch.cat(list(evaluate._samples(trainer, 300, seed=4)))
    assert (a - moved).abs().max() > 0


def test_mse_follows_the_method_s_own_inference(train, images):
    run = train("a", method="vae", reconstruction=LangevinConfig(0, 0.01))
    (row,) = cells(evaluate.run(Options((run,), features="none")))
    trainer = evaluate._open(run, data.load)
    own = evaluation.evaluate(trainer.model, trainer.method.reconstruct, images.test)
    assert float(row["test MSE"]) == pytest.approx(own["test_mse"], rel=1e-3)
    assert row["test MSE"] != row["test MSE, by Langevin"]


def test_chains_are_those_that_the_method_recommends(train, images):
    """A 2sVAE whose σ has fallen needs shorter steps than its run's settings say."""
    run = train("a", method="2svae")
    trainer = evaluate._open(run, data.load)
    trainer.method.memory["noise_variance"] *= 0.01
    trainer.method.prepare_model()
    found = evaluate._reconstruction(trainer, Options((run,), features="none"))
    chain = trainer.method.reconstruction_sampler()
    assert chain.step_size < trainer.config.reconstruction.step_size
    by_chain = evaluation.by_langevin(trainer.model, chain)
    expected = evaluate._mse(trainer, by_chain, images.test, seed=0)
    assert found["test MSE, by Langevin"] == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere holds no run"),
        ([], "name at least one run"),
        (["nowhere", "--samples", "1"], "samples must be at least 2"),
        (["nowhere", "--test-examples=-1"], "test_examples must be at least 0"),
    ],
)
def test_a_mistake_is_answered_in_words_and_a_status(arguments, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    try:
        status = evaluate.main()
    except SystemExit as stop:
        status = stop.code
    printed = capsys.readouterr()
    text = " ".join((printed.out + printed.err).replace("│", " ").split())
    assert status != 0
    assert said in text
    assert "Traceback" not in text


@pytest.mark.parametrize("method", ["lebm", "sri", "sri-5"])
def test_a_model_file_is_judged_as_its_run(method, train, extractor):
    """Number for number; what is measured in seconds, and minutes that a card rounds, aside."""
    run = train("a", method=method, seed=3)
    (file,) = (run / "checkpoints").iterdir()
    ours, of_file = (
        cells(evaluate.run(Options((path,), features=extractor, samples=30)))[0]
        for path in (run, file)
    )
    for row in (ours, of_file):
        del row["seconds per 1,000 samples"], row["minutes"]
    assert of_file == ours
    assert ours["method"] == method
    assert ours["iterations"] == "7"


def test_files_of_one_run_are_rows_of_their_own(train):
    run = train("a", epochs=3, save_every=5)
    files = tuple(sorted((run / "checkpoints").iterdir()))
    rows = cells(evaluate.run(Options(files, features="none")))
    assert [row["iterations"] for row in rows] == ["5", "10", "15", "20", "21"]
    assert len({row["test MSE"] for row in rows}) == 5
    with pytest.raises(RunError, match="settings and the seed of another"):
        evaluate.run(Options((files[0], files[0]), features="none"))


def test_a_file_without_what_its_method_infers_with_is_refused(train):
    (file,) = (train("a", method="vae") / "checkpoints").iterdir()
    with pytest.raises(RunError, match=r"does not hold what 'vae' infers with: name its run's"):
        evaluate.run(Options((file,), features="none"))


def test_a_file_that_does_not_say_its_data_is_refused(train, tmp_path):
    (file,) = (train("a") / "checkpoints").iterdir()
    model, card = checkpoint.load(file)
    facts = {label: fact for label, fact in card.facts.items() if label != "data"}
    checkpoint.save(tmp_path / "silent.safetensors", model, replace(card, facts=facts))
    with pytest.raises(RunError, match=r"silent\.safetensors does not say what data"):
        evaluate.run(Options((tmp_path / "silent.safetensors",), features="none"))


def test_a_broken_file_is_refused_in_one_line(monkeypatch, tmp_path, capsys):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing")
    monkeypatch.setattr(sys, "argv", ["evaluate", str(broken)])
    assert evaluate.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert str(broken) in line
