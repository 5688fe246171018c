"""How the keys of rows that are being folded stand in one array: a row each part of a key, a row each pair.

Shape legend: K rows of keys.
"""

from __future__ import annotations

from collections.abc import Iterable

from shortlist.declare.entities import Entity
from shortlist.declare.expressions import Attribute
from shortlist.features.key_space import KeySpace


class KeyLayout:
    """Gives everything that keys are made of a row, the parts first.

    Args:
        spaces: the key spaces.
        item: what histories hold: a part, whether a key is made of it or not.

    Attributes:
        parts: of the first rows; None stands for the key of no part, whose slot is 0.
        part_rows: the row of each part.
        parts_of: the rows of the parts of each key space.
        item_row: the row of the item's codes.
        rows: the row of the slots of each key space: that of its one part, or one of its own.
        num_rows: K.
    """

    def __init__(self, spaces: Iterable[KeySpace], item: Entity) -> None:
        spaces = list(spaces)
        self.parts: list[Entity | Attribute | None] = list(
            dict.fromkeys([item, *(part for space in spaces for part in space.key or (None,))])
        )
        self.part_rows = {part: row for row, part in enumerate(self.parts)}
        self.item_row = self.part_rows[item]
        self.parts_of = {space: [self.part_rows[part] for part in space.key or (None,)] for space in spaces}
        pairs = [space for space in spaces if space.pairs is not None]
        self.rows = {space: rows[0] for space, rows in self.parts_of.items()}
        self.rows |= {space: len(self.parts) + number for number, space in enumerate(pairs)}
        self.num_rows = len(self.parts) + len(pairs)
