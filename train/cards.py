"""Print models' cards as a Markdown table: `python -m train.cards [FILE ...]`."""

from __future__ import annotations

import sys
from pathlib import Path

import tyro

from lebm import zoo
from lebm.checkpoint import CheckpointError, ModelCard, load


def main(files: tyro.conf.Positional[tuple[Path, ...]] = ()) -> int:
    """Print the cards of model files, or of the whole zoo: one column a model.

    Args:
        files: `.safetensors` files; none means the zoo.

    Returns:
        The exit status.
    """
    paths = {path.stem: path for path in files} or zoo.paths()
    try:
        cards = {name: load(path)[1] for name, path in paths.items()}
    except CheckpointError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(cards))
    return 0


def table(cards: dict[str, ModelCard]) -> str:
    """The facts of every card, a row each, as Markdown."""
    facts = dict.fromkeys(fact for card in cards.values() for fact in card.facts)
    rows = [
        ["", *cards],
        ["---"] * (len(cards) + 1),
        *([fact, *(_shown(card.facts.get(fact, "")) for card in cards.values())] for fact in facts),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _shown(value: str | int | float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else value.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(tyro.cli(main, prog="python -m train.cards"))
