"""The life of a server: starting, answering nothing it cannot, restarting, ending in order."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from online.product import publish, recommend, running, send, watch, write_past
from online.test_hot_swap import wait_until
from online.test_ingest import problem_of
from shortlist.features.online import OnlineState
from shortlist.log.errors import LogLocked
from shortlist.log.sqlite import SqliteLog
from shortlist.online.items import Items
from shortlist.online.server import Server
from shortlist.releases import Registry

TESTS = Path(__file__).resolve().parents[1]


def test_before_it_is_ready_it_says_what_is_missing(app, data):
    gate = threading.Event()
    server = Server(app, data, port=0, progress=lambda done, total: gate.wait())
    thread = threading.Thread(target=server.run)
    thread.start()
    with httpx.Client(base_url=server.url, timeout=60) as client:
        wait_until(lambda: "records are folded" in client.get("/readyz").json()["reasons"][0])
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        for answer in (
            client.post("/v1/events", json=watch("u1", "v1")),
            client.post("/v1/surfaces/home/recommend", json={"user": "u1"}),
            client.get("/v1/items/v1"),
        ):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert problem_of(answer)["type"] == "urn:shortlist:problem:not-ready"
        gate.set()
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert client.get("/readyz").json()["reasons"] == []
    server.stop()
    thread.join()


def test_stopping_does_not_wait_for_the_log_to_be_read(app, data):
    at_work = threading.Event()

    def progress(done, total):
        at_work.set()
        wait_until(lambda: server.service._stop.is_set())

    server = Server(app, data, port=0, progress=progress)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert at_work.wait(30)
    server.stop()
    thread.join(30)
    assert not thread.is_alive()
    SqliteLog(data / "log").close()


def test_without_a_release_it_takes_events_and_waits_for_one(app, tmp_path, monkeypatch):
    monkeypatch.setattr("shortlist.online.service.POLL_S", 0.02)
    write_past(tmp_path, app)
    release = publish(tmp_path, app)
    with running(app, tmp_path) as client:
        assert send(client, watch("u1", "v1"))[0]["status"] == "accepted"
        answer = client.post("/v1/surfaces/home/recommend", json={"user": "u1"})
        assert answer.status_code == 503
        assert "shortlist train" in problem_of(answer)["detail"]
        assert client.get("/readyz").status_code == 503
        Registry(tmp_path / "releases").promote(release)
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert recommend(client, "u1")["release"] == release


def test_a_restart_is_a_snapshot_and_the_rest_of_the_log(app, data, monkeypatch):
    monkeypatch.setattr("shortlist.online.snapshots.AFTER_RECORDS", 2)
    with running(app, data) as client:
        send(client, watch("u1", "v70"), watch("u1", "v71"))
        before = client.get("/v1/users/u1").json()
    told = []
    with running(app, data, progress=lambda *done: told.append(done)) as client:
        assert told == [], "the snapshot of the end holds all of the log"
        send(client, watch("u1", "v72"))
    with running(app, data, progress=lambda *done: told.append(done)) as client:
        assert len(told) == 1, "one record is less than a snapshot is worth"
        after = client.get("/v1/users/u1").json()
        assert after["attributes"] == before["attributes"]
        for name, items in after["history"].items():
            assert items == ["v72", *before["history"][name]][: len(items)]
    (data / "state" / "state.npz").write_bytes(b"damaged")
    with running(app, data) as client:
        assert client.get("/v1/users/u1").json() == after


def test_a_snapshot_is_taken_while_it_runs(app, data, monkeypatch):
    """After kill -9 the log is read from there on."""
    monkeypatch.setattr("shortlist.online.service.POLL_S", 0.02)
    monkeypatch.setattr("shortlist.online.service._TIDY_S", 0.1)
    monkeypatch.setattr("shortlist.online.snapshots.AFTER_RECORDS", 2)
    with running(app, data) as client:
        (_, last) = send(client, watch("u1", "v70"), watch("u1", "v71"))
        wait_until(lambda: OnlineState.restore(app, data / "state").last_seq == last["seq"])
        assert client.get("/readyz").status_code == 200


def test_a_second_server_on_the_same_log_is_told_so(app, data):
    with running(app, data):
        other = Server(app, data, port=0)
        with pytest.raises(LogLocked):
            other.run()


def test_a_failure_is_told_without_its_inside(app, data, monkeypatch, caplog):
    async def fail(self, request):
        raise RuntimeError("a secret")

    monkeypatch.setattr(Items, "get_item", fail)
    with running(app, data) as client, caplog.at_level(logging.ERROR):
        answer = client.get("/v1/items/v1")
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert problem_of(answer)["request_id"] in caplog.text
        assert recommend(client, "u1")


def test_a_state_that_missed_a_record_answers_no_more(app, data, monkeypatch):
    def fail(batch):
        raise RuntimeError("a bug")

    with running(app, data) as client:
        monkeypatch.setattr(client.server.service.opened.state, "apply", fail)
        client.post("/v1/events", json=watch("u1", "v1"))
        answer = client.post("/v1/surfaces/home/recommend", json={"user": "u1"})
        assert answer.status_code == 503
        assert "state is broken" in client.get("/readyz").json()["reasons"][0]


def test_a_connection_may_be_idle_for_a_while(app, data):
    with running(app, data) as client:
        host, port = client.base_url.host, client.base_url.port
        connection = HTTPConnection(host, port)
        for pause_s in (0.0, 6.0):  # five seconds are usual for servers, and too short for their clients
            time.sleep(pause_s)
            connection.request("GET", "/healthz")
            before = connection.sock
            assert connection.getresponse().read()
            assert connection.sock is before
        connection.close()


def test_more_than_it_can_do_is_refused_at_once(app, data, monkeypatch):
    monkeypatch.setattr("shortlist.online.admission.MAX_INSIDE", 0)
    monkeypatch.setattr("shortlist.online.admission.MAX_WAITING", 0)
    with running(app, data) as client:
        answer = client.post("/v1/surfaces/home/recommend", json={"user": "u1"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert problem_of(answer)["type"] == "urn:shortlist:problem:overloaded"


def test_records_beyond_what_it_can_hold_are_refused_unread(app, data, monkeypatch):
    monkeypatch.setattr("shortlist.online.ingest.MAX_UNDER_WAY", 1)
    with running(app, data) as client:
        log = client.server.service.opened.log
        held, is_held, submit = threading.Event(), threading.Event(), log.submit_encoded

        def hold(events):
            is_held.set()
            assert held.wait(30)
            return submit(events)

        monkeypatch.setattr(log, "submit_encoded", hold)
        first = []
        batch = {"events": [watch("u1", "v1") for _ in range(60)]}  # so many are checked beside the loop
        thread = threading.Thread(target=lambda: first.append(client.post("/v1/events", json=batch)))
        thread.start()
        assert is_held.wait(30)
        for method, path in (("POST", "/v1/events"), ("PUT", "/v1/items"), ("PUT", "/v1/users")):
            answer = client.request(method, path, content=b"neither JSON nor said to be")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert problem_of(answer)["type"] == "urn:shortlist:problem:overloaded"
        assert client.get("/healthz").status_code == 200
        held.set()
        thread.join()
        assert first[0].status_code == 200
        assert send(client, watch("u1", "v2"))[0]["status"] == "accepted"


def test_a_signal_ends_it_in_order(app, data):
    program = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "from pathlib import Path; from online.product import declare\n"
        "from shortlist.online import server, snapshots\n"
        "snapshots.AFTER_RECORDS = 1\n"
        f"server.serve(declare(), Path({str(data)!r}), port=0, ready=lambda url: print(url, flush=True))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    url = process.stdout.readline().strip()
    (kept,) = httpx.post(f"{url}/v1/events", json=watch("u1", "v1"), timeout=30).json()["results"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) in (0, -signal.SIGTERM)
    process.stdout.close()
    assert OnlineState.restore(app, data / "state").last_seq == kept["seq"]
    with SqliteLog(data / "log") as log:
        assert log.last_seq == kept["seq"]
