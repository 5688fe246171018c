"""What the online state says about one request's user, candidates and context, column by column.

Shape legend: C candidates.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shortlist.declare.expressions import Attribute, Column, ContextField
from shortlist.features.resolve import Resolver
from shortlist.features.values import Values


class RequestFacts:
    """Reads the state for one request, each column once.

    Args:
        resolver: ids and current attributes.
        user: the user's code, -1 when never seen.
        items: candidates' codes, int64[C].
        context: the request's context by field name.
    """

    def __init__(
        self,
        resolver: Resolver,
        user: int,
        items: np.ndarray,
        context: Mapping[str, object],
    ) -> None:
        self._resolver, self._context = resolver, context
        self._codes = {
            resolver.app.user_entity.entity_name: np.array([user], np.int64),
            resolver.app.item_entity.entity_name: np.ascontiguousarray(items, np.int64),
        }
        self._columns: dict[Column, Values] = {}

    def read(self, column: Column) -> Values:
        """Return an attribute or a context field, [C or 1]."""
        values = self._columns.get(column)
        if values is None:
            values = self._columns[column] = self._read(column)
        return values

    def _read(self, column: Column) -> Values:
        if isinstance(column, ContextField):
            return Values.given(column.type, self._context.get(column.name))
        assert isinstance(column, Attribute)
        name = column.entity.entity_name
        return self._resolver.tables[name].values(column.name, self._codes[name])
