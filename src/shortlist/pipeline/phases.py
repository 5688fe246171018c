"""The four phases of a request, and what a surface does in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from shortlist.pipeline.eligible import Eligible
from shortlist.pipeline.named import Named
from shortlist.pipeline.rank import Ranker
from shortlist.pipeline.retrieve import Retrieve
from shortlist.pipeline.standby import Standby
from shortlist.stages.contract import Filter, Reranker


class Phase(IntEnum):
    """Where a request is."""

    SOURCES = 0
    FILTERS = 1
    RANKER = 2
    RERANKERS = 3


@dataclass(frozen=True)
class Phases:
    """What a surface does, what it shows when all else fails, and what its conditions let pass."""

    retrieve: Retrieve
    filters: Sequence[Named[Filter]]
    ranker: Ranker | None
    rerankers: Sequence[Named[Reranker]]
    standby: Standby
    eligible: Eligible | None
