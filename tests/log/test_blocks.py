"""A block of events keeps what its events would have kept one by one, and refuses what they would."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from log.kinds import KINDS, LIKE, WATCH, Clock, batch_rows, block_of, record_rows
from shortlist.log import (
    Appended,
    Batch,
    Block,
    Event,
    EventRejected,
    EventSchema,
    LogBusy,
    LogError,
    SqliteLog,
    UnknownKind,
    tables,
)

SLATE = [
    {
        "user": "u",
        "video": f"v{i}",
        "watch_s": i / 3,
        "position": i,
        "finished": i > 1,
        "features": [i / 7, i],
    }
    for i in range(4)
] + [{"user": "u", "features": [float("nan"), 0.0]}]


def test_a_block_reads_like_its_events_one_by_one(tmp_path: Path) -> None:
    """To readers, to a subscriber, before and after sealing, as records, columns and Arrow."""
    views: list[list[Any]] = []
    for name in ("block", "events"):
        with SqliteLog(tmp_path / name, KINDS, Clock()) as log:
            delivered: list[Batch] = []
            log.subscribe(delivered.append)
            if name == "block":
                assert log.submit_block(block_of(WATCH, SLATE)).result()[0].seq == len(SLATE)
            else:
                log.append([Event("watch", fields) for fields in SLATE])
            view: list[Any] = [batch_rows(delivered)]
            for _ in range(2):
                view += [record_rows(log.read()), batch_rows(list(log.batches()))]
                view += [pl.DataFrame(log.scan("watch")).with_columns(pl.col("features").cast(pl.List(str)))]
                assert log.seal() == (len(SLATE) if len(view) < 5 else 0)
            views.append(view)
    for of_block, of_events in zip(*views, strict=True):
        assert of_block.equals(of_events) if isinstance(of_block, pl.DataFrame) else of_block == of_events


def test_a_long_tail_is_sealed_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of several widths and events between them, across the bounds of pieces and segments."""
    monkeypatch.setattr("shortlist.log.sealing._PIECE_EVENTS", 7)
    monkeypatch.setattr("shortlist.log.sealing._MAX_SEGMENT_EVENTS", 30)
    monkeypatch.setattr("shortlist.log.sealing._TRIM_EVENTS", 6)
    with SqliteLog(tmp_path, KINDS) as log:
        for i in range(12):
            log.append([Event("like", {"user": f"u{i}"}), Event("watch", {"user": "u", "features": [i]})])
            features = np.full((3 + i % 5, i % 3), i, np.float32)
            log.submit_block(Block("watch", len(features), {"user": f"u{i}", "features": features})).result()
        before = log.read()
        assert log.seal() == len(before)
        assert log.read() == before
        assert batch_rows(list(log.batches())) == record_rows(before)
    with sqlite3.connect(tmp_path / tables.FILE_NAME) as database:
        assert database.execute("SELECT count(*) FROM tail").fetchone() == (0,)
    database.close()
    assert len(list((tmp_path / "segments").iterdir())) == 3


def test_an_empty_list_is_not_a_missing_one(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, KINDS) as log:
        log.submit_block(Block("watch", 2, {"user": "u", "features": np.empty((2, 0), np.float32)})).result()
        log.submit_block(Block("watch", 1, {"user": "u", "features": None})).result()
        for _ in range(2):
            assert [record.fields.get("features") for record in log.read()] == [[], [], None]
            assert pl.DataFrame(log.scan("watch"))["features"].to_list() == [[], [], None]
            log.seal()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user", None),
        ("user", ""),
        ("user", 7),
        ("user", ["u", None]),
        ("user", ["u", ""]),
        ("user", ["u", "\ud800"]),
        ("user", ["u"]),
        ("user", np.array(["u", "w"], object)),
        ("watch_s", 2.0**31),
        ("watch_s", np.array([0.0, 2.0**31])),
        ("watch_s", np.array([0.0, -np.inf])),
        ("watch_s", np.array([0.0])),
        ("watch_s", np.array([0.0, 1.0], np.float32)),
        ("position", np.array([0.0, 1.0])),
        ("position", True),
        ("finished", np.array([0, 2], np.int8)),
        ("published", np.array([0, 2**58 + 1])),
        ("features", np.array([[1.0], [np.inf]], np.float32)),
        ("features", np.array([1.0, 2.0], np.float32)),
        ("features", np.ones((3, 2), np.float32)),
        ("nope", 1),
    ],
)
def test_a_block_that_does_not_fit_is_refused_whole_and_alone(tmp_path: Path, field: str, value: Any) -> None:
    with SqliteLog(tmp_path, KINDS) as log:
        refused = log.submit_block(Block("watch", 2, {"user": "u", field: value}))
        kept = log.submit_block(Block("watch", 2, {"user": "u"}))
        with pytest.raises(EventRejected) as error:
            refused.result()
        assert error.value.field == field
        assert kept.result()[0].seq == 2


