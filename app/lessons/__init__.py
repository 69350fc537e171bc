"""The method as eight short steps, a file each; `app.views.learn` lays them out."""

from app.lessons import (
    generator,
    holes,
    langevin_walk,
    learning,
    long_run,
    posterior,
    short_run,
    tilting,
)
from app.lessons.lesson import Lesson

LESSONS: tuple[Lesson, ...] = (
    generator.LESSON,
    holes.LESSON,
    tilting.LESSON,
    langevin_walk.LESSON,
    posterior.LESSON,
    learning.LESSON,
    short_run.LESSON,
    long_run.LESSON,
)

__all__ = ["LESSONS", "Lesson"]
