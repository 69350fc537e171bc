"""The ways to learn, by the name that `--method` takes; one small file each."""

from __future__ import annotations

from train.config import MethodName
from train.methods.base import Method
from train.methods.lebm import LEBM

METHODS: dict[MethodName, type[Method]] = {"lebm": LEBM}

__all__ = ["METHODS", "Method"]
