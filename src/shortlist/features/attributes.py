"""Entities' attributes as rows of numbers: one definition for what is trained on and for who asks now.

A model of users or items reads these rows: those of a release's training, of a user who asks, and of an item
that came after the release. A moment (`sl.Time`) is left out: what it means changes with the day it is read
on, and such a row is read once; `sl.age` gives it to the ranker and `sl.Fresh` to retrieval. What is known of
an entity is what the log's last update said.

N ids, A columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.features.encoders import Encoding, frequent_categories
from shortlist.features.entities import EntityTable

_MIN_COUNT = 5  # a text that fewer ids share says little about the next id, a title nothing
_MAX_CATEGORIES = 500
_MAX_FLOAT32 = float(np.finfo(np.float32).max)


def attribute_encoding(table: EntityTable) -> Encoding:
    """Number the texts that ids share, the most frequent first; a column of texts no two share is left out.

    The same updates give the same encoding. Columns are in the order of the declaration.
    """
    everybody = np.arange(len(table))
    names, categories = [], {}
    for name, type_ in table.entity.attribute_types.items():
        if type_ == "str":
            texts = frequent_categories(
                table.values(name, everybody), min_count=_MIN_COUNT, max_categories=_MAX_CATEGORIES
            )
            if texts:
                categories[name] = texts
        if name in categories or type_ in ("int", "float", "bool"):
            names.append(name)
    return Encoding(names, categories)


def attribute_rows(table: EntityTable, codes: NDArray[np.int64], encoding: Encoding) -> NDArray[np.float32]:
    """Return what is known of ids now, float32 [N, A]; NaN for null.

    Args:
        table: of the entity.
        codes: int64 [N]; -1, an id never seen, gives a row of nulls.
        encoding: made by `attribute_encoding` for this entity, in this process or another.
    """
    rows = np.empty((len(codes), encoding.num_columns), np.float32)
    for column, name in enumerate(encoding.names):
        values = table.values(name, codes)
        numbers = encoding.encode(name, values) if values.type == "str" else values.number()
        rows[:, column] = np.where(np.abs(numbers) <= _MAX_FLOAT32, numbers, np.nan)
    return rows
