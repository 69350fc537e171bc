"""Training that is killed again and again: a few kills here, as many as one likes by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from train import records, report

PROGRAM = Path(__file__).with_name("kill.py")


def test_nothing_is_lost_and_the_count_is_a_record(tmp_path):
    """Of four kills, two wait until a file is being written."""
    command = [sys.executable, str(PROGRAM), "--kills=4", "--seed=1", "--json=kill.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("kill ") == 4
    record = records.load(tmp_path / "kill.json")
    counts = record.as_type(dict[str, int])
    assert (counts["kills"], counts["damaged files"]) == (4, 0)
    assert counts["within a save"] >= 1
    assert done.stdout.strip() == report.render(record).strip()
    assert record.command == "python tests/train/kill.py --kills=4 --seed=1 --json=kill.json"
    assert report.text([record]).count(b"| 4 |") == 1
