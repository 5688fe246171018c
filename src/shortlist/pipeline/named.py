"""Stages by name: what a trace, a reason and a slot call them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from shortlist.pipeline.crew import Lane

F = TypeVar("F")


class Named(NamedTuple, Generic[F]):
    """A ready stage, its name, and its lane, which is closed while a request hangs in it."""

    name: str
    run: F
    lane: Lane

    @classmethod
    def of(cls, name: str, run: F) -> Named[F]:
        """Name a stage that nobody has asked yet."""
        return cls(name, run, Lane())


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
