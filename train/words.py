"""Numbers in sentences."""

from __future__ import annotations


def counted(n: int, thing: str) -> str:
    """So many of a thing whose plural ends in s: "1 epoch", "5 epochs"."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"
