"""Every quantile is within the promised error of the exact one, and merging is counting together."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.load.histogram import LEAST_MS, RELATIVE_ERROR, Histogram

latencies = st.lists(st.floats(LEAST_MS, 1e7), min_size=1, max_size=200)
shares = st.floats(0.001, 1.0)


def exact(values: list[float], q: float) -> float:
    return sorted(values)[max(1, math.ceil(q * len(values) - 1e-9)) - 1]


@given(latencies, shares)
def test_a_quantile_is_within_the_error(values, q):
    assert Histogram.of(values).quantile(q) == pytest.approx(exact(values, q), rel=RELATIVE_ERROR * 1.001)


@given(latencies, latencies, shares)
def test_merging_is_counting_together(first, second, q):
    merged = Histogram.of(first)
    merged.merge(Histogram.of(second))
    together = Histogram.of(first + second)
    assert merged.quantile(q) == together.quantile(q)
    assert merged.as_dict() == together.as_dict()


@given(latencies)
def test_quantiles_rise_and_end_at_the_exact_maximum(values):
    histogram = Histogram.of(values)
    quantiles = [histogram.quantile(q) for q in (0.01, 0.5, 0.9, 0.99, 0.999, 1.0)]
    assert quantiles == sorted(quantiles)
    assert quantiles[-1] == max(values)


@given(latencies, st.integers(0, 100), shares)
def test_what_never_came_lies_above_everything(values, missing, q):
    found = Histogram.of(values).quantile(q, out_of=len(values) + missing)
    expected = exact(values + [math.inf] * missing, q)
    assert found == pytest.approx(expected, rel=RELATIVE_ERROR * 1.001)


@given(latencies)
def test_json_and_back_changes_nothing(values):
    histogram = Histogram.of(values)
    again = Histogram.from_dict(histogram.as_dict(), histogram.max_ms)
    assert list(again) == list(histogram)
    assert [again.quantile(q) for q in (0.5, 0.99, 1)] == [histogram.quantile(q) for q in (0.5, 0.99, 1)]


@given(latencies, st.floats(LEAST_MS, 1e7))
def test_what_is_within_a_limit_is_counted_but_for_the_error(values, limit_ms):
    found = Histogram.of(values).num_within(limit_ms)
    assert sum(value * (1 + RELATIVE_ERROR) <= limit_ms for value in values) <= found
    assert found <= sum(value * (1 - RELATIVE_ERROR) <= limit_ms * 1.001 for value in values)


def test_no_values_have_no_quantile():
    assert math.isnan(Histogram().quantile(0.5))
    assert Histogram().quantile(0.5, out_of=3) == math.inf
