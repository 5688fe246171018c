"""The feature matrix of many requests: every column from its reading, with arrays.

`Reader` computes the same for one request at a time, number for number; a test holds the two together.

Shape legend: N rows (candidates of one request, or requests), F columns, W windows, L lanes.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from shortlist.declare.expressions import Column
from shortlist.features.encoders import Encoding
from shortlist.features.evaluate import evaluate
from shortlist.features.fixed_point import finish, finish_rate
from shortlist.features.plan import Plan, RecencyColumn, ValueColumn, WindowedColumn
from shortlist.features.values import Values
from shortlist.log.columns import NULL_INT

US_PER_S = 1e6
_MAX_FLOAT32 = float(np.finfo(np.float32).max)


class Facts(Protocol):
    """What the log says about some requests; arrays [N], or [1] when all rows share the value."""

    def window_sums(self, track: int) -> np.ndarray:
        """Return the sums int64[N or 1, W, L] of a track, its windows in the plan's order."""
        ...

    def last_times(self, recency: int) -> np.ndarray:
        """Return the last times int64[N or 1] in microseconds, NULL_INT where none."""
        ...

    def read(self, column: Column) -> Values:
        """Return an attribute or a context field, [N or 1]."""
        ...

    def times_us(self) -> np.ndarray:
        """Return the requests' moments, int64[N or 1]."""
        ...


def feature_matrix(plan: Plan, facts: Facts, encoding: Encoding, num_rows: int) -> np.ndarray:
    """Compute the matrix float32[N, F], NaN for null.

    Raises:
        ValueError: when the encoding was made for other columns.
    """
    check_encoding(plan, encoding)
    # Column by column is contiguous this way round; the transpose costs nothing.
    matrix = np.empty((len(plan.columns), num_rows), np.float32)
    sums: dict[int, np.ndarray] = {}
    for number, (name, column) in enumerate(zip(plan.names, plan.columns, strict=True)):
        if isinstance(column, WindowedColumn):
            matrix[number] = _windowed(column, facts, sums)
        elif isinstance(column, RecencyColumn):
            matrix[number] = _seconds_since(facts.times_us(), facts.last_times(column.kept))
        else:
            matrix[number] = _value(name, column, facts, encoding)
    return np.ascontiguousarray(matrix.T)


def check_encoding(plan: Plan, encoding: Encoding) -> None:
    """Check that an encoding was made for the columns of a plan.

    Raises:
        ValueError: when it was not.
    """
    if encoding.names != tuple(plan.names):
        raise ValueError(
            f"encoding: expected the {len(plan.names)} columns of this declaration, received "
            f"{len(encoding.names)} others; train a release for this declaration"
        )


def _windowed(column: WindowedColumn, facts: Facts, cache: dict[int, np.ndarray]) -> np.ndarray:
    def sums(track: int, window: int) -> np.ndarray:
        if track not in cache:
            cache[track] = facts.window_sums(track)
        return cache[track][:, window]

    at = column.reading
    if column.overall is None:
        return finish(column.aggregate, sums(at.track, at.window), at.lane)
    overall = sums(column.overall.track, column.overall.window)
    return finish_rate(sums(at.track, at.window), overall, column.prior)


def _value(name: str, column: ValueColumn, facts: Facts, encoding: Encoding) -> np.ndarray:
    values = evaluate(column.expression, facts.read)
    if column.is_age:
        return _seconds_since(facts.times_us(), np.where(values.known, values.values, NULL_INT))
    if values.type == "str":
        return encoding.encode(name, values)
    return as_column(values)


def as_column(values: Values) -> np.ndarray:
    """Return numbers as a column holds them, float64[N], NaN for null."""
    numbers = values.number()
    # The matrix is float32: what would become infinite in it is null, as any result that is not finite.
    return np.where(np.abs(numbers) <= _MAX_FLOAT32, numbers, np.nan)


def _seconds_since(now_us: np.ndarray, since_us: np.ndarray) -> np.ndarray:
    known = since_us != NULL_INT
    elapsed_us = now_us - np.where(known, since_us, now_us)
    return np.where(known, elapsed_us.astype(np.float64) / US_PER_S, np.nan)
