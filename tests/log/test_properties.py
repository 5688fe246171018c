"""Random histories of a log against a Python list: every way to read must agree with it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from log.kinds import KINDS, WATCH, Clock, batch_rows, block_of, plain, record_rows, rows
from shortlist.log import Event, HistorySource, SqliteLog

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
FLOAT32 = st.floats(width=32, allow_infinity=False)
OPTIONAL = {
    "video": TEXT,
    "watch_s": st.floats(-(2.0**31), 2.0**31, exclude_min=True, exclude_max=True),
    "position": st.integers(-(2**63) + 1, 2**63 - 1),
    "finished": st.booleans(),
    "published": st.integers(0, 2**53),
    "features": st.lists(FLOAT32, max_size=4),
}
WATCH_FIELDS = st.fixed_dictionaries({"user": TEXT}, optional=OPTIONAL)
IDS = st.none() | st.sampled_from([f"id{i}" for i in range(8)])
EVENTS = st.builds(Event, st.just("watch"), WATCH_FIELDS, st.none() | st.integers(0, 2**60), IDS) | st.builds(
    Event, st.just("like"), st.fixed_dictionaries({"user": TEXT}), st.none(), IDS
)
PAST_US = st.integers(0, 1_700_000_200_000_000)
HISTORY = st.lists(st.tuples(WATCH_FIELDS, PAST_US, IDS), max_size=6)
# In a block the lists of a field are as long in all the events.
BLOCK = st.integers(0, 4).flatmap(
    lambda length: st.lists(
        st.fixed_dictionaries(
            {"user": TEXT, "features": st.lists(FLOAT32, min_size=length, max_size=length)},
            optional={name: strategy for name, strategy in OPTIONAL.items() if name != "features"},
        ),
        min_size=1,
        max_size=5,
    )
)
STEPS = st.lists(
    st.lists(EVENTS, min_size=1, max_size=6)
    | st.sampled_from(["reopen", "seal", "clock back"])
    | HISTORY.map(lambda history: ("import", history))
    | BLOCK.map(lambda block: ("block", block)),
    max_size=10,
)


class Oracle:
    """The log as it obviously should be: a list."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.ids: dict[str, int] = {}

    def append(self, events: Sequence[Event], log_time_us: int) -> list[tuple[int, bool]]:
        receipts = []
        for event in events:
            if event.id in self.ids:
                receipts.append((self.ids[event.id], True))
                continue
            seq = len(self.rows) + 1
            happened_us = log_time_us if event.event_time_us is None else event.event_time_us
            fields = {name: plain(value) for name, value in event.fields.items() if value != []}
            self.rows.append((seq, log_time_us, event.kind, happened_us, fields))
            if event.id is not None:
                self.ids[event.id] = seq
            receipts.append((seq, False))
        return receipts

    @property
    def last_log_time_us(self) -> int:
        return self.rows[-1][1] if self.rows else 0


@settings(max_examples=20, deadline=None)
@given(STEPS, st.integers(1, 7), st.integers(0, 30), st.integers(0, 30))
def test_every_way_to_read_agrees_with_a_list(steps: list[Any], max_rows: int, after: int, upto: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), steps, max_rows, after, upto)


def _run(folder: Path, steps: list[Any], max_rows: int, after: int, upto: int) -> None:
    oracle, clock = Oracle(), Clock()
    delivered: list[Any] = []
    appended: list[Any] = []
    log = SqliteLog(folder / "log", KINDS, clock)
    log.subscribe(delivered.append)
    try:
        for step in steps:
            if step == "reopen":
                log.close()
                log = SqliteLog(folder / "log", KINDS, clock)
                log.subscribe(delivered.append)
            elif step == "seal":
                log.seal()
            elif step == "clock back":
                clock.now_us -= 5_000_000
            elif step[0] == "import":
                _import(log, oracle, folder, step[1])
            elif step[0] == "block":
                num_before = len(oracle.rows)
                (receipt,) = log.submit_block(block_of(WATCH, step[1])).result()
                events = [Event("watch", fields) for fields in step[1]]
                receipts = oracle.append(events, max(clock.now_us, oracle.last_log_time_us))
                assert (receipt.seq, receipt.duplicate) == receipts[-1]
                appended += oracle.rows[num_before:]
            else:
                num_before = len(oracle.rows)
                receipts = log.append(step)
                expected = oracle.append(step, max(clock.now_us, oracle.last_log_time_us))
                assert [(r.seq, r.duplicate) for r in receipts] == expected
                appended += oracle.rows[num_before:]
        assert log.last_seq == len(oracle.rows)
        assert log.last_log_time_us == oracle.last_log_time_us
        assert record_rows(log.read()) == oracle.rows
        assert {r.id: r.seq for r in log.read() if r.id is not None} == oracle.ids
        assert record_rows(log.read(after, max_rows)) == oracle.rows[after : after + max_rows]
        assert batch_rows(list(log.batches(max_rows=max_rows))) == oracle.rows
        assert batch_rows(list(log.batches(after, upto, max_rows))) == oracle.rows[after:upto]
        assert [row for batch in delivered for row in batch_rows([batch])] == appended
        for schema in KINDS:
            scan = log.scan(schema.kind, after_seq=after, upto_seq=upto)
            expected_rows = [row for row in oracle.rows[after:upto] if row[2] == schema.kind]
            assert rows(scan.columns()) == expected_rows
            assert pl.DataFrame(scan)["seq"].to_list() == [row[0] for row in expected_rows]
    finally:
        log.close()


def _import(log: SqliteLog, oracle: Oracle, folder: Path, history: list[Any]) -> None:
    """Import rows twice over, from a file with ids and a file without."""
    sources, events = [], []
    for with_ids in (True, False):
        chosen = [row for row in history if (row[2] is not None) == with_ids]
        if not chosen:
            continue
        file = folder / f"history-{with_ids}.jsonl"
        lines = [{**fields, "at": at, "key": key} for fields, at, key in chosen]
        file.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
        mapped = {f: f for f in WATCH.fields if any(f in fields for fields, _, _ in chosen)}
        sources.append(HistorySource("watch", file, mapped, "at", id="key" if with_ids else None))
        events += [Event("watch", fields, at, key) for fields, at, key in chosen]
    if not sources:
        return
    report = log.import_history(sources)
    assert (report.num_rejected, report.num_rows) == (0, len(events)), report
    end_us = oracle.last_log_time_us
    num_before = len(oracle.rows)
    for event in sorted(events, key=lambda event: event.event_time_us or 0):
        oracle.append([event], max(event.event_time_us or 0, end_us))
    imported = oracle.rows[num_before:]
    assert report.num_imported == len(imported)
    assert report.num_duplicates == len(events) - len(imported)
    assert report.num_late == sum(row[3] < end_us for row in imported)
