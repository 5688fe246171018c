"""`shortlist plan` from a proof of the release and the project's own log."""

from __future__ import annotations

import json

import msgspec

from cli.tiny import shortlist as run
from load.test_requirement import run_of
from plan.test_costs import report_of
from shortlist.cli.measured import state_bytes
from shortlist.cli.project import Project
from shortlist.features.online import OnlineState


def test_a_plan_says_where_every_figure_is_from(project):
    registry = Project.load().registry()
    report = msgspec.structs.replace(
        report_of(run_of([4.0] * 10), items=400), found_rps=60.0, sought=["p99=50ms"]
    )
    registry.prove(registry.current(), report.encode())
    said = " ".join(run("plan", "--rps", "2000", "--json", "plan.json").output.split())
    for part in (
        "processor of a request 10 ms measured load report",
        "state of a user", "measured the log in .shortlist", "assumed one interpreter lock",
        "serving", "What breaks first", "Pollaczek-Khinchine", "On paper: this plan needs",
        "found 60 rps with p99=50ms, which keeps one process busy to 60%",
    ):  # fmt: skip
        assert part in said
    made = json.loads((project / "plan.json").read_text())
    assert made["demand"]["users"] == 200
    assert made["plan"]["serving"]["machines"] >= 3
    assert made["costs"]["fold_cpu_us"]["origin"] == "measured"


def test_internet_scale_is_split_and_a_report_may_be_named(project):
    (project / "r.json").write_bytes(report_of(run_of([4.0] * 10), items=400).encode())
    said = run(
        "plan", "--measured", "r.json", "--users", "1e9", "--items", "1e8", "--rps", "100000",
        "--events-per-request", "5", "--p99", "200ms", "--process-cores", "1",
    ).output  # fmt: skip
    assert "index shards" in said
    assert "declared" in said
    assert "requests routed by user" in said
    assert "expected more than" in run("plan", "--measured", "r.json", "--p99", "1ms", status=2).output


def test_the_state_is_parted_into_users_and_items_and_nothing_is_left_out(project):
    loaded = Project.load()
    state = OnlineState(loaded.app)
    with loaded.open_log() as log:
        state.catch_up(log)
    user_bytes, item_bytes = state_bytes(state)
    assert user_bytes > 0
    assert item_bytes > 0
    assert user_bytes + item_bytes > state.num_bytes
