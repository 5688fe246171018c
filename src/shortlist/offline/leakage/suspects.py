"""The columns that may know the future: attributes, context fields, and expressions over them.

A window, a rate or a recency is folded from the log up to the request and cannot know what follows; a column
whose values were brought in with the history can. So each is looked at by itself, whatever feature reads it.

Shape legend: N trials, K keys (users, or items).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.expressions import Attribute, Column, ContextField, Expression
from shortlist.declare.features import Age, Feature, Last, Rate, Recency, Value, Windowed
from shortlist.declare.labels import Label
from shortlist.declare.types import FieldType
from shortlist.features.offline import History, Requests
from shortlist.offline.trials import Trials

_LEAST_AGAIN = 0.2
_MOST_CHANGED = 0.02  # share of the keys that may change and the column still counts as fixed


@dataclass(frozen=True)
class Suspect:
    """A column as of each trial.

    Attributes:
        name: the column as declared.
        features: names of the features that read it.
        parts: names of the columns an expression is made of; empty for a lone column.
        expression: what is read.
        numbers: float64 [N], NaN where unknown; of text the codes, of moments microseconds.
        texts: of a text column what each code stands for.
    """

    name: str
    features: tuple[str, ...]
    parts: tuple[str, ...]
    expression: Expression
    numbers: NDArray[np.float64]
    texts: tuple[str, ...] = ()

    @property
    def type(self) -> FieldType:
        """What the column holds."""
        return self.expression.type

    @property
    def reads_context(self) -> bool:
        """Whether it is of the request, alone or among others: then only what was shown has a value."""
        return any(isinstance(column, ContextField) for column in self.expression.columns())


@dataclass(frozen=True)
class Fixed:
    """A column whose value is fixed for each key of an entity.

    Attributes:
        entity: the entity's name.
        values: float64 [K], NaN where unknown.
        since_us: int64 [K], from when on the value was known: the start of time where it was known before
            the key's first event.
    """

    entity: str
    values: NDArray[np.float64]
    since_us: NDArray[np.int64]

    @property
    def from_the_start(self) -> NDArray[np.bool_]:
        """The keys that had their value before anything happened to them, bool [K]."""
        known: NDArray[np.bool_] = np.isfinite(self.values) & (self.since_us == START_US)
        return known


START_US = int(np.iinfo(np.int64).min)


def suspects(history: History, trials: Trials) -> list[Suspect]:
    """Read every column that may know the future as of each trial, in order of declaration."""
    found: dict[str, tuple[Expression, list[str]]] = {}
    for name, feature in history.app.read_features().items():
        for expression in _expressions(feature):
            columns = [column for column in expression.columns() if _is_brought_in(column)]
            whole = [] if isinstance(expression, Column) or not isinstance(feature, Value) else [expression]
            for one in [*columns, *whole]:
                readers = found.setdefault(str(one), (one, []))[1]
                if name not in readers:
                    readers.append(name)
    made = []
    for name, (expression, features) in found.items():
        values = history.evaluate(expression, trials.requests)
        numbers = np.broadcast_to(values.number(), len(trials))
        texts = tuple(values.vocabulary.texts()) if values.vocabulary is not None else ()
        lone = isinstance(expression, Column)
        parts = () if lone else tuple(dict.fromkeys(map(str, expression.columns())))
        made.append(Suspect(name, tuple(features), parts, expression, numbers, texts))
    return made


def fixed_by(
    suspect: Suspect, history: History, trials: Trials, beginnings: Mapping[str, Requests]
) -> Fixed | None:
    """Return the values of a column by user or by item when they never change for one; else None.

    A column that is the same for everybody is fixed for nobody.

    Args:
        suspect: the column.
        history: the log.
        trials: what was tried.
        beginnings: by entity, requests as of just before the first event of each of its keys.
    """
    app = history.app
    users, items = trials.requests.users, trials.requests.items
    for entity, codes, num_keys in (
        (app.item_entity, items, len(history.items)),
        (app.user_entity, users, len(history.users)),
    ):
        name = entity.entity_name
        columns = list(suspect.expression.columns())
        if any(isinstance(column, Attribute) and column.entity is not entity for column in columns):
            continue
        values, share_again, share_changed = _one_value_each(suspect.numbers, codes, num_keys)
        # A field of requests that came once a key had no occasion to change.
        is_seen_again = share_again >= _LEAST_AGAIN or not suspect.reads_context
        if (
            is_seen_again
            and share_changed <= _MOST_CHANGED
            and np.unique(values[np.isfinite(values)]).size > 1
        ):
            since_us = _known_since(suspect.numbers, codes, trials.times_us, num_keys)
            if not suspect.reads_context:
                first = beginnings[name]
                is_known = np.broadcast_to(history.evaluate(suspect.expression, first).known, len(first))
                own = first.items if entity is app.item_entity else first.users
                # Known at the first trial is not yet known at the first event: other events may lie before.
                since_us[own] = np.where(is_known, START_US, np.maximum(since_us[own], first.times_us))
            return Fixed(name, values, since_us)
    return None


def _one_value_each(
    numbers: NDArray[np.float64], codes: NDArray[np.int64], num_keys: int
) -> tuple[NDArray[np.float64], float, float]:
    """Return each key's one value, the share of keys with two trials or more, and of those that changed."""
    rows = np.flatnonzero(np.isfinite(numbers) & (codes >= 0))
    low, high = np.full(num_keys, np.inf), np.full(num_keys, -np.inf)
    np.minimum.at(low, codes[rows], numbers[rows])
    np.maximum.at(high, codes[rows], numbers[rows])
    times = np.bincount(codes[rows], minlength=num_keys)
    again = times > 1
    num_again = int(again.sum())
    changed = float((low != high)[again].sum()) / max(num_again, 1)
    values = np.where(low == high, low, np.nan)
    return values, num_again / max(int((times > 0).sum()), 1), changed


def _known_since(
    numbers: NDArray[np.float64], codes: NDArray[np.int64], times_us: NDArray[np.int64], num_keys: int
) -> NDArray[np.int64]:
    latest = np.iinfo(np.int64).max
    first, first_known = np.full(num_keys, latest), np.full(num_keys, latest)
    np.minimum.at(first, codes, times_us)
    known = np.isfinite(numbers)
    np.minimum.at(first_known, codes[known], times_us[known])
    return np.where(first_known <= first, START_US, first_known)


def _expressions(feature: Feature) -> Iterator[Expression]:
    """Yield what a feature reads of columns: keys, conditions, values."""
    if isinstance(feature, Value):
        yield feature.expression
    if isinstance(feature, Age):
        yield feature.since
    if isinstance(feature, (Windowed, Rate, Recency, Last)):
        yield from (part for part in feature.key if isinstance(part, Attribute))
    if isinstance(feature, (Windowed, Recency, Last)) and feature.where is not None:
        yield feature.where
    if isinstance(feature, Windowed) and feature.value is not None:
        yield feature.value
    of = feature.label if isinstance(feature, Rate) else getattr(feature, "source", None)
    if isinstance(of, Label) and of.condition is not None:
        yield of.condition


def _is_brought_in(column: Column) -> bool:
    return isinstance(column, (Attribute, ContextField))