def test_a_column_of_a_required_field_has_no_null(tmp_path: Path) -> None:
    schema = EventSchema("all", {"watch_s": "float", "position": "int"})
    with SqliteLog(tmp_path, [schema]) as log:
        for name, column in {"watch_s": np.array([0.0, np.nan]), "position": np.array([0, -(2**63)])}.items():
            fields = {"watch_s": 1.0, "position": 1, name: column}
            with pytest.raises(EventRejected, match=name):
                log.submit_block(Block(schema.kind, 2, fields)).result()


def test_a_block_of_an_unknown_kind_or_beyond_the_queue_is_refused_at_once(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, KINDS, max_pending_events=3) as log:
        with pytest.raises(UnknownKind):
            log.submit_block(Block("nope", 1, {}))
        log.append([Event("like", {"user": "u"})])
        held, entered = threading.Event(), threading.Event()

        def hold(_: Batch) -> None:
            entered.set()
            held.wait(10)

        log.subscribe(hold)
        first = log.submit_block(Block("like", 1, {"user": "u"}))
        assert entered.wait(10)
        waits = log.submit_block(Block("like", 2, {"user": "u"}))
        with pytest.raises(LogBusy, match="2 events wait"):
            log.submit_block(Block("like", 2, {"user": "u"}))
        held.set()
        assert [first.result()[0].seq, waits.result()[0].seq] == [2, 4]


def test_a_log_from_before_blocks_is_read_as_it_is_and_takes_them_when_written(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, KINDS) as log:
        log.append([Event("like", {"user": f"u{i}"}, id=f"id{i}") for i in range(3)])
        before = log.read()
    with sqlite3.connect(tmp_path / tables.FILE_NAME) as database:
        database.execute("ALTER TABLE tail DROP COLUMN num_events")
        database.execute("PRAGMA user_version = 1")
    database.close()
    with SqliteLog(tmp_path, read_only=True) as reader:
        assert reader.read() == before
        with SqliteLog(tmp_path, KINDS) as log:
            log.submit_block(Block("like", 2, {"user": ["a", "b"]})).result()
            assert reader.read()[:3] == before
            assert [record.fields["user"] for record in reader.read()[3:]] == ["a", "b"]


def test_a_log_of_a_later_layout_is_not_touched(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, [LIKE]):
        pass
    with sqlite3.connect(tmp_path / tables.FILE_NAME) as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(LogError, match="Upgrade Shortlist"):
        SqliteLog(tmp_path, [LIKE])


def test_a_block_waits_for_others_until_somebody_waits_for_it(tmp_path: Path, monkeypatch) -> None:
    with SqliteLog(tmp_path, KINDS) as log:
        log.submit_block(Block("like", 1, {"user": "u"})).result(10)
        monkeypatch.setattr("shortlist.log.submissions.LINGER_S", 60.0)
        blocks = [log.submit_block(Block("like", 2, {"user": "u"})) for _ in range(3)]
        assert log.append([Event("like", {"user": "w"})]) == [Appended(8, duplicate=False)]
        assert [block.result()[0].seq for block in blocks] == [3, 5, 7]
        assert log.num_commits == 2
        left = log.submit_block(Block("like", 1, {"user": "u"}))
    assert left.result()[0].seq == 9, "closing waits for nobody"


def test_kinds_whose_names_are_those_of_what_sealing_lends_are_sealed_apart(tmp_path):
    names = ["x", "tail_x", "blocks_x_0", "x_0", "sealed"]
    kinds = [EventSchema(name, {f"of_{name}": "str"}) for name in names]
    with SqliteLog(tmp_path, kinds) as log:
        for number in range(700):  # more than one piece
            log.submit([Event(name, {f"of_{name}": f"{name} {number}"}) for name in names])
        block = log.submit_block(Block("x", 3, {"of_x": "block"}))
        block.result()
        before = log.read(limit=10_000)
        assert log.seal() == len(before) == 700 * len(names) + 3
        assert log.read(limit=10_000) == before
        for name in names:
            assert len(log.scan(name).columns()) == 700 + 3 * (name == "x")
