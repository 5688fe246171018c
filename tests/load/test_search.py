"""The search finds a knee that is known, from either side, through noise, and on a real server."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.toy import asking, toy
from shortlist.load.measure import Load, Measure
from shortlist.load.report import read_report
from shortlist.load.requirement import Requirement
from shortlist.load.search import highest_rate
from shortlist.load.session import Asked, run_session


@given(st.floats(1.0, 50_000.0), st.floats(1.0, 5_000.0))
def test_the_knee_is_found_from_wherever_it_starts(knee, start):
    found = highest_rate(lambda rate: rate <= knee, start)
    assert knee / 1.051 <= found <= knee


def test_nothing_holds_and_everything_holds():
    assert highest_rate(lambda rate: False, 100.0) == 0.0
    assert highest_rate(lambda rate: True, 100.0, most_rps=5000.0) == 5000.0


def test_noise_does_not_lead_it_far():
    luck = random.Random(4)

    def holds(rate: float) -> bool:  # a soft knee: surely below 80, surely not above 125
        return luck.random() < 1 / (1 + math.exp((rate - 100) / 4))

    for _ in range(50):
        assert 80 < highest_rate(holds, 10.0) < 120


def test_a_rate_that_was_luck_is_lowered():
    tried = []

    def holds(rate: float) -> bool:  # 100 holds while it is searched for, and never when tried again
        tried.append(rate)
        return tried.count(rate) <= 2 if rate == 100 else rate < 90

    found = highest_rate(holds, 100.0)
    assert 80 < found < 90
    assert tried.count(100.0) > 2


def test_the_knee_of_a_real_server():
    # One worker that takes 10 ms a request: it holds well under 100 requests a second, and never above.
    with toy("""
        busy = asyncio.Lock()
        async def respond(number):
            async with busy:
                await asyncio.sleep(0.01)
            return answered(200, WHOLE)
    """) as address:
        load = Load(duration_s=0.5, warm_up_s=0.1, timeout_s=0.3)
        measure = Measure(address, asking(address), load, slo_p99_ms=100.0)
        limit = Requirement.parse("p90=150ms")
        found = highest_rate(lambda rate: limit.judge(measure(rate)).is_met, 60.0, tolerance=1.1)
    assert 5 < found < 130
    assert max(run.rate_rps for run in measure.runs) > found


def test_a_session_is_a_report_and_reads_back(tmp_path):
    with toy("async def respond(number): return answered(200, WHOLE)") as address:
        limits = (Requirement.parse("p50=1s@80rps"), Requirement.parse("errors=0%"))
        load = Load(duration_s=0.5, warm_up_s=0.1)
        report = run_session(address, "home", 50.0, asking(address), load, Asked(40.0, limits))
    assert [run.rate_rps for run in report.runs] == [40.0, 80.0]
    assert [(one.requirement, one.is_met) for one in report.verdicts] == [
        ("p50=1s@80rps", True), ("errors=0%", True), ("errors=0%", True)
    ]  # fmt: skip
    assert report.release == "r" * 64
    assert report.runs[0].server.cpu_s >= 0
    path = tmp_path / "report.json"
    path.write_bytes(report.encode())
    assert read_report(path) == report


def test_a_report_that_is_none_is_refused(tmp_path):
    from shortlist.load.errors import LoadError

    path = tmp_path / "report.json"
    path.write_text('{"format": 1}')
    with pytest.raises(LoadError, match="expected a load report"):
        read_report(path)
    with pytest.raises(LoadError, match="No such file"):
        read_report(tmp_path / "absent.json")
