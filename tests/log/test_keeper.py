"""Several logs that share one: all know before anyone is answered, and nobody waits for the dead."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

from log.conformance import like
from log.keeping import keeping
from log.kinds import KINDS, batch_rows, record_rows
from shortlist.log import Batch, LogClosed, LogError, RemoteLog


def test_whoever_is_asked_next_knows_what_was_answered(tmp_path: Path) -> None:
    with (
        keeping(tmp_path) as kept,
        RemoteLog(tmp_path, KINDS, kept.join()) as one,
        RemoteLog(tmp_path, KINDS, kept.join()) as other,
    ):
        known: dict[str, list[Batch]] = {"one": [], "other": []}
        one.subscribe(known["one"].append)
        other.subscribe(lambda batch: (time.sleep(0.005), known["other"].append(batch)))
        for number in range(10):
            (receipt,) = (one, other)[number % 2].append([like(f"u{number}")])
            assert all(batches[-1].last_seq >= receipt.seq for batches in known.values())
        for batches in known.values():
            assert batch_rows(batches) == record_rows(kept.log.read())


def test_many_producers_of_several_logs_get_their_own_receipts(tmp_path: Path) -> None:
    with (
        keeping(tmp_path) as kept,
        RemoteLog(tmp_path, KINDS, kept.join()) as one,
        RemoteLog(tmp_path, KINDS, kept.join()) as other,
    ):
        one.subscribe(lambda batch: None)
        receipts: dict[str, int] = {}

        def produce(thread: int) -> None:
            for number in range(20):
                id_ = f"{thread}-{number}"
                (receipt,) = (one, other)[thread % 2].append([like("u", id_)])
                receipts[id_] = receipt.seq

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(produce, range(8)))
        assert kept.log.num_commits < 160, "appends of several processes share commits"
        assert {record.id: record.seq for record in kept.log.read()} == receipts


def test_nobody_waits_for_one_that_has_gone(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept, RemoteLog(tmp_path, KINDS, kept.join()) as one:
        hung = RemoteLog(tmp_path, KINDS, kept.join())
        held = threading.Event()
        hung.subscribe(lambda batch: held.wait(30))
        one.subscribe(lambda batch: None)
        future = one.submit([like("u")])
        time.sleep(0.1)
        assert not future.done()
        assert kept.members[0].owes_s == 0 < 0.05 < kept.members[1].owes_s
        kept.run(_close(kept.members[1]))
        assert future.result(10)[0].seq == 1
        held.set()
        hung.close()


async def _close(member) -> None:
    member.close()


def test_one_that_joins_late_misses_nothing_and_gets_nothing_twice(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept, RemoteLog(tmp_path, KINDS, kept.join()) as one:
        stop = threading.Event()

        def produce() -> None:
            while not stop.is_set():
                one.append([like("u")])

        thread = threading.Thread(target=produce)
        thread.start()
        for _ in range(5):
            with RemoteLog(tmp_path, KINDS, kept.join()) as late:
                known: SimpleQueue[Batch] = SimpleQueue()
                late.subscribe(known.put)
                first = known.get(timeout=10)
                batches = [*late.batches(upto_seq=first.first_seq - 1), first, known.get(timeout=10)]
                assert batch_rows(batches) == record_rows(kept.log.read(limit=batches[-1].last_seq))
        stop.set()
        thread.join()


def test_without_its_keeper_all_that_waits_fails(tmp_path: Path) -> None:
    lost = threading.Event()
    with keeping(tmp_path) as kept:
        log = RemoteLog(tmp_path, KINDS, kept.join(), lost.set)
        held = threading.Event()
        log.subscribe(lambda batch: held.wait(10))
        futures = [log.submit([like("u")]) for _ in range(3)]
        time.sleep(0.05)
        kept.run(_close(kept.members[0]))
        held.set()
    for future in futures:
        with pytest.raises(LogClosed, match="keeper"):
            future.result(10)
    assert lost.wait(10)
    with pytest.raises(LogClosed):
        log.append([like("u")])
    log.close()


def test_it_leaves_what_is_the_keepers_work_to_the_keeper(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept, RemoteLog(tmp_path, KINDS, kept.join()) as log:
        with pytest.raises(LogError, match="another process keeps it"):
            log.seal()
        with pytest.raises(LogError, match="another process keeps it"):
            log.import_history([])
