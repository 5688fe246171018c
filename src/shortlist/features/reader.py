"""The feature matrix of one request, read off the state by a program that is compiled once a release.

It gives the bits of `feature_matrix`, which the offline path computes: where that one makes arrays of sums
and turns them into columns, here one kernel goes from keys to columns, and what candidates share is computed
once.

Shape legend: C candidates, F feature columns, A attributes, P columns of one kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from shortlist.declare.expressions import Attribute, ContextField, Expression
from shortlist.features.encoders import Encoding, Numbering
from shortlist.features.evaluate import evaluate
from shortlist.features.kept import KeptState
from shortlist.features.kernels import columns as kernels
from shortlist.features.keyed_columns import KeyedColumns
from shortlist.features.matrix import as_column, check_encoding
from shortlist.features.plan import ValueColumn
from shortlist.features.request_facts import RequestFacts
from shortlist.features.resolve import Resolver
from shortlist.features.words import Words
from shortlist.log.columns import NULL_INT

_KINDS = {"int": kernels.WHOLE, "time": kernels.WHOLE, "float": kernels.FLOAT, "bool": kernels.TRUTH}


@dataclass
class _Plain:
    """The columns that are attributes of one entity, or fields of the context, as they are."""

    values: list[tuple[int, int, int]] = field(default_factory=list)
    texts: list[tuple[Numbering, int, int]] = field(default_factory=list)
    program: np.ndarray = field(init=False)

    def finish(self) -> None:
        self.program = np.array(self.values, np.int64).reshape(-1, 3)

    def fill(self, words: np.ndarray, time_us: int, out: np.ndarray) -> None:
        """Fill the columns from words int64[1 + A, C], or [1 + A, 1] for all candidates."""
        if len(self.program):
            kernels.fill_values(words, words.view(np.float64), self.program, time_us, out)
        for numbering, place, column in self.texts:
            kernels.fill_categories(numbering.table(), words, place, column, out)


class Reader:
    """Reads the features of requests for one encoding; made once, it follows the state.

    Args:
        resolver: ids and current attributes.
        kept: running sums and last times.
        encoding: of the release that will score what is read.

    Raises:
        ValueError: when the encoding was made for other columns.
    """

    def __init__(self, resolver: Resolver, kept: KeptState, encoding: Encoding) -> None:
        plan, app = resolver.plan, resolver.app
        check_encoding(plan, encoding)
        self._resolver, self._num_columns = resolver, len(plan.columns)
        self._items, self._users = Words(resolver, app.item_entity), Words(resolver, app.user_entity)
        self._by_key = KeyedColumns(resolver, kept, self._items, self._users)
        self._context: list[tuple[str, bool, Mapping[str, float] | None]] = []
        self._of_items, self._of_users, self._of_context = _Plain(), _Plain(), _Plain()
        self._others: list[tuple[int, Expression]] = []
        for number, (name, column) in enumerate(zip(plan.names, plan.columns, strict=True)):
            if isinstance(column, ValueColumn):
                self._add_value(number, name, column, encoding)
        for part in (self._of_items, self._of_users, self._of_context):
            part.finish()

    def _add_value(self, number: int, name: str, column: ValueColumn, encoding: Encoding) -> None:
        read = column.expression
        kind = kernels.AGE if column.is_age else _KINDS.get(read.type, kernels.FLOAT)
        if isinstance(read, ContextField):
            # A text becomes its number where it is read, and so a float.
            numbers = encoding.numbers(name) if read.type == "str" else None
            self._of_context.values.append((kind, len(self._context), number))
            self._context.append((read.name, kind == kernels.FLOAT, numbers))
        elif isinstance(read, Attribute):
            is_item = read.entity is self._resolver.app.item_entity
            words, part = (self._items, self._of_items) if is_item else (self._users, self._of_users)
            place = words.place(read.name)
            if read.type == "str":
                vocabulary = words.table.vocabularies[read.name]
                part.texts.append((encoding.numbering(name, vocabulary), place, number))
            else:
                part.values.append((kind, place, number))
        else:
            self._others.append((number, read))

    def read(self, user: int, items: np.ndarray, time_us: int, context: Mapping[str, object]) -> np.ndarray:
        """Return float32[C, F], NaN for null; column by column in memory. See `OnlineState.features`."""
        out = np.empty((self._num_columns, len(items)), np.float32)
        items = np.ascontiguousarray(items, np.int64)
        of_items, of_user = self._items.of(items), self._users.of(np.array([user], np.int64))
        self._by_key.fill(of_user, of_items, time_us, out)
        self._of_items.fill(of_items, time_us, out)
        self._of_users.fill(of_user, time_us, out)
        if self._context:
            self._of_context.fill(self._context_words(context), time_us, out)
        if self._others:
            facts = RequestFacts(self._resolver, user, items, context)
            for number, other in self._others:
                out[number] = as_column(evaluate(other, facts.read))
        return out.T

    def _context_words(self, context: Mapping[str, object]) -> np.ndarray:
        words = np.full((len(self._context), 1), NULL_INT, np.int64)
        floats = words.view(np.float64)
        for place, (name, is_float, numbers) in enumerate(self._context):
            value = context.get(name)
            if numbers is not None:
                floats[place, 0] = numbers.get(value, np.nan) if isinstance(value, str) else np.nan
            elif is_float:
                floats[place, 0] = np.nan if value is None else np.asarray(value, np.float64)
            elif value is not None:
                words[place, 0] = np.asarray(value, np.int64)
        return words
