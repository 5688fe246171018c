"""Import of files with planted bad rows: every row is in the log or in the rejected file, with its reason."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from log.kinds import KINDS, LIKE, rows
from shortlist.log import (
    Constant,
    Event,
    EventRejected,
    HistoryInvalid,
    HistorySource,
    ImportReport,
    SqliteLog,
    UnknownKind,
    tables,
)

FIELDS = {
    "user": "uid",
    "video": "v",
    "watch_s": "sec",
    "position": "pos",
    "finished": "fin",
    "published": "pub",
    "features": "vec",
}
HEADER = ["uid", "v", "sec", "pos", "fin", "pub", "vec", "at"]
GOOD = ["u1", "v1", "1.5", "3", "1", "2026-01-01T00:00:00Z", "[0.5, null]", "1700000000000"]
PLANTED = [
    ("uid", "", "user: missing"),
    ("uid", "x" * 4097, "user: expected text of 1 to 4096 characters"),
    ("sec", "abc", "watch_s: expected a finite number between -2**31 and 2**31"),
    ("sec", "inf", "watch_s: expected a finite number between -2**31 and 2**31"),
    ("sec", "nan", "watch_s: expected a finite number between -2**31 and 2**31"),
    ("sec", "2147483648", "watch_s: expected a finite number between -2**31 and 2**31"),
    ("pos", "1.5", "position: expected a whole number of 64 bits"),
    ("pos", "9223372036854775808", "position: expected a whole number of 64 bits"),
    ("fin", "maybe", "finished: expected true or false"),
    ("pub", "2026-01-01T00:00:00", "published: expected RFC 3339 text with a zone, or UTC microseconds"),
    ("pub", "1700000000000000000", "published: expected RFC 3339 text with a zone, or UTC microseconds"),
    ("vec", "[1, x]", "features: expected a list of numbers that fit 32 bits"),
    ("vec", "[1e300]", "features: expected a list of numbers that fit 32 bits"),
    ("at", "", "time: missing"),
    ("at", "-1", "time: expected a time in ms from 1970 to now"),
    ("at", "soon", "time: expected a time in ms from 1970 to now"),
    ("at", "1700000000000000", "time: expected a time in ms from 1970 to now"),
]


def planted_rows() -> list[list[str]]:
    """Return good and bad rows by turns: bad rows are 2, 4, 6..."""
    table = []
    for column, cell, _ in PLANTED:
        bad = list(GOOD)
        bad[HEADER.index(column)] = cell
        table += [list(GOOD), bad]
    return table


def quoted(cell: str) -> str:
    return f'"{cell}"' if "," in cell else cell


def check_planted(report: ImportReport, log: SqliteLog) -> None:
    num_bad = len(PLANTED)
    assert (report.num_rows, report.num_imported, report.num_rejected) == (2 * num_bad, num_bad, num_bad)
    assert sum(report.reasons.values()) == num_bad
    assert set(report.reasons) == {reason for _, _, reason in PLANTED}
    assert report.rejected_file is not None
    kept = [json.loads(line) for line in report.rejected_file.read_text().splitlines()]
    assert [line["row"] for line in kept] == list(range(2, 2 * num_bad + 1, 2))
    for line, (column, cell, _) in zip(kept, PLANTED, strict=True):
        assert line["received"] == (cell or "nothing")
        assert json.loads(line["record"])[column] in (cell, None)
    expected = {
        "user": "u1",
        "video": "v1",
        "watch_s": 1.5,
        "position": 3,
        "finished": True,
        "published": 1_767_225_600_000_000,
        "features": [0.5, "nan"],
    }
    assert [row[1:] for row in rows(log.scan("watch").columns())] == [
        (1_700_000_000_000_000, "watch", 1_700_000_000_000_000, expected)
    ] * num_bad


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_planted_bad_rows_are_kept_aside_with_their_reasons(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"history.{suffix}"
    if suffix == "csv":
        file.write_text("\n".join(",".join(map(quoted, row)) for row in [HEADER, *planted_rows()]) + "\n")
    elif suffix == "jsonl":
        file.write_text("\n".join(json.dumps(dict(zip(HEADER, row, strict=True))) for row in planted_rows()))
    else:
        pl.DataFrame(planted_rows(), schema=HEADER, orient="row").write_parquet(file)
    with SqliteLog(tmp_path / "log", KINDS) as log:
        check_planted(log.import_history([HistorySource("watch", file, FIELDS, "at", "ms")]), log)


def test_typed_parquet_columns(tmp_path: Path) -> None:
    file = tmp_path / "history.parquet"
    duckdb.sql(
        "SELECT 7::INTEGER AS uid, 8::UBIGINT AS v, 1.25::FLOAT AS sec, 3.0::DOUBLE AS pos, true AS fin, "
        "TIMESTAMP '2026-01-01 00:00:00' AS pub, [0.5, NULL]::DOUBLE[] AS vec, "
        "TIMESTAMPTZ '2023-11-14 22:13:20+00' AS at"
    ).write_parquet(str(file))
    with SqliteLog(tmp_path / "log", KINDS) as log:
        report = log.import_history([HistorySource("watch", file, FIELDS, "at")])
        assert report.num_imported == 1, report
        (record,) = log.read()
        assert record.event_time_us == 1_700_000_000_000_000
        assert {
            name: record.fields[name] for name in ("user", "video", "watch_s", "position", "finished")
        } == {
            "user": "7",
            "video": "8",
            "watch_s": 1.25,
            "position": 3,
            "finished": True,
        }


def test_lines_that_are_no_rows(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_bytes(b'uid,at\nu1,1\n"two\nlines",2\nu3\nu4,4,4\nu5,x\nu\xff6,6\nu7,7\nu8,y\n')
    lines = tmp_path / "b.jsonl"
    lines.write_text('{"uid": "u1", "at": 8}\n{"uid":\n\n[1]\n{"at": 9}\n{"uid": "u2", "at": 10}\n')
    with SqliteLog(tmp_path / "log", KINDS) as log:
        sources = [HistorySource("like", file, {"user": "uid"}, "at") for file in (table, lines)]
        report = log.import_history(sources)
        assert [r.fields["user"] for r in log.read()] == ["u1", "two\nlines", "u7", "u1", "u2"]
    assert report.rejected_file is not None
    kept = [json.loads(line) for line in report.rejected_file.read_text().splitlines()]
    assert [(line["source"], line["row"], line["field"]) for line in kept] == [
        ("a.csv", 3, "row"),
        ("a.csv", 4, "row"),
        ("a.csv", 5, "time"),
        ("a.csv", 6, "row"),
        ("a.csv", 8, "time"),
        ("b.jsonl", 2, "row"),
        ("b.jsonl", 4, "row"),
        ("b.jsonl", 5, "user"),
    ]
    assert report.num_rows == 13


def test_sources_merge_by_event_time_then_source_then_row(tmp_path: Path) -> None:
    impressions = {"u": ["a", "b", "c"], "t": np.array([5, 3, 5])}
    constants = {
        "video": Constant("it's"),
        "finished": Constant(True),
        "published": Constant("1970-01-01T00:00:01Z"),
    }
    clicks = {"u": np.array(["d", "e", "f"]), "t": [5.0, 2.0, 5.0]}
    with SqliteLog(tmp_path, KINDS) as log:
        report = log.import_history(
            [
                HistorySource("watch", impressions, {"user": "u", **constants}, "t", "s"),
                HistorySource("like", clicks, {"user": "u"}, "t", "s"),
            ]
        )
        assert [r.fields["user"] for r in log.read()] == ["e", "b", "a", "c", "d", "f"]
        assert log.read()[1].fields == {
            "user": "b",
            "video": "it's",
            "finished": True,
            "published": 1_000_000,
        }
        assert [r.log_time_us for r in log.read()] == [2_000_000, 3_000_000, *[5_000_000] * 4]
        assert (report.first_time_us, report.last_time_us) == (2_000_000, 5_000_000)
        assert log.append([Event("like", {"user": "now"})])[0].seq == 7


def test_ids_seen_before_are_no_second_effect(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"u": ["a", "b", "c", "d"], "t": [4, 3, 2, 1], "key": ["x", "y", "x", "live"]}
    source = HistorySource("like", columns, {"user": "u"}, "t", id="key")
    with SqliteLog(tmp_path, [LIKE]) as log:
        log.append([Event("like", {"user": "first"}, id="live")])
        report = log.import_history([source])
        assert (report.num_imported, report.num_duplicates, report.num_late) == (2, 2, 2)
        assert [(r.fields["user"], r.id) for r in log.read()] == [("first", "live"), ("c", "x"), ("b", "y")]
        assert log.append([Event("like", {"user": "z"}, id="y")])[0].seq == 3
        again = log.import_history([source])
        assert (again.num_imported, again.num_duplicates, log.last_seq) == (0, 4, 3)


def test_whoever_imported_sees_the_log_end_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_end = tables.end_of_log

    def slow_end(database: sqlite3.Connection) -> tuple[int, int]:
        time.sleep(0.05)
        return real_end(database)

    columns = {"user": np.array(["u1", "u2"]), "time_us": np.array([1, 2])}
    source = HistorySource("like", columns, {"user": "user"}, "time_us")
    with SqliteLog(tmp_path, [LIKE]) as log:
        monkeypatch.setattr(tables, "end_of_log", slow_end)
        report = log.import_history([source])
        assert log.last_seq == report.num_imported == 2


def test_progress_rises_to_the_whole(tmp_path: Path) -> None:
    num_rows = 200_000
    columns = {"u": np.arange(num_rows), "t": np.arange(num_rows)}
    seen: list[tuple[int, int]] = []
    with SqliteLog(tmp_path, [LIKE]) as log:
        log.import_history(
            [HistorySource("like", columns, {"user": "u"}, "t")], lambda *done: seen.append(done)
        )
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) >= 4
    assert seen[-1] == (num_rows, num_rows)


def test_what_cannot_be_read_as_declared_raises_and_imports_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("uid,at\nu1,1\n")
    (tmp_path / "a.tsv").write_text("")
    (tmp_path / "a.jsonl").write_text('{"uid": "u"}\n')
    good = HistorySource("like", file, {"user": "uid"}, "at")
    bad = [
        (
            HistorySource("like", file, {"user": "user_id"}, "at"),
            HistoryInvalid,
            r"\['user_id'\].*\['at', 'uid'\]",
        ),
        (HistorySource("like", tmp_path / "a.jsonl", {"user": "u"}, "at"), HistoryInvalid, r"\['uid'\]"),
        (HistorySource("like", tmp_path / "b.csv", {"user": "uid"}, "at"), HistoryInvalid, "found none"),
        (HistorySource("like", tmp_path / "a.tsv", {"user": "uid"}, "at"), HistoryInvalid, "'.tsv'"),
        (HistorySource("like", {"u": [1], "t": [1, 2]}, {"user": "u"}, "t"), HistoryInvalid, "one length"),
        (HistorySource("like", file, {}, "at"), HistoryInvalid, r"required field.*\['user'\]"),
        (HistorySource("like", file, {"user": "uid", "x": "at"}, "at"), HistoryInvalid, r"maps \['x'\]"),
        (HistorySource("lik", file, {"user": "uid"}, "at"), UnknownKind, "like"),
        (HistorySource("like", file, {"user": Constant(7)}, "at"), EventRejected, "Quote it"),
    ]
    with SqliteLog(tmp_path / "log", KINDS) as log:
        for source, error, words in bad:
            with pytest.raises(error, match=words):
                log.import_history([good, source])
        assert log.last_seq == 0
        assert list((tmp_path / "log" / "segments").iterdir()) == []
        assert log.import_history([good]).num_imported == 1
