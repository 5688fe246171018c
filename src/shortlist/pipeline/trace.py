"""The trace of an answer: what each stage was given, what it gave, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StageTrace:
    """One stage of one answer.

    Args:
        stage: its name.
        role: source, merge, filter, features, ranker, reranker or fallback.
        num_in: how many candidates it was given; 0 for a source.
        num_out: how many it gave.
        removed: why candidates were removed, and how many.
        elapsed_ms: how long it took.
        note: what else there is to say.
    """

    stage: str
    role: str
    num_in: int
    num_out: int
    removed: Mapping[str, int] = field(default_factory=dict)
    elapsed_ms: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Trace:
    """The stages of one answer, in funnel order, and the time the whole took."""

    stages: Sequence[StageTrace]
    elapsed_ms: float

    def __str__(self) -> str:
        width = max((len(one.stage) for one in self.stages), default=5)
        lines = [f"{'role':9} {'stage':{width}} {'in':>5} {'out':>5} {'ms':>8}"]
        for one in self.stages:
            removed = ", ".join(f"{count} {reason}" for reason, count in one.removed.items())
            said = "; ".join(part for part in (removed, one.note) if part)
            counts = f"{one.num_in:5d} {one.num_out:5d} {one.elapsed_ms:8.3f}"
            lines.append(f"{one.role:9} {one.stage:{width}} {counts}  {said}".rstrip())
        lines.append(f"{'answer':{width + 22}} {self.elapsed_ms:8.3f}")
        return "\n".join(lines)
