"""The attributes of an entity that a request reads, as words.

Shape legend: N ids, A attributes that are read, and before them the ids themselves.
"""

from __future__ import annotations

import numpy as np

from shortlist.declare.entities import Entity
from shortlist.features.kernels.reading import IDS
from shortlist.features.resolve import Resolver


class Words:
    """The attributes that are read of one entity; they are added before the first request.

    Args:
        resolver: whose tables hold them.
        entity: theirs.
    """

    def __init__(self, resolver: Resolver, entity: Entity) -> None:
        self.entity, self.table = entity, resolver.tables[entity.entity_name]
        self._names: list[str] = []
        self._places = np.empty(0, np.int64)

    def place(self, name: str) -> int:
        """Return the place of an attribute in `of`, adding it when it is new."""
        if name not in self._names:
            self._names.append(name)
            self._places = self.table.places(self._names)
        return IDS + 1 + self._names.index(name)

    def of(self, codes: np.ndarray) -> np.ndarray:
        """Return words int64[1 + A, N] of the ids with these codes int64[N]: the codes, then attributes."""
        words = np.empty((IDS + 1 + len(self._names), len(codes)), np.int64)
        words[IDS] = codes
        self.table.put_words(self._places, codes, words[IDS + 1 :])
        return words
