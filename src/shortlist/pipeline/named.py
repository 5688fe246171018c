"""Stages by name: what a trace, a reason and a slot call them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

F = TypeVar("F")


class Named(NamedTuple, Generic[F]):
    """A ready stage and its name."""

    name: str
    run: F


def stage_names(stages: Sequence[object]) -> list[str]:
    """Name stages by their class; where a class stands twice, by all of its settings.

    Two that are wholly equal are numbered.
    """
    classes = Counter(type(stage).__name__ for stage in stages)
    names = [type(stage).__name__ if classes[type(stage).__name__] == 1 else repr(stage) for stage in stages]
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return numbered
