"""Requirements: what is understood, what is refused with a mend, and how a run is judged."""

from __future__ import annotations

import pytest

from shortlist.load.errors import LoadError
from shortlist.load.histogram import Histogram
from shortlist.load.report import Fate, Run, ServerCost, Spread
from shortlist.load.requirement import Requirement
from shortlist.load.session import Asked
from shortlist.load.tally import Tally


def run_of(latencies_ms, refused: int = 0, degraded: int = 0, late_ms: float = 0.01) -> Run:
    tally = Tally()
    for latency_ms in latencies_ms:
        tally.statuses[200] += 1
        tally.answered.add(latency_ms)
    tally.statuses[503] += refused
    tally.degraded = degraded
    cost = ServerCost(
        cpu_s=1.0, num_requests=100, num_events=0, num_logged=0, resident_bytes=1.0, state_bytes=1.0
    )
    return Run(
        rate_rps=200, duration_s=1, warm_up_s=0, arrivals="poisson", events_per_request=0, achieved_rps=200,
        goodput_rps=200, requests=Fate.of(tally), events=Fate.of(Tally()),
        lateness=Spread.of(Histogram.of([late_ms])), generator_cpu_s=0.1, num_waited=0, seconds=[],
        server=cost,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "measure", "limit", "rate_rps"),
    [
        ("p99=10ms@200rps", "p99", 10.0, 200.0),
        ("p50=2.5ms", "p50", 2.5, None),
        ("p99.9=1s@1e3", "p99.9", 1000.0, 1000.0),
        ("max=800us", "max", 0.8, None),
        ("errors=0.1%", "errors", 0.001, None),
        ("degraded=0@50rps", "degraded", 0.0, 50.0),
    ],
)
def test_what_is_understood(text, measure, limit, rate_rps):
    found = Requirement.parse(text)
    assert (found.measure, found.rate_rps) == (measure, rate_rps)
    assert found.limit == pytest.approx(limit)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p99", "expected one of p50.*another form.*As in p99=10ms@200rps"),
        ("p98=10ms", "received the measure 'p98'"),
        ("p99=10", "expected a number with one of the units us, ms.*As in|as in 10ms"),
        ("p99=10rps", "one of the units us, ms"),
        ("p99=0ms", "expected more than 0"),
        ("p99=-1ms", "expected a number"),
        ("p99=10ms@0rps", "expected more than 0"),
        ("p99=10ms@fast", "as in 200rps"),
        ("errors=120%", "at most 100%"),
        ("p99=1e999ms", "expected a number"),
    ],
)
def test_what_is_refused_says_how_to_mend_it(text, said):
    with pytest.raises(LoadError, match=said):
        Requirement.parse(text)


@pytest.mark.parametrize(
    ("text", "is_met"),
    [
        ("p99=10ms", True), ("p99=8ms", False), ("p50=5.1ms", True), ("max=9ms", False),
        ("errors=0%", True), ("degraded=2%", True), ("degraded=1%", False),
    ],
)  # fmt: skip
def test_a_run_is_judged(text, is_met):
    run = run_of([5.0] * 98 + [9.0, 9.5], degraded=2)
    assert Requirement.parse(text).judge(run).is_met is is_met


def test_a_server_does_not_meet_a_p99_by_refusing_the_rest():
    run = run_of([1.0] * 95, refused=5)
    verdict = Requirement.parse("p99=10ms").judge(run)
    assert not verdict.is_met
    assert "5.00% of the requests without an answer of 200" in verdict.found
    assert Requirement.parse("p90=10ms").judge(run).is_met
    assert not Requirement.parse("errors=1%").judge(run).is_met


def test_a_run_without_requests_meets_nothing():
    assert not Requirement.parse("errors=0%").judge(run_of([])).is_met


def test_a_miss_of_a_late_generator_says_so():
    verdict = Requirement.parse("p99=10ms").judge(run_of([20.0] * 10, late_ms=15.0))
    assert "the generator itself was late by 15.00 ms" in verdict.found


def test_rates_come_from_the_requirements_or_are_given():
    gate = tuple(map(Requirement.parse, ("p99=10ms@200rps", "p50=3ms@100rps", "errors=1%")))
    assert Asked(required=gate).rates == (100.0, 200.0)
    assert Asked(rate_rps=50.0, required=gate).rates == (50.0, 100.0, 200.0)
    assert Asked().rates == (100.0,)
    limit = Requirement.parse("p99=10ms")
    assert Asked(sought=(limit,)).rates == ()
    with pytest.raises(LoadError, match="Write errors=1%@200rps"):
        Asked(required=gate[2:], sought=(limit,))
    with pytest.raises(LoadError, match="The rate is what is searched for"):
        Asked(sought=gate[:1])
