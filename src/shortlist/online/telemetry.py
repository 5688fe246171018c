"""What the server tells Prometheus: a registry of its own, no user in any label.

Where several processes serve, each measures itself, and whichever is asked tells the measurements of all,
with the label `worker`: a worker that starts again begins its counters anew, as Prometheus expects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector

from shortlist.pipeline.answer import Answer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5)
_MILLISECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0)

Family = tuple[str, str, str, list[tuple[str, dict[str, str], float]]]
"""A metric's name, documentation, type, and samples: name, labels, value."""


class Telemetry:
    """Every counter, histogram and gauge of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        registry = self.registry
        requests = Counter("shortlist_requests", "Requests answered.", ["route", "status"], registry=registry)
        latency_s = Histogram(
            "shortlist_request_seconds", "Time from the whole request to the answer.", ["route"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        stage_ms = Histogram(
            "shortlist_stage_milliseconds", "Time of one stage of a funnel.", ["surface", "stage"],
            buckets=_MILLISECONDS, registry=registry,
        )  # fmt: skip
        # Finding a label's child takes longer than counting.
        self._requests, self._latency_s = cache(requests.labels), cache(latency_s.labels)
        self._stage_ms = cache(stage_ms.labels)
        self.events = Counter(
            "shortlist_events", "Records offered to the log.", ["kind", "result"], registry=registry
        )
        self.impressions = Counter(
            "shortlist_impressions", "Served slots: was the evidence logged?", ["surface", "result"],
            registry=registry,
        )  # fmt: skip
        self.degraded = Counter(
            "shortlist_degraded", "Answers in which a stage was late or broken.", ["surface", "stage"],
            registry=registry,
        )  # fmt: skip
        self.swaps = Counter(
            "shortlist_release_loads", "Releases that were loaded, or refused.", ["result"], registry=registry
        )
        self.release = Gauge(
            "shortlist_release_info", "1 for the release that serves.", ["release"], registry=registry
        )
        self._width_share = Gauge(
            "shortlist_width_share", "How much of the funnels' width there is time for.", registry=registry
        )
        self._num_waiting = Gauge(
            "shortlist_requests_waiting", "Requests that wait for their turn.", registry=registry
        )
        self._last_seq = Gauge(
            "shortlist_log_last_seq", "Position of the newest record folded.", registry=registry
        )
        self._state_bytes = Gauge("shortlist_state_bytes", "Bytes of the online features.", registry=registry)

    def watch_state(self, last_seq: Callable[[], float], num_bytes: Callable[[], float]) -> None:
        """Read these when the metrics are asked for."""
        self._last_seq.set_function(last_seq)
        self._state_bytes.set_function(num_bytes)

    def watch_admission(self, width_share: Callable[[], float], num_waiting: Callable[[], float]) -> None:
        """Read these when the metrics are asked for."""
        self._width_share.set_function(width_share)
        self._num_waiting.set_function(num_waiting)

    def request(self, route: str, status: int) -> None:
        """Count a request, when its answer is ready."""
        self._requests(route, status).inc()

    def sent(self, route: str, elapsed_s: float) -> None:
        """Note how long a request took, when its answer is sent."""
        self._latency_s(route).observe(elapsed_s)

    def answered(self, surface: str, answer: Answer) -> None:
        """Note what each stage of an answer took, and what was degraded."""
        for stage in answer.trace.stages:
            self._stage_ms(surface, stage.stage).observe(stage.elapsed_ms)
        for reason in answer.degraded:
            self.degraded.labels(surface, reason.partition(":")[0]).inc()

    def serves(self, release: str) -> None:
        """Note which release serves from now on."""
        self.release.clear()
        self.release.labels(release).set(1)
        self.swaps.labels("loaded").inc()

    async def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)


def families(registry: CollectorRegistry) -> list[Family]:
    """Return what a registry measures now, as plain values."""
    return [
        (
            metric.name,
            metric.documentation,
            metric.type,
            [(sample.name, dict(sample.labels), sample.value) for sample in metric.samples],
        )
        for metric in registry.collect()
    ]


def text_of(workers: Mapping[str, Sequence[Family]]) -> bytes:
    """Return the measurements of several processes, by the value of the label `worker`, as one text."""
    return generate_latest(_Merged(workers))


class _Merged(CollectorRegistry):
    """A registry of measurements that were taken elsewhere."""

    def __init__(self, workers: Mapping[str, Sequence[Family]]) -> None:
        super().__init__()
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        merged: dict[str, Metric] = {}
        for worker, measured in self._workers.items():
            for name, documentation, type_, samples in measured:
                metric = merged.setdefault(name, Metric(name, documentation, type_))
                for sample, labels, value in samples:
                    metric.add_sample(sample, {"worker": worker, **labels}, value)
        yield from merged.values()
