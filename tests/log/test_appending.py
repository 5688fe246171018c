"""Many threads, a full queue, a failing disk, several openers."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from log.kinds import KINDS, LIKE, Clock, batch_rows, record_rows
from shortlist.log import Appended, Batch, Event, LogBusy, LogClosed, LogLocked, LogMissing, SqliteLog


def like(user: str, id_: str | None = None) -> Event:
    return Event("like", {"user": user}, id=id_)


def test_threads_share_commits_and_every_receipt_holds(tmp_path: Path) -> None:
    receipts: dict[str, int] = {}
    with SqliteLog(tmp_path, KINDS, seal_after_events=150) as log:

        def produce(thread: int) -> None:
            for i in range(25):
                key = f"{thread}-{i}"
                (receipt,) = log.append([like(key, id_=key)])
                receipts[key] = receipt.seq

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(produce, range(16)))
        assert log.num_commits < 400 / 2, "concurrent appends must share transactions"
    assert sorted(receipts.values()) == list(range(1, 401))
    with SqliteLog(tmp_path) as log:
        assert {r.id: r.seq for r in log.read()} == receipts
        times = [r.log_time_us for r in log.read()]
        assert times == sorted(times)
        assert len(list((tmp_path / "segments").iterdir())) >= 1, "the tail was to be sealed by itself"


def test_the_subscriber_knows_before_the_producer(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, KINDS) as log:
        known: list[Batch] = []
        log.subscribe(known.append)
        for i in range(5):
            log.append([like(f"u{i}"), Event("watch", {"user": f"u{i}"})])
            assert known[-1].last_seq == 2 * i + 2
        assert batch_rows(known) == record_rows(log.read())


def test_a_failing_subscriber_does_not_undo_the_append(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SqliteLog(tmp_path, KINDS) as log:
        known: list[Batch] = []
        log.subscribe(lambda batch: 1 / 0)  # type: ignore[arg-type, return-value]
        log.subscribe(known.append)
        assert log.append([like("u")]) == [Appended(1, duplicate=False)]
        assert len(known) == 1
        assert "a subscriber failed" in caplog.text


def test_a_full_queue_refuses_at_once_and_keeps_what_it_took(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, KINDS, max_pending_events=4) as log:
        held, entered = threading.Event(), threading.Event()

        def hold(_: Batch) -> None:
            entered.set()
            held.wait(10)

        log.subscribe(hold)
        futures: list[Future[list[Appended]]] = [log.submit([like("first")])]
        assert entered.wait(10)
        futures += [log.submit([like("a"), like("b")]), log.submit([like("c"), like("d")])]
        with pytest.raises(LogBusy, match="4 events wait"):
            log.submit([like("e")])
        cancelled = futures.pop()
        assert cancelled.cancel()
        held.set()
        assert [r.seq for future in futures for r in future.result()] == [1, 2, 3]
        log.append([like("e")])
        assert [r.fields["user"] for r in log.read()] == ["first", "a", "b", "e"]


def test_log_time_never_falls_when_the_clock_does(tmp_path: Path) -> None:
    clock = Clock()
    with SqliteLog(tmp_path, KINDS, clock) as log:
        log.append([like("u1")])
        clock.now_us = 0
        log.append([like("u2")])
    with SqliteLog(tmp_path, KINDS, clock) as log:
        log.append([like("u3")])
        assert len({r.log_time_us for r in log.read()}) == 1


def test_one_writer_and_any_number_of_readers(tmp_path: Path) -> None:
    with pytest.raises(LogMissing):
        SqliteLog(tmp_path, read_only=True)
    with SqliteLog(tmp_path, KINDS) as log:
        log.append([like("u1")])
        with pytest.raises(LogLocked, match="read_only=True"):
            SqliteLog(tmp_path, KINDS)
        with SqliteLog(tmp_path, read_only=True) as reader:
            assert reader.last_seq == 1
            log.append([like("u2")])
            log.seal()
            log.append([like("u3")])
            assert reader.last_seq == 3
            assert record_rows(reader.read()) == record_rows(log.read())
            with pytest.raises(LogClosed, match="read_only"):
                reader.append([like("u4")])
    with pytest.raises(LogClosed):
        log.append([like("u4")])


READ = """
import sys
from pathlib import Path
from shortlist.log import SqliteLog
with SqliteLog(Path(sys.argv[1]), read_only=True) as log:
    seqs = [s for batch in log.batches(max_rows=2000) for c in batch.kinds.values() for s in c.seq.tolist()]
    assert sorted(seqs) == list(range(1, len(seqs) + 1)), seqs
    print(len(seqs))
"""


def test_another_process_reads_while_this_one_appends_and_seals(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, KINDS, seal_after_events=300) as log:
        log.append([like(f"u{i}") for i in range(100)])
        with subprocess.Popen([sys.executable, "-c", READ, str(tmp_path)], stdout=subprocess.PIPE) as reader:
            while reader.poll() is None:
                log.append([like(f"u{i}") for i in range(50)])
            assert reader.stdout is not None
            assert int(reader.stdout.read()) >= 100
        assert reader.returncode == 0


FULL_DISK = """
import resource, sys
from pathlib import Path
from shortlist.log import CommitFailed, Event, EventSchema, SqliteLog
known = []
with SqliteLog(Path(sys.argv[1]), [EventSchema("like", {"user": "str"})]) as log:
    log.subscribe(known.append)
    log.append([Event("like", {"user": "before"}, id="a")])
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    failed = False
    for attempt in range(100):
        try:
            log.append([Event("like", {"user": "x" * 4000}, id=str(attempt))])
        except CommitFailed as error:
            failed = True
            break
    assert failed, "the file limit was to be hit"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    (receipt,) = log.append([Event("like", {"user": "after"}, id=str(attempt))])
    assert (receipt.seq, receipt.duplicate) == (attempt + 2, False), (receipt, attempt)
    assert known[-1].last_seq == receipt.seq
print(receipt.seq)
"""


def test_a_commit_the_disk_refuses_loses_nothing_acknowledged(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert child.returncode == 0, child.stderr
    with SqliteLog(tmp_path, [LIKE]) as log:
        users = [r.fields["user"][:6] for r in log.read()]
        assert users == ["before", *["xxxxxx"] * (int(child.stdout) - 2), "after"]


LIGHT = """
import sys
from pathlib import Path
from shortlist.log import Event, EventSchema, SqliteLog
with SqliteLog(Path(sys.argv[1]), [EventSchema("like", {"user": "str"})]) as log:
    log.append([Event("like", {"user": "u"})])
    assert len(log.read()) == 1
    assert sum(len(columns) for batch in log.batches() for columns in batch.kinds.values()) == 1
loaded = {"duckdb", "numba", "pyarrow", "pandas", "polars"} & set(sys.modules)
assert not loaded, loaded
"""


def test_appending_and_following_load_no_heavy_library(tmp_path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", LIGHT, str(tmp_path)], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
