"""A histogram of latencies: buckets that grow by a constant factor, so that every quantile is near.

The mapping is DDSketch's (Masson, Rim, Lee: DDSketch, VLDB 2019): bucket b holds the values in
`(g^(b-1), g^b]` with `g = (1 + a) / (1 - a)`, and stands for `2 g^b / (g + 1)`, which is within the share
`a` of each of them. HdrHistogram's promise, without a range to be set beforehand.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

RELATIVE_ERROR = 0.005
LEAST_MS = 0.001

_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_LOG = 1 / math.log(_GROWTH)
_MIDDLE = 2 / (_GROWTH + 1)


class Histogram:
    """Counts of milliseconds, each known to half a percent; what is under a microsecond counts as one."""

    def __init__(self) -> None:
        self.num = 0
        self.max_ms = 0.0
        self._counts: Counter[int] = Counter()

    @classmethod
    def of(cls, values_ms: Iterable[float]) -> Self:
        """Return the histogram of some values."""
        made = cls()
        for value_ms in values_ms:
            made.add(value_ms)
        return made

    def add(self, value_ms: float) -> None:
        """Count a value."""
        self._counts[math.ceil(math.log(max(value_ms, LEAST_MS)) * _PER_LOG)] += 1
        self.num += 1
        self.max_ms = max(self.max_ms, value_ms)

    def merge(self, other: Histogram) -> None:
        """Count all that another histogram has counted."""
        self._counts.update(other._counts)
        self.num += other.num
        self.max_ms = max(self.max_ms, other.max_ms)

    def quantile(self, q: float, out_of: int | None = None) -> float:
        """Return the value that the share `q` does not exceed: that of rank `ceil(q n)`.

        Args:
            q: above 0, at most 1; 1 gives the exact maximum.
            out_of: n, when there were more than were counted here: those above have no end, and count as
                infinity. By default what was counted.

        Returns:
            Milliseconds within `RELATIVE_ERROR`; infinity as said; NaN for no values at all.
        """
        num = self.num if out_of is None else out_of
        if num == 0:
            return math.nan
        # A product such as 0.999 * 1000 may land a hair above the whole number it stands for.
        rank = max(1, math.ceil(q * num - 1e-9))
        if rank > self.num:
            return math.inf
        if rank == self.num:
            return self.max_ms
        seen = 0
        for bucket, count in sorted(self._counts.items()):
            seen += count
            if seen >= rank:
                return min(_value(bucket), self.max_ms)
        raise AssertionError("the counts add up to num")

    def num_within(self, limit_ms: float) -> int:
        """Return how many values lie within a limit, by the values their buckets stand for."""
        if limit_ms >= self.max_ms:
            return self.num
        return sum(count for bucket, count in self._counts.items() if _value(bucket) <= limit_ms)

    def __iter__(self) -> Iterator[tuple[float, int]]:
        """Yield (milliseconds, count) of the buckets that hold any, from the smallest."""
        for bucket, count in sorted(self._counts.items()):
            yield _value(bucket), count

    def as_dict(self) -> dict[str, int]:
        """Return the counts by bucket, for JSON."""
        return {str(bucket): count for bucket, count in sorted(self._counts.items())}

    @classmethod
    def from_dict(cls, counts: Mapping[str, int], max_ms: float) -> Self:
        """Return what `as_dict` wrote."""
        made = cls()
        made._counts.update({int(bucket): count for bucket, count in counts.items()})
        made.num, made.max_ms = made._counts.total(), max_ms
        return made


def _value(bucket: int) -> float:
    return float(_GROWTH**bucket * _MIDDLE)
