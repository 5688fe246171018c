"""Unit costs out of a load report."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from load.test_requirement import run_of
from shortlist.load.report import FORMAT, Machine, Report, Run
from shortlist.plan.costs import ASSUMED, measured_by
from shortlist.plan.figure import PlanError


def report_of(*runs: Run, **catalogue: int) -> Report:
    machine = Machine(cores=2, memory_bytes=1, system="s", python="3", is_shared=True)
    named = {name.replace("_", " "): count for name, count in catalogue.items()}
    return Report(
        format=FORMAT, made_at=datetime.now(UTC), surface="home", release="r" * 64, slo_p99_ms=50,
        machine=machine, catalogue=named, index={}, runs=list(runs), found_rps=None, sought=[], verdicts=[],
    )  # fmt: skip


def costing(run: Run, **changed) -> Run:
    server = msgspec.structs.replace(run.server, **changed)
    return msgspec.structs.replace(run, server=server)


def test_what_was_measured_replaces_what_was_assumed():
    alone = costing(run_of([4.0] * 100), cpu_s=0.3, num_logged=2000, resident_bytes=5e8, state_bytes=1e8)
    beside = costing(
        msgspec.structs.replace(run_of([6.0] * 100), events_per_request=2.0), cpu_s=0.4, num_events=200
    )
    costs = measured_by(report_of(alone, beside, items=1000, bytes_of_the_release=10**8))
    assert costs.request_cpu_ms.value == pytest.approx(3.0)
    assert costs.event_cpu_ms.value == pytest.approx(0.5)
    assert costs.floor_p99_ms.value == pytest.approx(4.0, rel=0.01)
    assert costs.records_per_request.value == 20
    assert costs.process_mb.value == pytest.approx(300)
    assert costs.item_release_bytes.value == 1e5
    assert costs.request_cpu_ms.origin == "measured"
    assert "rrrrrrrrrrrr" in costs.request_cpu_ms.why
    assert costs.training_bytes == ASSUMED.training_bytes


def test_a_request_costs_what_it_does_before_the_server_does_less_for_it():
    idle = msgspec.structs.replace(costing(run_of([4.0] * 10), cpu_s=0.9), rate_rps=10.0)
    busy = costing(run_of([6.0] * 10), cpu_s=0.5)
    shrunk = msgspec.structs.replace(costing(run_of([90.0] * 10, degraded=2), cpu_s=0.1), rate_rps=900.0)
    costs = measured_by(report_of(shrunk, idle, busy))
    assert costs.request_cpu_ms.value == pytest.approx(5.0)
    assert costs.floor_p99_ms.value == pytest.approx(4.0, rel=0.01)


def test_a_server_that_tells_nothing_leaves_the_assumptions():
    silent = costing(run_of([4.0] * 10), cpu_s=None, resident_bytes=None, num_logged=None)
    costs = measured_by(report_of(silent))
    assert costs.request_cpu_ms == ASSUMED.request_cpu_ms
    assert costs.process_mb == ASSUMED.process_mb


def test_a_report_without_answers_is_refused():
    with pytest.raises(PlanError, match="a run with answers"):
        measured_by(report_of(run_of([], refused=3)))
