"""Print the zoo's cards as a Markdown table: `python -m lebm.zoo`."""

from __future__ import annotations

from lebm import zoo


def main() -> None:
    """Print one row a model, one column a fact that any model has."""
    cards = {name: zoo.load_model(name)[1] for name in zoo.paths()}
    facts = list(dict.fromkeys(fact for card in cards.values() for fact in card.facts))
    print("| | " + " | ".join(cards) + " |")
    print("| --- |" + " --- |" * len(cards))
    for fact in facts:
        row = [_shown(card.facts.get(fact, "")) for card in cards.values()]
        print(f"| {fact} | " + " | ".join(row) + " |")


def _shown(value: str | int | float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else value


if __name__ == "__main__":
    main()
