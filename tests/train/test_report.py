"""The page of results: every number is that of a record, and nothing is lost or made up."""

from __future__ import annotations

import pytest
import torch

from train import records, report
from train.anomaly import AUPRC, Detected
from train.benchmark import Benchmark
from train.contest import Row
from train.evaluate import Measured
from train.precision import Precision
from train.race_record import Point, Race, figure, table

CPU = torch.device("cpu")


def measured(method: str, seed: int, mse: float) -> Measured:
    return Measured("runs/a", "cifar10", method, seed, 10, 1.0, "", 16, 0, {"test MSE": mse})


def test_seeds_are_a_row_and_published_numbers_have_their_own_columns(tmp_path):
    groups = [[measured("lebm", s, x) for s, x in enumerate((1.0, 2.0, 3.0))]]
    records.save(tmp_path / "a.json", "evaluate", [*groups, [measured("sri", 0, 5.0)]], CPU)
    assert report.main(tmp_path, tmp_path / "page.md") == 0
    page = (tmp_path / "page.md").read_text()
    assert "| test MSE | examples | test MSE (published) | FID (published) |" in page
    assert "| 2 ± 2.5 | 16 reconstructed | 0.02 | 70.15 |" in page
    assert "| 5 | 16 reconstructed |  |  |" in page
    assert str(records.load(tmp_path / "a.json")) in page


def test_tables_of_areas_begin_with_one_by_class(tmp_path):
    own, tilt = AUPRC(0.5, 0.01, 0.4, 0.1, [0.5]), AUPRC(0.2, 0.0, 0.2, 0.1, [0.2])
    areas = {"score": own, "tilt alone": tilt}
    groups = [
        [Detected("r", "mnist", method, digit, 0, [9], 9, 1, 0.1, areas, 1.0, "", machine, method)]
        for method, digit, machine in (("vae", 7, "a"), ("lebm", 4, "b"), ("lebm", 7, "a"))
    ]
    records.save(tmp_path / "a.json", "anomaly", groups, CPU)
    assert report.main(tmp_path, tmp_path / "page.md") == 0
    page = (tmp_path / "page.md").read_text()
    assert "| AUPRC | 4 | 7 |" in page
    assert "| mnist, vae |  | 0.5 |" in page
    assert "| mnist, lebm, AUPRC (published) | 0.630 | 0.463 |" in page
    lines = [line.split(" | ") for line in page.splitlines() if "| score | 0.5" in line]
    assert [line[1:3] for line in lines] == [["4", "lebm"], ["7", "vae"], ["7", "lebm"]]
    assert [line[-1] for line in lines] == ["b |", "a |", "a |"]


def test_words_of_a_section_are_explained_once(tmp_path):
    for name in "ab":
        records.save(tmp_path / f"{name}.json", "evaluate", [[measured("lebm", 0, 1.0)]], CPU)
    assert report.main(tmp_path, tmp_path / "page.md") == 0
    assert (tmp_path / "page.md").read_text().count("- **test MSE**: of held-out") == 1


def test_a_benchmark_is_its_table(tmp_path):
    row = Row("prior chain", "chain-steps/s", 10.0, 25.0, 2.5, aim=8.0)
    found = Benchmark("2.14", 3, 1.5, [row], Precision([0.1, 0.2], [0.1, 0.2]))
    records.save(tmp_path / "a.json", "benchmark", found, CPU)
    assert report.main(tmp_path, tmp_path / "page.md") == 0
    page = (tmp_path / "page.md").read_text()
    assert str(row) in page
    assert "torch 2.14; medians of 3" in page


def test_a_race_is_its_table_and_its_curves(tmp_path):
    points = {"short-run": [Point(1.0, 9, 0.02, 50.0)], "vae": [Point(1.0, 20, 0.01, None)]}
    race = Race("mnist", 3, 100, 500, "far", points, {"vae": "diverged at step 21"})
    (tmp_path / "results").mkdir()
    records.save(tmp_path / "results" / "a.json", "race", race, CPU)
    assert report.main(tmp_path / "results", tmp_path / "page.md") == 0
    page = (tmp_path / "page.md").read_text()
    assert table(race) in page
    assert "vae: diverged" in page
    assert "(results/race-mnist-seed3.svg)" in page
    assert (tmp_path / "results" / "race-mnist-seed3.svg").read_text() == figure(race)


def test_what_was_written_is_said_and_may_lie_anywhere(tmp_path, capsys):
    race = Race("mnist", 3, 100, 500, "", {"vae": [Point(1.0, 20, 0.01, None)]})
    records.save(tmp_path / "a.json", "race", race, CPU)
    page = tmp_path / "new" / "page.md"
    assert report.main(tmp_path, page) == 0
    drawn = page.parent / "results" / "race-mnist-seed3.svg"
    assert capsys.readouterr().out.splitlines() == [f"written: {drawn}", f"written: {page}"]
    assert drawn.read_text() == figure(race)


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_records_leaves_the_page_as_it_is(name, tmp_path, capsys):
    (tmp_path / "page.md").write_text("old")
    assert report.main(tmp_path / name, tmp_path / "page.md") == 1
    assert "holds no record: give the --folder" in capsys.readouterr().err
    assert (tmp_path / "page.md").read_text() == "old"


@pytest.mark.parametrize(
    ("kind", "results", "said"),
    [("dance", [], "no section for records of dance"), ("evaluate", {}, "does not fit")],
)
def test_a_record_that_does_not_fit_is_a_sentence(tmp_path, capsys, kind, results, said):
    (tmp_path / "page.md").write_text("old")
    records.save(tmp_path / "a.json", kind, results, CPU)
    assert report.main(tmp_path, tmp_path / "page.md") == 1
    assert said in capsys.readouterr().err
    assert (tmp_path / "page.md").read_text() == "old"


def test_the_committed_page_is_that_of_the_committed_records():
    found = [records.load(path) for path in sorted(report.FOLDER.glob("*.json"))]
    assert found
    assert report.PAGE.read_bytes() == report.text(found)
