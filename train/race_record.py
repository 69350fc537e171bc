"""What a race leaves: its points as JSON, a Markdown table and a figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from lebm.checkpoint import atomic_write
from train import markdown, records
from train.curves import Panel, svg
from train.run_dir import RunError


@dataclass(frozen=True, slots=True)
class Point:
    """What a contestant had reached when its turn ended."""

    minutes: float
    """Of learning."""
    iterations: int
    test_mse: float
    """Of reconstructions as the method infers z; images on the 0-to-1 scale."""
    distance: float | None
    """The Fréchet distance of its prior's samples from training images."""

    def __str__(self) -> str:
        return (
            f"{self.minutes:.1f} min, {self.iterations:,} iterations, "
            f"test MSE {self.test_mse:.4g}, distance {_shown(self.distance)}"
        )


@dataclass(slots=True)
class Race:
    """A race as far as it has been run: the results in race.json."""

    preset: str
    seed: int
    test_examples: int
    samples: int
    distance: str
    """What the distance is called; empty where none was measured."""
    points: dict[str, list[Point]] = field(default_factory=dict)
    """Contestant -> its points, in order."""
    ended: dict[str, str] = field(default_factory=dict)
    """Contestant -> why it did not go on."""


def save(race: Race, out: Path, device: torch.device) -> None:
    """Replace race.json, race.md and race.svg.

    Raises:
        RunError: if one cannot be written; the old one is then untouched.
    """
    try:
        records.save(out / "race.json", "race", race, device)
        atomic_write(out / "race.md", f"{table(race)}\n".encode())
        atomic_write(out / "race.svg", figure(race).encode())
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}") from error


def table(race: Race) -> str:
    """The race as Markdown: where each contestant stands and when it was as good as the first.

    Minutes to the first one's error or distance are those of the first measurement that is as
    good as its last one.
    """
    sampled = f", {race.samples:,} samples on each side of a distance" if race.distance else ""
    lines = [
        f"{race.preset}, seed {race.seed}; {race.test_examples:,} held-out examples reconstructed"
        f"{sampled}",
        "",
    ]
    leader, first = next(iter(race.points.items()), ("", []))
    header = ["", "minutes", "iterations", "test MSE", f"minutes to {leader}'s MSE"]
    if race.distance:
        header += [race.distance, f"minutes to {leader}'s distance"]
    rows = []
    for name, points in race.points.items():
        if not points:
            continue
        last = points[-1]
        row = [name, f"{last.minutes:.1f}", f"{last.iterations:,}", f"{last.test_mse:.4g}"]
        row.append(_reached(points, lambda p: p.test_mse, first))
        if race.distance:
            row += [_shown(last.distance), _reached(points, lambda p: p.distance, first)]
        rows.append(row)
    lines += [
        markdown.table(header, rows),
        "",
        *(f"{name}: {why}" for name, why in race.ended.items()),
    ]
    return "\n".join(lines).rstrip()


def _reached(
    points: list[Point], value: Callable[[Point], float | None], first: list[Point]
) -> str:
    """The minutes after which a contestant was as good as the first one's last point."""
    goal = value(first[-1]) if first else None
    for point in points:
        here = value(point)
        if goal is not None and here is not None and here <= goal:
            return f"{round(point.minutes, 1):g}"
    return "not reached"


def figure(race: Race) -> str:
    """Test error and distance over minutes, as SVG."""
    x = "minutes of learning"
    error = {n: [(p.minutes, p.test_mse) for p in ps] for n, ps in race.points.items() if ps}
    panels = [Panel("Reconstruction of held-out examples", x, "test MSE", error)]
    if race.distance:
        far = {
            n: [(p.minutes, p.distance) for p in ps if p.distance]
            for n, ps in race.points.items()
            if ps
        }
        panels.append(Panel("Samples of the prior", x, race.distance, far))
    return svg([panel for panel in panels if any(panel.curves.values())])


def _shown(distance: float | None) -> str:
    return "none" if distance is None else f"{distance:,.4g}"
