"""Our histograms say what the client library's own would have said."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from shortlist.online.histogram import Histograms

BOUNDS = (0.05, 0.1, 2.5, 250.0)
LABELS = ("surface", "stage")

values = st.sampled_from(BOUNDS) | st.floats(-1.0, 1e9)
labels = st.tuples(st.sampled_from(["home", "plain"]), st.sampled_from(["merge", 'so-called "rank"']))


def lines(registry: CollectorRegistry) -> list[str]:
    """Return the text, without the moments at which the histograms began."""
    text = generate_latest(registry).decode().splitlines()
    assert any(line.startswith("# TYPE took_created gauge") for line in text) == any(
        "_sum{" in line for line in text
    )
    return [line for line in text if not line.startswith("took_created{")]


@given(st.lists(st.tuples(labels, values)))
def test_they_are_exposed_as_the_librarys_own(observed):
    registry, theirs = CollectorRegistry(), CollectorRegistry()
    ours = Histograms("took", "How long.", LABELS, BOUNDS, registry)
    oracle = Histogram("took", "How long.", LABELS, buckets=BOUNDS, registry=theirs)
    for named, value in observed:
        ours.labels(*named).observe(value)
        oracle.labels(*named).observe(value)
    assert lines(registry) == lines(theirs)


def test_no_value_of_several_threads_is_lost():
    registry = CollectorRegistry()
    ours = Histograms("took", "How long.", LABELS, BOUNDS, registry)

    def observe():
        for _ in range(5000):
            ours.labels("home", "merge").observe(0.5)

    threads = [threading.Thread(target=observe) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    named = {"surface": "home", "stage": "merge"}
    assert registry.get_sample_value("took_count", named) == 20_000
    assert registry.get_sample_value("took_sum", named) == 10_000
    assert registry.get_sample_value("took_bucket", {**named, "le": "0.1"}) == 0
    assert registry.get_sample_value("took_bucket", {**named, "le": "2.5"}) == 20_000
