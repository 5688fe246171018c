"""What stands in for candidates that are missing: what people like this one like, then what everybody does.

The lists are the release's. Which of them is a user's is read from the state without its lock: a request
that needs a stand-in may be one in which everything hangs, the lock's holder too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shortlist.declare.expressions import Attribute
from shortlist.declare.surface import Surface
from shortlist.features.entities import EntityTable
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.pipeline.merge import Candidates
from shortlist.stages.contract import Items, Query

_NUM_EVERYBODYS = 1000
_TRUTHS = ("false", "true")


@dataclass(frozen=True)
class StandIn:
    """A list, best first, and what it is in words."""

    name: str
    candidates: Candidates


class Fallback:
    """The lists of one surface, and which of them are whose.

    Args:
        everybody: the most popular items of all.
        segment: what divides the users; None when nothing does.
        by_segment: the most popular items of each segment, by its name.
    """

    def __init__(
        self,
        everybody: Items,
        segment: Attribute | None = None,
        by_segment: Mapping[str, Items] | None = None,
    ) -> None:
        self._segment = segment
        self.lists = [_stand_in("the most popular", everybody)]
        self._numbers: dict[str, int] = {}
        for name, items in (by_segment or {}).items():
            assert segment is not None
            self._numbers[name] = len(self.lists)
            self.lists.append(_stand_in(f"the most popular in {segment.name}={name}", items))

    @classmethod
    def of(cls, surface: Surface, artifacts: FunnelArtifacts, codes: Items) -> Fallback:
        """Take a release's lists; `codes` are int64 [I], its items' in the state, -1 for one not seen."""
        by_segment = {} if artifacts.segments is None else artifacts.segments.lists()
        return cls(
            _seen(codes[artifacts.popularity.top(_NUM_EVERYBODYS)[0]]),
            surface.segment,
            {} if surface.segment is None else {name: _seen(codes[one]) for name, one in by_segment.items()},
        )

    def rungs(self, query: Query) -> list[int]:
        """Return the places in `lists` of what may stand in for a query, in the order to be tried."""
        number = None
        if self._segment is not None and query.user >= 0:
            users = query.state.users
            column = users.column(self._segment.name)
            stored = int(column[query.user]) if query.user < len(column) else -1  # a new user has no row yet
            if stored >= 0:
                number = self._numbers.get(segment_name(users, self._segment, stored))
        return [0] if number is None else [number, 0]


def segment_name(users: EntityTable, segment: Attribute, stored: int) -> str:
    """Return the name of the segment of users with a value of an attribute.

    Args:
        users: those who choose, as the log knows them.
        segment: the attribute that divides them.
        stored: the value in its column, 0 or more: a known one.
    """
    return _TRUTHS[stored] if segment.type == "bool" else users.vocabularies[segment.name].text(stored)


def _stand_in(name: str, items: Items) -> StandIn:
    return StandIn(name, Candidates(items, np.zeros(len(items), np.int64)))


def _seen(codes: Items) -> Items:
    return codes[codes >= 0]
