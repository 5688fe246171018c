"""Crashes at the worst moments: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from log.kinds import LIKE, batch_rows, record_rows, rows
from shortlist.log import Event, HistorySource, SqliteLog, tables

APPEND = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shortlist.log import Event, EventSchema, SqliteLog
folder, part = Path(sys.argv[1]), sys.argv[2]
log = SqliteLog(folder, [EventSchema("like", {"user": "str"})], seal_after_events=100)
def produce(thread):
    for i in range(1_000_000):
        key = f"{part}-{thread}-{i}"
        (receipt,) = log.append([Event("like", {"user": key}, id=key)])
        sys.stdout.write(f"{key} {receipt.seq}\\n")
        sys.stdout.flush()
with ThreadPoolExecutor(4) as pool:
    list(pool.map(produce, range(4)))
"""


def test_kill_loses_no_acknowledged_event_and_doubles_none(tmp_path: Path) -> None:
    receipts: dict[str, int] = {}
    for part in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", APPEND, str(tmp_path), str(part)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            first = child.stdout.readline()
            time.sleep(0.5 + 0.2 * part)
            child.send_signal(signal.SIGKILL)
            # The last line may be torn: an acknowledgement nobody got.
            lines = [line for line in [first, *child.stdout] if line.endswith("\n")]
        assert len(lines) > 3
        receipts.update((key, int(seq)) for key, seq in (line.split() for line in lines))
    with SqliteLog(tmp_path, [LIKE]) as log:
        records = log.read(limit=1_000_000)
        assert [r.seq for r in records] == list(range(1, len(records) + 1))
        assert len({r.id for r in records}) == len(records)
        found = {r.id: r.seq for r in records}
        assert receipts.items() <= found.items()
        assert batch_rows(list(log.batches())) == record_rows(records)
        again = log.append([Event("like", {"user": key}, id=key) for key in receipts])
        assert all(receipt.duplicate for receipt in again)


CRASH = """
import os, sys
from pathlib import Path
from shortlist.log import EventSchema, HistorySource, SqliteLog
import importlib
folder, module, name, action = Path(sys.argv[1]), *sys.argv[2:]
setattr(importlib.import_module(module), name, lambda *arguments: os._exit(9))
log = SqliteLog(folder, [EventSchema("like", {"user": "str"})])
if action == "seal":
    log.seal()
else:
    log.import_history([HistorySource("like", {"u": ["v1", None], "t": [1, 2], "key": ["k", "l"]},
                                      {"user": "u"}, "t", id="key")])
"""


@pytest.mark.parametrize(
    ("module", "name", "action"),
    [
        ("shortlist.log.segments", "publish", "seal"),
        ("shortlist.log.sealing", "_register", "seal"),
        ("shortlist.log.sealing", "_trim", "seal"),
        ("shortlist.log.importing", "place_rows", "import"),
        ("shortlist.log.importing", "insert_ids", "import"),
    ],
)
def test_a_crash_while_sealing_or_importing_leaves_the_log_as_it_was(
    tmp_path: Path, module: str, name: str, action: str
) -> None:
    with SqliteLog(tmp_path, [LIKE]) as log:
        log.append([Event("like", {"user": f"u{i}"}, id=f"id{i}") for i in range(50)])
        before = log.read()
    child = subprocess.run(
        [sys.executable, "-c", CRASH, str(tmp_path), module, name, action], capture_output=True, text=True
    )
    assert child.returncode == 9, child.stderr
    with SqliteLog(tmp_path, read_only=True) as log:
        # Before the next writer cleans up.
        assert log.read() == before
        assert rows(log.scan("like").columns()) == record_rows(before)
    with SqliteLog(tmp_path, [LIKE]) as log:
        assert log.read() == before
        assert batch_rows(list(log.batches())) == record_rows(before)
        assert all(
            r.duplicate for r in log.append([Event("like", {"user": "x"}, id=f"id{i}") for i in range(50)])
        )
        columns = {"u": ["v1", None], "t": [1, 2], "key": ["k", "l"]}
        report = log.import_history([HistorySource("like", columns, {"user": "u"}, "t", id="key")])
        assert (report.num_imported, report.num_rejected, report.num_late) == (1, 1, 1)
        assert log.seal() == 0
        assert [r.seq for r in log.read()] == list(range(1, 52))
    with sqlite3.connect(tmp_path / "log.sqlite") as database:
        segments = database.execute("SELECT first_seq, last_seq FROM segments ORDER BY 1").fetchall()
        assert database.execute("SELECT count(*) FROM tail").fetchone() == (0,)
    database.close()
    assert segments == [(1, 50), (51, 51)]
    names = [f"{first:015d}-{last:015d}" for first, last in segments]
    assert sorted(path.name for path in (tmp_path / "segments").iterdir()) == names
    assert [path.stem for path in (tmp_path / "rejected").iterdir()] == names[1:]


ONE_BY_ONE = """
import sys
from pathlib import Path
from shortlist.log import Event, EventSchema, SqliteLog
with SqliteLog(Path(sys.argv[1]), [EventSchema("like", {"user": "str"})]) as log:
    for i in range(20):
        log.append([Event("like", {"user": "u"})])
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_every_acknowledged_append_was_forced_to_the_disk(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    child = subprocess.run(
        [
            *("strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", str(trace)),
            *(sys.executable, "-c", ONE_BY_ONE, str(tmp_path / "log")),
        ],
        capture_output=True,
        text=True,
    )
    if child.returncode and "ptrace" in child.stderr:
        pytest.skip("strace may not trace here")
    assert child.returncode == 0, child.stderr
    assert sum("log.sqlite-wal" in line for line in trace.read_text().splitlines()) >= 20


def test_the_database_is_told_to_wait_for_the_disk(tmp_path: Path) -> None:
    database = tables.connect(tmp_path)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
