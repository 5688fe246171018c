"""Why is this here, and why is that not: an item's way through the record of one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shortlist.pipeline.record import Record
from shortlist.stages.contract import Items, Slate

Outcome = Literal["unknown", "not proposed", "cut", "removed", "ranked", "demoted", "shown"]


@dataclass(frozen=True)
class Why:
    """What became of one item.

    Args:
        item: its id.
        outcome: where its way ended.
        stage: the stage that decided it, empty when none did.
        sources: the sources that proposed it.
        rank: its rank after the ranker, from 1; None when it did not come so far.
        position: its place in the whole slate after the last re-ranker, from 1.
        reason: all of that in a sentence.
    """

    item: str
    outcome: Outcome
    stage: str
    sources: tuple[str, ...]
    rank: int | None
    position: int | None
    reason: str

    def __str__(self) -> str:
        return self.reason


def explain(record: Record, item: str, code: int, k: int, source_names: Sequence[str]) -> Why:
    """Follow an item through a record.

    Args:
        record: of the request.
        item: the item's id.
        code: its code, -1 when the state has never seen it.
        k: how many were shown.
        source_names: the surface's sources, by number.
    """
    proposed = tuple(source_names[number] for number, items in record.proposals.items() if code in items)

    def why(
        outcome: Outcome, stage: str, reason: str, rank: int | None = None, position: int | None = None
    ) -> Why:
        return Why(item, outcome, stage, proposed, rank, position, f"{item}: {reason}")

    if code < 0:
        return why("unknown", "", "the log has no record of it")
    places = [_place(slate, code) for _, slate in record.slates]
    rank, position = places[0], places[-1]
    if rank is not None and position is not None:
        brought = "the fallback" if record.is_fallback else " and ".join(proposed)
        if position <= k:
            moved = "" if position == rank else f", ranked {rank}"
            return why("shown", "", f"shown at {position}{moved}, proposed by {brought}", rank, position)
        if rank > k:
            return why("ranked", "ranker", f"ranked {rank}, and {k} are shown", rank, position)
        # The last stage that pushed it over the edge is the one that decided.
        inside = max(step for step, place in enumerate(places) if place is not None and place <= k)
        stage = record.slates[inside + 1][0]
        return why("demoted", stage, f"ranked {rank}, put to {position} by {stage}", rank, position)
    for stage, items in record.removed:
        if code in items:
            return why("removed", stage, f"removed by {stage}")
    if code in record.cut:
        return why("cut", "merge", "proposed, but more were proposed than may pass")
    return why("not proposed", "", "not proposed by any source")


def _place(slate: Slate, code: int) -> int | None:
    found: Items = np.flatnonzero(slate.items == code)
    return int(found[0]) + 1 if len(found) else None
