"""What a step of the lesson is made of."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lesson:
    """One step of the Learn page.

    Attributes:
        slug: names it in the page's address.
        name: one or two words for the row of steps.
        title: what it says, in a line.
        text: the idea, Markdown.
        equation: LaTeX.
        source: where the equation stands in the paper.
        function: the one library function or class that computes it.
        question: something to try.
        answer: what is then seen, and why.
        draw: lays out control and picture; returns lines of Python that reproduce them.
    """

    slug: str
    name: str
    title: str
    text: str
    equation: str
    source: str
    function: Callable
    question: str
    answer: str
    draw: Callable[[], str]

    @property
    def function_name(self) -> str:
        """Its full name, such as "lebm.langevin.update"."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @property
    def function_says(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").splitlines()[0]

    @property
    def function_source(self) -> str:
        """Its source code."""
        return inspect.getsource(self.function)
