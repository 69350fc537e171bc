"""How much of one sentence is in another, word by word."""

from __future__ import annotations


def edit_distance(a: str, b: str) -> int:
    """Words to insert, drop or replace to make one sentence of the other (Levenshtein 1966)."""
    others = b.split()
    row = list(range(len(others) + 1))
    for i, word in enumerate(a.split(), 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(others, 1):
            replaced = diagonal + (word != other)
            diagonal = row[j]
            row[j] = min(replaced, row[j] + 1, row[j - 1] + 1)
    return row[-1]


def agreement(a: str, b: str) -> float:
    """1 minus the edit distance as a share of the longer sentence: 1 where they are the same."""
    longer = max(len(a.split()), len(b.split()), 1)
    return 1 - edit_distance(a, b) / longer
