"""The keys of one request: which slot of each key space its candidates have.

Shape legend: C candidates, A attributes.
"""

from __future__ import annotations

import numpy as np

from shortlist.declare.entities import Entity
from shortlist.declare.expressions import Attribute
from shortlist.features.key_space import KeySpace
from shortlist.features.resolve import Resolver

_EVERYTHING = np.zeros(1, np.int64)
_IDS, _WORDS = 0, 1


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
        return self._names.index(name)

    def of(self, codes: np.ndarray) -> np.ndarray:
        """Return the attributes as words int64[A, C] of the ids with these codes int64[C]."""
        return self.table.words(self._places, codes)


class RequestKeys:
    """Finds the slots of a request in the key spaces that were added.

    Args:
        items: attributes of candidates; those that keys are made of are added.
        users: attributes of the user, likewise.
    """

    def __init__(self, items: Words, users: Words) -> None:
        self._items, self._users = items, users
        self._spaces: list[KeySpace] = []
        self._parts: list[list[tuple[bool, int, int]]] = []

    def place(self, space: KeySpace) -> int:
        """Return the place of a key space in `find`, adding it when it is new."""
        if space not in self._spaces:
            self._spaces.append(space)
            self._parts.append([self._part(part) for part in space.key])
        return self._spaces.index(space)

    def find(
        self, user: int, items: np.ndarray, of_items: np.ndarray, of_user: np.ndarray
    ) -> list[np.ndarray]:
        """Return each space's slots, int64[C], or [1] where all candidates share it; -1 for none.

        Args:
            user: the user's code.
            items: the candidates' codes, int64[C].
            of_items: their attributes, int64[A, C].
            of_user: the user's attributes, int64[A, 1].
        """
        users = np.array([user], np.int64)
        found = []
        for space, parts in zip(self._spaces, self._parts, strict=True):
            codes = [
                (of_items[place] if source else items) if is_item else (of_user[place] if source else users)
                for is_item, source, place in parts
            ]
            if not codes:
                found.append(_EVERYTHING)
            elif space.pairs is None:
                found.append(codes[0])
            else:
                found.append(space.pairs.find(*_broadcast(*codes)))
        return found

    def _part(self, part: Entity | Attribute) -> tuple[bool, int, int]:
        if isinstance(part, Entity):
            return part is self._items.entity, _IDS, 0
        is_item = part.entity is self._items.entity
        return is_item, _WORDS, (self._items if is_item else self._users).place(part.name)


def _broadcast(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(a) == len(b):
        return a, b
    return (np.full(len(b), a[0]), b) if len(a) == 1 else (a, np.full(len(a), b[0]))
