"""The server's verb, and the demo's proof, against real servers."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
from urllib.request import urlopen

import pytest

from cli.tiny import SHORTLIST
from cli.tiny import shortlist as run
from shortlist.cli.background import BackgroundServer
from shortlist.cli.client import get, post
from shortlist.cli.errors import DemoFailed, UsageError
from shortlist.cli.project import Project
from shortlist.cli.smoke import VISITOR, drive, first_feed


@pytest.fixture
def server(project):
    server = BackgroundServer(Project.load(), 0)
    yield server
    server.stop()


@pytest.mark.parametrize("workers", [1, 2])
def test_serve_prints_its_address_and_ends_in_good_order(project, tmp_path, workers):
    printed, complained = (tmp_path / "out").open("w+"), (tmp_path / "err").open("w+")
    with printed, complained:
        process = subprocess.Popen(
            [*SHORTLIST, "serve", "--port", "0", "--workers", str(workers)],
            cwd=project,
            stdout=printed,
            stderr=complained,
            text=True,
        )
        try:
            said = ""
            for _ in range(600):
                if "Ctrl-C" in (said := (tmp_path / "out").read_text()) or process.poll() is not None:
                    break
                time.sleep(0.1)
            url = said.partition("The page    ")[2].split()[0].rstrip("/")
            with urlopen(f"{url}/", timeout=10) as page:
                assert page.headers["content-type"].startswith("text/html")
                text = page.read().decode()
            assert "u00" in text.partition('"users":[')[2][:6]
            assert '"live":false' in text, "an operator who looks is not shown the feed"
            assert "--json" not in said, "curl has it since 7.82 only"
            sent = json.loads(said.partition("/v1/events ")[2].split("-d '")[1].split("'")[0])
            assert post(f"{url}/v1/events", {**sent, "watch_s": 1.0})["results"][0]["status"] == "accepted"
            assert get(f"{url}/v1/items/{sent['video']}")["attributes"]["title"]
            assert get(f"{url}/readyz")["ready"]
            assert "serves" in run("train").output, "the log may be read while it is served"
            assert "expected no other writer" in run("world", status=2).output
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        complained.seek(0)
        assert complained.read() == ""


def test_a_demo_says_that_its_port_is_taken_before_it_builds_anything(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = run("demo", "--port", taken.getsockname()[1], status=2).output
    assert "expected a free port" in said
    assert "simulate" not in said


def test_our_own_server_is_asked_past_the_machines_proxy(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert get(f"{server.url}/readyz")["ready"]


def test_in_a_demo_the_one_who_looks_is_shown_the_feed(server):
    with urlopen(f"{server.url}/", timeout=10) as page:
        assert '"live":true' in page.read().decode()


def test_a_server_that_died_is_said(server):
    server.check()
    server._failure = OSError("disk gone")
    with pytest.raises(DemoFailed, match="disk gone"):
        server.check()


def test_ctrl_c_while_it_starts_leaves_no_thread(project):
    class Slow(BackgroundServer):
        @property
        def is_running(self):
            raise KeyboardInterrupt  # as the signal would; a job in the background may ignore that

    with pytest.raises(KeyboardInterrupt):
        Slow(Project.load(), 0)
    assert "shortlist-serve" not in {thread.name for thread in threading.enumerate()}


def test_data_before_the_verb_of_releases_is_refused(project, tmp_path):
    said = run("releases", "--data", str(tmp_path), "list", status=2).output
    assert "shortlist releases list --data" in said.replace("\n", " ")


def test_a_taken_port_is_said(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = run("serve", "--port", taken.getsockname()[1], status=2).output
    assert "expected a free port" in said


def test_recommend_asks_a_running_server(server):
    said = run("recommend", "u00003", "--url", server.url, "-k", "5", "--trace").output
    assert "home for u00003" in said
    assert "boosted_trees" in said or "logistic" in said
    problem = run("recommend", "u00003", "--url", server.url, "-k", "500", status=2).output
    assert "422" in problem
    assert "at most 20" in problem


def test_the_smoke_passes_and_leaves_its_evidence(server, capsys):
    drive(server.url)
    assert "smoke: passed" in capsys.readouterr().out
    assert len(get(f"{server.url}/v1/users/{VISITOR}")["history"]["last(watch, by=user, n=50)"]) == 3


def test_the_smoke_fails_where_a_watch_changes_nothing(project):
    path = project / "app.py"
    text = path.read_text()
    text = text.replace("sl.ItemToItem(n=100), ", "").replace("sl.NotSeen(), ", "")
    path.write_text(text)
    run("train")
    server = BackgroundServer(Project.load(), 0)
    try:
        with pytest.raises(DemoFailed, match="what was watched is still in the feed"):
            drive(server.url)
    finally:
        server.stop()


def test_a_server_without_a_release_does_not_start_a_demo(folder):
    run("init")
    run("world", "--users", "50", "--videos", "200", "--impressions", "500", "--days", "2")
    with pytest.raises(DemoFailed, match="Train one"):
        BackgroundServer(Project.load(), 0)


def test_a_first_feed_is_whole(server):
    assert len(first_feed(server.url)["items"]) == 20


def test_problems_of_a_server_are_told(server):
    with pytest.raises(UsageError, match=r"received 422.*Mend its name"):
        post(f"{server.url}/v1/events", {"events": [{"type": "wach"}]})
    with pytest.raises(UsageError, match="received 404"):
        get(f"{server.url}/v1/items/nothing")


def test_the_demo_does_not_build_into_a_used_folder(folder):
    (folder / "mine.txt").write_text("mine\n")
    assert "expected an empty folder" in run("demo", "--folder", ".", status=2).output
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
