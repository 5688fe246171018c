"""Histograms for Prometheus that a thread observes a dozen times a request: a search, two additions, a lock.

The client library's own walk the buckets in Python and take a lock for each number they change.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Histogram:
    """What was observed under one set of labels.

    Args:
        bounds: B upper bounds of buckets, ascending.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._lock = threading.Lock()
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self.created_s = time.time()
        """When it began, a Unix time."""

    def observe(self, value: float) -> None:
        """Count a value, in the first bucket whose bound it does not exceed."""
        bucket = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[bucket] += 1
            self._sum += value

    def read(self) -> tuple[list[int], float]:
        """Return how many values each bound, and infinity, is not exceeded by, and the sum of all."""
        with self._lock:
            return list(accumulate(self._counts)), self._sum


class Histograms(Collector):
    """One metric: a histogram for each set of labels.

    Args:
        name: of the metric.
        documentation: what it measures, in a sentence.
        label_names: what its histograms are told apart by.
        bounds: upper bounds of buckets, ascending.
        registry: where it is collected.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        label_names: Sequence[str],
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._documentation = name, documentation
        self._label_names, self._bounds = label_names, bounds
        self._les = [*map(str, map(float, bounds)), "+Inf"]
        self._histograms: dict[tuple[str, ...], Histogram] = {}
        registry.register(self)

    def labels(self, *values: str) -> Histogram:
        """Return the histogram of some labels, the same each time."""
        found = self._histograms.get(values)
        # One of two threads that come first at once makes it: setdefault is atomic.
        return found or self._histograms.setdefault(values, Histogram(self._bounds))

    def describe(self) -> Iterator[Metric]:
        """Name the metric, for a registry that refuses two of one name."""
        yield Metric(self._name, self._documentation, "histogram")

    def collect(self) -> Iterator[Metric]:
        """Return all that was observed, as Prometheus wants it."""
        (metric,) = self.describe()
        for values, histogram in list(self._histograms.items()):
            labels = dict(zip(self._label_names, values, strict=True))
            counts, total = histogram.read()
            for le, count in zip(self._les, counts, strict=True):
                metric.add_sample(f"{self._name}_bucket", {**labels, "le": le}, count)
            metric.add_sample(f"{self._name}_count", labels, counts[-1])
            metric.add_sample(f"{self._name}_sum", labels, total)
            metric.add_sample(f"{self._name}_created", labels, histogram.created_s)
        yield metric
