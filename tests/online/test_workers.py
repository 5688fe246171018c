"""Several processes serve one product: real ones, that are stopped and killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from online.product import recommend, send, watch, write_past
from online.test_hot_swap import releases, wait_until
from shortlist.features.online import OnlineState
from shortlist.log.sqlite import SqliteLog
from shortlist.online.supervisor import Supervisor, WorkersFailed

TESTS = Path(__file__).resolve().parents[1]
NUM_WORKERS = 2
WORKER = f"""
import sys; sys.path.insert(0, {str(TESTS)!r})
from pathlib import Path
from online.product import declare
from shortlist.online import service, snapshots
from shortlist.online.worker import work
service.POLL_S, snapshots.AFTER_RECORDS = 0.02, 1
work(declare(), Path(sys.argv[1]), sys.argv[2])
"""
SUPERVISOR = f"""
import sys; sys.path.insert(0, {str(TESTS)!r})
from pathlib import Path
from online.product import declare
from online.test_workers import NUM_WORKERS, command
from shortlist.online.supervisor import Supervisor
data = Path(sys.argv[1])
def ready(url):
    print(url, *supervisor.pids, flush=True)
supervisor = Supervisor(declare(), data, command(data), NUM_WORKERS, port=0, ready=ready)
supervisor.run()
"""


def command(data: Path) -> list[str]:
    return [sys.executable, "-c", WORKER, str(data)]


@contextmanager
def supervised(app, data, num_workers=NUM_WORKERS) -> Iterator[Supervisor]:
    """Run a supervisor in a thread of this process, and its workers."""
    is_ready = threading.Event()
    supervisor = Supervisor(app, data, command(data), num_workers, port=0, ready=lambda url: is_ready.set())
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        assert is_ready.wait(60), "the workers are not ready after a minute"
        yield supervisor
    finally:
        supervisor.stop()
        thread.join()


@pytest.fixture(scope="module")
def served(app, trained, tmp_path_factory) -> Iterator[tuple[Supervisor, Path]]:
    data = Path(shutil.copytree(trained, tmp_path_factory.mktemp("shared") / "data"))
    with supervised(app, data) as supervisor:
        yield supervisor, data


@contextmanager
def connections(supervisor: Supervisor) -> Iterator[list[httpx.Client]]:
    """Give two connections to each worker."""
    # The supervisor hears of connections that have ended now and then; until it has, it counts them.
    wait_until(lambda: not any(worker.num_connections for worker in supervisor._workers.values()))
    with ExitStack() as stack:
        clients = [
            stack.enter_context(httpx.Client(base_url=supervisor.url, timeout=60))
            for _ in range(2 * NUM_WORKERS)
        ]
        before = answered(clients[0])
        for client in clients:
            for _ in range(5):
                client.get("/healthz")
        after = answered(clients[0])
        counts = {worker: after[worker] - before.get(worker, 0) for worker in after}
        assert counts == dict.fromkeys(map(str, range(NUM_WORKERS)), 10), "connections are spread evenly"
        yield clients


def samples(client: httpx.Client, name: str) -> list[tuple[str, float]]:
    """The labels, as they are written, and the values of a metric."""
    lines = client.get("/metrics").text.splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith(f"{name}{{")]
    return [(labels, float(value)) for labels, _, value in found]


def answered(client: httpx.Client) -> dict[str, float]:
    """How often each worker said that it is alive."""
    counts = samples(client, "shortlist_requests_total")
    return {
        labels.partition('worker="')[2].partition('"')[0]: value
        for labels, value in counts
        if "healthz" in labels
    }


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()


def test_whichever_is_asked_next_knows_what_was_sent(served):
    with connections(served[0]) as clients:
        for number in range(12):
            user, item = f"writer{number}", f"v{number}"
            (kept,) = send(clients[number % len(clients)], watch(user, item, 40.0))
            for client in clients:
                seen = client.get(f"/v1/users/{user}").json()["history"]
                assert all(items == [item] for items in seen.values())
                assert item not in [slot["item"] for slot in recommend(client, user)["items"]]
                assert client.get("/readyz").json()["last_seq"] >= kept["seq"]


def test_what_was_shown_is_in_every_feature_soon(served):
    supervisor, data = served
    with connections(supervisor) as clients:
        shown = recommend(clients[0], "looker")["items"]
        (kept,) = send(clients[0], watch("looker", shown[0]["item"]))
        for client in clients:
            assert client.get("/readyz").json()["last_seq"] >= kept["seq"]
        with SqliteLog(data / "log", read_only=True) as log:
            records = log.read(after_seq=kept["seq"] - 1 - len(shown), limit=len(shown) + 1)
        assert [one.kind for one in records] == ["impression"] * len(shown) + ["watch"]
        assert {one.fields["user"] for one in records} == {"looker"}


def test_the_measurements_are_those_of_all(served):
    with connections(served[0]) as clients:

        def num_accepted():
            return sum(
                value
                for labels, value in samples(clients[0], "shortlist_events_total")
                if 'kind="watch"' in labels and "accepted" in labels
            )

        before = num_accepted()
        for number in range(8):
            send(clients[number % len(clients)], watch("counted", "v1"))
        assert num_accepted() == before + 8
        workers = {labels for labels, _ in samples(clients[0], "process_resident_memory_bytes")}
        assert len(workers) == NUM_WORKERS + 1, "the keeper's too"


def test_no_request_fails_while_releases_change(served):
    supervisor, data = served
    registry, first, second = releases(data)
    answers, stop = [], threading.Event()

    def hammer(client, user):
        while not stop.is_set():
            answers.append(client.post("/v1/surfaces/home/recommend", json={"user": user, "preview": True}))

    with connections(supervisor) as clients:
        threads = [threading.Thread(target=hammer, args=(one, f"u{n}")) for n, one in enumerate(clients[:2])]
        for thread in threads:
            thread.start()
        for number in range(6):
            expected = (second, first)[number % 2]
            assert (registry.rollback() if number % 2 else registry.promote(second)) == expected
            for client in clients[2:]:
                wait_until(lambda ready=client, id=expected: ready.get("/readyz").json()["release"] == id)
        stop.set()
        for thread in threads:
            thread.join()
    assert {answer.status_code for answer in answers} == {200}
    bodies = [answer.json() for answer in answers]
    assert {body["release"] for body in bodies} == {first, second}
    assert all(len(body["items"]) == 10 and not body["degraded"] for body in bodies)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_ends_or_hangs_is_replaced_and_no_accepted_event_is_lost(served, how, monkeypatch):
    monkeypatch.setattr("shortlist.online.supervisor.PATIENCE_S", 1.0)
    supervisor, data = served
    victim = supervisor.pids[1]
    accepted, stop = {}, threading.Event()

    def produce(number):
        """Send an event over and over until it is accepted; its id makes that harmless."""
        sent = 0
        while not stop.is_set():
            id_ = f"{how.name}-{number}-{sent}"
            with httpx.Client(base_url=supervisor.url, timeout=20) as client:
                try:
                    answer = client.post("/v1/events", json=watch("u1", "v1", id=id_))
                except httpx.TransportError:
                    continue
            if answer.status_code == 200:
                accepted[id_] = answer.json()["results"][0]["seq"]
                sent += 1

    threads = [threading.Thread(target=produce, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(accepted) > 20)
    os.kill(victim, how)
    wait_until(lambda: is_gone(victim))
    monkeypatch.undo()  # a second is little for a sound worker of a busy machine
    before = len(accepted)
    wait_until(lambda: len(accepted) > before + 20)
    wait_until(
        lambda: (
            victim not in supervisor.pids
            and [w.is_ready for w in supervisor._workers.values()] == [True] * NUM_WORKERS
        )
    )
    stop.set()
    for thread in threads:
        thread.join()
    with SqliteLog(data / "log", read_only=True) as log:
        kept = [(one.id, one.seq) for one in log.read(limit=10**6) if (one.id or "").startswith(how.name)]
    assert len(dict(kept)) == len(kept)
    assert accepted.items() <= dict(kept).items()
    with connections(supervisor) as clients:
        histories = [client.get("/v1/users/u1").json()["history"] for client in clients]
        assert all(history == histories[0] for history in histories)
        (restarts,) = samples(clients[0], "shortlist_worker_restarts_total")
        assert restarts[1] >= 1


def test_it_ends_in_order(app, data):
    with supervised(app, data) as supervisor, connections(supervisor) as clients:
        pids = supervisor.pids
        answers = []

        def ask(client):
            with suppress(httpx.TransportError):
                while True:
                    answers.append(client.post("/v1/events", json=watch("u1", "v1")))

        threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answers) > 20)
        supervisor.stop()
        for thread in threads:
            thread.join()
    assert all(is_gone(pid) for pid in pids)
    seqs = [one["seq"] for answer in answers if answer.status_code == 200 for one in answer.json()["results"]]
    assert len(seqs) > 20
    assert {answer.status_code for answer in answers} <= {200, 503}
    with SqliteLog(data / "log") as log:
        assert log.last_seq >= max(seqs)
        assert OnlineState.restore(app, data / "state").last_seq == log.last_seq


def test_no_process_outlives_the_supervisor(data):
    program = [sys.executable, "-c", SUPERVISOR, str(data)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        url, *pids = process.stdout.readline().split()
        assert httpx.post(f"{url}/v1/events", json=watch("u1", "v1"), timeout=30).status_code == 200
        process.kill()
        wait_until(lambda: all(is_gone(int(pid)) for pid in pids))
    SqliteLog(data / "log").close()


def test_when_no_worker_can_start_that_is_said(app, data):
    supervisor = Supervisor(app, data, [sys.executable, "-c", "raise SystemExit(7)"], 1, port=0)
    with pytest.raises(WorkersFailed, match="status 7"):
        supervisor.run()


def test_before_they_are_ready_they_say_what_is_missing(app, tmp_path):
    write_past(tmp_path, app)
    with (
        supervised(app, tmp_path, 1) as supervisor,
        httpx.Client(base_url=supervisor.url, timeout=60) as client,
    ):
        assert "shortlist train" in supervisor.reasons()[0]
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        assert send(client, watch("u1", "v1"))[0]["status"] == "accepted"


def test_a_burst_beyond_what_the_workers_take_waits_and_is_answered(app, data):
    """A worker's door holds some hundred connections: the others must not be closed unanswered."""
    asked = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
    with supervised(app, data) as supervisor, ExitStack() as stack:
        address = ("127.0.0.1", httpx.URL(supervisor.url).port)
        for pid in supervisor.pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            clients = [stack.enter_context(socket.create_connection(address, 30)) for _ in range(900)]
            for client in clients:
                client.sendall(asked)
            time.sleep(0.5)  # until the doors are full
        finally:
            for pid in supervisor.pids:
                os.kill(pid, signal.SIGCONT)
        assert {client.recv(15) for client in clients} == {b"HTTP/1.1 200 OK"}


def test_a_worker_that_cannot_be_started_is_tried_again(app, data, monkeypatch, caplog):
    spawn, refusals = subprocess.Popen, iter([OSError(11, "no process to give")])

    def sometimes(*given, **named):
        for refusal in refusals:
            raise refusal
        return spawn(*given, **named)

    with supervised(app, data) as supervisor, httpx.Client(base_url=supervisor.url, timeout=60) as client:
        monkeypatch.setattr("shortlist.online.worker_process.subprocess.Popen", sometimes)
        lost = supervisor.pids[0]
        os.kill(lost, signal.SIGKILL)
        wait_until(lambda: len(supervisor.pids) == NUM_WORKERS and lost not in supervisor.pids)
        assert "no process to give" in caplog.text
        wait_until(lambda: not supervisor.reasons())
        assert client.get("/healthz").status_code == 200
