"""Kill the server while it ingests, again and again: is an acknowledged event ever lost, or one doubled?

Usage: kill_nine.py [ROUNDS]. Several clients send batches without pause; at a random moment the server
gets SIGKILL; it is started again, and every batch that was not answered is sent once more, as a client
would. In the end the log itself is read. What this does not test is a power cut: the page cache
survives a kill, an fsync is not put to the proof.
"""

from __future__ import annotations

import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

import shortlist as sl
from shortlist.declare.app import App

NUM_CLIENTS = 4
BATCH = 20


def declare() -> App:
    """The smallest product with features to fold."""
    app = sl.App("crash")
    user = app.entity("user")
    item = app.entity("item")
    click = app.event("click", user, item, weight=float)
    app.features(sl.count(click, by=user, window=["1h", "1d"]), sl.last(click, by=user, n=20))
    return app


@dataclass
class Account:
    """What the clients sent, and what they were promised: seq by id."""

    promised: dict[str, int] = field(default_factory=dict)
    open: list[list[dict[str, object]]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def note(self, batch: list[dict[str, object]], results: list[dict[str, object]]) -> None:
        """Take an answer: an id must always stand at the one position it was promised."""
        for event, result in zip(batch, results, strict=True):
            seq = self.promised.setdefault(event["id"], result["seq"])
            if result["seq"] != seq:
                self.broken.append(f"{event['id']} was promised at {seq}, then at {result['seq']}")


class Process:
    """The server in a process of its own."""

    def __init__(self, folder: Path) -> None:
        started_s = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, __file__, "serve", str(folder)], stdout=subprocess.PIPE, text=True
        )
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the server did not start"
        self.ready_s = time.perf_counter() - started_s

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()


def send_until_it_dies(url: str, account: Account, name: str) -> None:
    """Send batches one after the other; keep the last one, which got no answer."""
    number = 0
    with httpx.Client(base_url=url, timeout=30) as client:
        while True:
            batch = [
                {
                    "type": "click",
                    "id": f"{name}-{number}-{n}",
                    "user": f"u{n % 7}",
                    "item": f"i{n}",
                    "weight": n,
                }
                for n in range(BATCH)
            ]
            number += 1
            try:
                answer = client.post("/v1/events", json={"events": batch})
            except httpx.TransportError:
                account.open.append(batch)
                return
            account.note(batch, answer.json()["results"])


def send_again(url: str, account: Account) -> None:
    """Send what got no answer once more, and some of what did."""
    with httpx.Client(base_url=url, timeout=30) as client:
        for batch in account.open:
            account.note(batch, client.post("/v1/events", json={"events": batch}).json()["results"])
        account.open.clear()
        ready = client.get("/readyz").json()
        assert ready["last_seq"] >= max(account.promised.values()), "the state is behind the log"


@dataclass(frozen=True)
class Outcome:
    """What came of all rounds."""

    num_acknowledged: int
    lost: list[str]
    doubled: list[str]
    broken: list[str]
    ready_s: list[float]


def crash(folder: Path, rounds: int) -> Outcome:
    """Run the rounds, then read the log."""
    account, ready_s = Account(), []
    for number in range(rounds):
        server = Process(folder)
        ready_s.append(server.ready_s)
        send_again(server.url, account) if account.promised else None
        clients = [
            threading.Thread(target=send_until_it_dies, args=(server.url, account, f"{number}-{n}"))
            for n in range(NUM_CLIENTS)
        ]
        for client in clients:
            client.start()
        time.sleep(random.uniform(0.1, 0.6))
        server.kill()
        for client in clients:
            client.join()
    server = Process(folder)
    ready_s.append(server.ready_s)
    send_again(server.url, account)
    server.kill()
    return judge(folder, account, ready_s)


def judge(folder: Path, account: Account, ready_s: list[float]) -> Outcome:
    """Compare the log with what was promised."""
    from shortlist.log.sqlite import SqliteLog

    seqs: dict[str, list[int]] = {}
    with SqliteLog(folder / "log", read_only=True) as log:
        after = 0
        while records := log.read(after):
            after = records[-1].seq
            for record in records:
                seqs.setdefault(record.id, []).append(record.seq)
    lost = [id for id, seq in account.promised.items() if seq not in seqs.get(id, [])]
    doubled = [id for id, found in seqs.items() if len(found) > 1]
    return Outcome(len(account.promised), lost, doubled, account.broken, ready_s)


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        from shortlist.online.server import serve

        serve(declare(), Path(sys.argv[2]), port=0, ready=lambda url: print(url, flush=True))
        return
    rounds = int(sys.argv[1]) if sys.argv[1:] else 50
    with tempfile.TemporaryDirectory() as folder:
        outcome = crash(Path(folder), rounds)
    ready_s = sorted(outcome.ready_s)
    print(f"rounds {rounds}, acknowledged events {outcome.num_acknowledged:,}")
    print(f"lost {len(outcome.lost)}, doubled {len(outcome.doubled)}, moved {len(outcome.broken)}")
    print(f"seconds from start to ready: p50 {statistics.median(ready_s):.2f}, max {ready_s[-1]:.2f}")
    sys.exit(bool(outcome.lost or outcome.doubled or outcome.broken))


if __name__ == "__main__":
    main()
