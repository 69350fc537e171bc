"""How a chain came to where it is, when its settings were changed on the way: told and replayed.

In a page's address, `0.08_1_0_60~0.02_0.5_1_90` means s = 0.08 and T = 1 without the Metropolis
test up to step 60, then s = 0.02 and T = 0.5 with it up to step 90.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from app.studies.chain_run import MAX_STEPS, ChainRun, ChainSettings

_MOST = 20  # changes that an address may name
_PART = re.compile(r"(\d{0,6}\.?\d{1,9}(?:e-?\d\d?)?)_(\d\.?\d{0,4})_([01])_(\d{1,4})")

Past = tuple[tuple[ChainSettings, int], ...]


def parse(text: str, now: ChainSettings) -> Past:
    """Each earlier settings and the last step they held for; empty for nonsense.

    Args:
        text: from the address.
        now: the settings that hold after them; seed and number of chains are the same.
    """
    parts = [_PART.fullmatch(part) for part in text.split("~")[:_MOST]]
    past = []
    for part in parts:
        if part is None:
            return ()
        step_size, temperature, end = float(part[1]), float(part[2]), int(part[4])
        adjusted = part[3] == "1"
        after = past[-1][1] if past else 0
        if not (0 < step_size <= 2 and temperature <= 2 and after < end <= MAX_STEPS):
            return ()
        if adjusted and temperature == 0:
            return ()
        settings = replace(now, step_size=step_size, temperature=temperature, adjusted=adjusted)
        past.append((settings, end))
    return tuple(past)


def write(run: ChainRun) -> str:
    """The settings that no longer hold, as `parse` reads them."""
    return "~".join(
        f"{s.step_size:.9g}_{s.temperature:.4g}_{s.adjusted:d}_{later.start}"
        for earlier, later in pairwise(run.segments)
        for s in [earlier.settings]
    )


def replay(
    run: ChainRun,
    past: Past,
    now: ChainSettings,
    advance: Callable[[ChainRun, int], ChainRun] = ChainRun.advance,
) -> ChainRun:
    """A chain that has just started, taken through its past up to the settings that hold now."""
    in_order = [*(settings for settings, _ in past), now]
    for (_, end), following in zip(past, in_order[1:], strict=True):
        run = advance(run, end).change(following)
    return run


def describe(run: ChainRun) -> str:
    """Which settings hold from which step on, in words."""
    sentences = [
        f"Steps {earlier.start + 1} to {later.start}: {earlier.settings.in_words}."
        for earlier, later in pairwise(run.segments)
    ]
    last = run.segments[-1]
    waits = " Take steps to see them at work." if run.n_taken == last.start else ""
    return " ".join(
        [*sentences, f"From step {last.start + 1} on: {last.settings.in_words}.{waits}"]
    )
