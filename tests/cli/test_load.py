"""`shortlist load`, against the project's own server and a running one: figures, gate, search, proof."""

from __future__ import annotations

import json

import pytest

from cli.tiny import shortlist as run
from shortlist.cli.background import BackgroundServer
from shortlist.cli.project import Project
from shortlist.load.report import read_report

QUICK = ("--warm-up", "0.3s", "--for", "1s")


@pytest.fixture
def server(project):
    server = BackgroundServer(Project.load(), 0)
    yield server
    server.stop()


def last_seq() -> int:
    with Project.load().open_log() as log:
        return log.last_seq


def test_a_load_on_a_copy_is_measured_proved_and_leaves_no_evidence(project):
    before, files = last_seq(), sorted(path.name for path in (project / ".shortlist").iterdir())
    said = run("load", "--rate", "30", *QUICK, "--events", "0.5", "--json", "r.json", "--prove").output
    for part in ("start a server on a copy", "30 rps for 1 s", "answered", "events", "up to ms", "goodput"):
        assert part in said
    report = read_report(project / "r.json")
    (driven,) = report.runs
    assert driven.requests.statuses["200"] > 0
    assert driven.events.num > 0
    assert driven.server.num_logged > driven.requests.num, "impressions were logged, in the copy"
    assert driven.server.cpu_s > 0
    assert report.catalogue["items"] == 400
    assert last_seq() == before
    assert sorted(path.name for path in (project / ".shortlist").iterdir()) == files

    current = Project.load().registry().current()
    assert report.release == current
    shown = run("releases", "show", current[:8]).output
    assert "Under load" in shown
    assert "400 items" in shown
    registry = Project.load().registry()
    assert [read_report(path) for path in registry.proofs(current)] == [report]


def test_the_gate_on_a_running_server_passes_and_fails(project, server):
    before = last_seq()
    asked = ["load", "--url", server.url, *QUICK, "--preview", "--unknown", "100%"]
    said = run(*asked, "--require", "p50=20s@20rps", "--require", "errors=90%", "--json", "r.json").output
    assert said.count("met      ") == 2
    assert last_seq() == before, "a preview leaves no evidence"
    said = run(*asked, "--require", "p50=1us@20rps", status=1).output
    assert "p50=1us@20rps is not met: p50 was" in said.replace("\n", " ")
    assert all(one["is_met"] for one in json.loads((project / "r.json").read_text())["verdicts"])


def test_the_search_prints_its_steps_and_its_find(project, server):
    (project / "users.txt").write_text("u00001\nu00002\n\n")
    said = run(
        "load", "--url", server.url, "--find", "--slo", "p50=1us", "--rate", "4", "--warm-up", "0s",
        "--for", "0.2s", "--users", "users.txt", "--preview",
    ).output  # fmt: skip
    assert "Every run, in order" in said
    assert "No rate was found with p50=1us" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--slo", "p99=1ms"], "expected --find beside it"),
        (["--require", "p99=10"], "as in 10ms"),
        (["--surface", "house"], "expected one of home"),
        (["--users", "absent.txt"], "expected a file with an id a line"),
        (["--url", "https://127.0.0.1"], "expected http://host:port"),
        (["--unknown", "120%"], "at most 100%"),
    ],
)
def test_what_cannot_be_driven_is_said(project, arguments, said):
    assert said in " ".join(run("load", *arguments, status=2).output.split())


def test_a_server_that_is_not_there_is_said(project):
    assert "expected a Shortlist server" in run("load", "--url", "http://127.0.0.1:9", status=1).output


def test_without_a_release_nothing_is_started(folder):
    run("init")
    run("world", "--users", "50", "--videos", "200", "--impressions", "500", "--days", "2")
    assert "Train one: shortlist train" in " ".join(run("load", status=2).output.split())


def test_a_project_that_is_served_already_is_not_copied(project, server):
    assert "other writer" in " ".join(run("load", *QUICK, status=2).output.split())


@pytest.mark.parametrize(
    ("verb", "said"),
    [("load", "default: 100"), ("load", "default: one is started"), ("plan", "those of the log")],
)
def test_the_help_says_what_holds_when_nothing_is_given(verb, said):
    assert said in " ".join(run(verb, "--help").output.replace("│", " ").split())
