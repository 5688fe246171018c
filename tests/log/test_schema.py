from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from log.kinds import LIKE, WATCH, rows
from shortlist.log import (
    Event,
    EventRejected,
    EventSchema,
    SchemaChanged,
    SchemaInvalid,
    SqliteLog,
    UnknownKind,
    columns_from_records,
)


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({}, "user", "no such field"),
        ({"user": None}, "user", "null"),
        ({"user": 7}, "user", 'Quote it: "7"'),
        ({"user": ""}, "user", "1 to 4096 characters"),
        ({"user": "x" * 4097}, "user", "Shorten"),
        ({"user": "\ud800"}, "user", "surrogate"),
        ({"user": "u", "wach_s": 1.0}, "wach_s", "unknown field"),
        ({"user": "u", "watch_s": "12"}, "watch_s", "without quotes"),
        ({"user": "u", "watch_s": math.inf}, "watch_s", "finite"),
        ({"user": "u", "watch_s": math.nan}, "watch_s", "finite"),
        ({"user": "u", "watch_s": 2.0**31}, "watch_s", "2**31"),
        ({"user": "u", "position": True}, "position", "whole number"),
        ({"user": "u", "position": 1.5}, "position", "whole number"),
        ({"user": "u", "position": 2**63}, "position", "64 bits"),
        ({"user": "u", "finished": 1}, "finished", "true or false"),
        ({"user": "u", "published": "2026-01-01T00:00:00"}, "published", "zone"),
        ({"user": "u", "published": 1.5}, "published", "RFC 3339"),
        ({"user": "u", "published": 1_700_000_000_000_000_000}, "published", "nanoseconds"),
        ({"user": "u", "published": -(2**60)}, "published", "microseconds"),
        ({"user": "u", "features": [1.0, "2"]}, "features", "'2'"),
        ({"user": "u", "features": [math.inf]}, "features", "32 bits"),
        ({"user": "u", "features": 1.0}, "features", "list"),
    ],
)
def test_a_bad_field_is_named_with_its_mend(
    fields: dict[str, Any], field: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(EventRejected) as caught:
        WATCH.check(fields)
    assert caught.value.field == field
    assert words in str(caught.value)
    with SqliteLog(tmp_path, [WATCH]) as log:
        with pytest.raises(EventRejected):
            log.append([Event("watch", {"user": "good"}), Event("watch", fields)])
        assert log.last_seq == 0


def test_check_returns_the_stored_form() -> None:
    checked = WATCH.check(
        {
            "user": "ü",
            "watch_s": 3,
            "published": "2026-01-01T02:00:00.000001+02:00",
            "features": (1, None),
            "video": None,
        }
    )
    assert checked["published"] == 1_767_225_600_000_001
    assert isinstance(checked["watch_s"], float)
    assert checked["features"][0] == 1.0
    assert math.isnan(checked["features"][1])
    assert "video" not in checked


@pytest.mark.parametrize(
    ("kind", "fields", "optional"),
    [
        ("Watch", {}, ()),
        ("../watch", {}, ()),
        ("watch", {"seq": "int"}, ()),
        ("watch", {"user": "str", "User": "str"}, ()),
        ("watch", {"user": "text"}, ()),
        ("watch", {"user": "str"}, ("item",)),
    ],
)
def test_a_schema_the_log_cannot_keep_is_refused(kind: str, fields: Any, optional: tuple[str, ...]) -> None:
    with pytest.raises(SchemaInvalid):
        EventSchema(kind, fields, frozenset(optional))


def test_an_unknown_kind_names_the_known_ones(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, [WATCH, LIKE]) as log:
        with pytest.raises(UnknownKind, match=r"\['like', 'watch'\]"):
            log.append([Event("wach", {})])
        with pytest.raises(UnknownKind):
            log.scan("wach")
        with pytest.raises(EventRejected, match="wach_s"):
            log.scan("watch", ["wach_s"])


def test_fields_and_kinds_may_be_added_and_are_null_before(tmp_path: Path) -> None:
    old = EventSchema("watch", {"user": "str"})
    new = EventSchema(
        "watch", {"city": "str", "user": "str", "watch_s": "float", "class": "int", "v": "floats"}
    )
    full = {"city": "c", "user": "u3", "watch_s": 1.0, "class": 4, "v": [0.5]}
    with SqliteLog(tmp_path, [old]) as log:
        log.append([Event("watch", {"user": "u1"})])
        log.seal()
        log.append([Event("watch", {"user": "u2"})])
    with SqliteLog(tmp_path, [new, LIKE]) as log:
        log.append([Event("watch", full), Event("like", {"user": "u"})])
        for _ in range(2):
            assert [r.fields for r in log.read()][:3] == [{"user": "u1"}, {"user": "u2"}, full]
            scanned = log.scan("watch").columns()
            assert [row[4] for row in rows(scanned)] == [{"user": "u1"}, {"user": "u2"}, full]
            assert rows(columns_from_records(new, log.read())) == rows(scanned)
            log.seal()


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"user": "str"}, "watch_s"), ({"user": "int", "watch_s": "float"}, "user")],
)
def test_a_removed_or_retyped_field_is_refused(tmp_path: Path, changed: Any, field: str) -> None:
    with SqliteLog(tmp_path, [EventSchema("watch", {"user": "str", "watch_s": "float"})]):
        pass
    with pytest.raises(SchemaChanged) as caught:
        SqliteLog(tmp_path, [EventSchema("watch", changed)])
    assert (caught.value.kind, caught.value.field) == ("watch", field)
    with SqliteLog(tmp_path) as log:
        assert log.schemas["watch"].fields == {"user": "str", "watch_s": "float"}


@pytest.mark.parametrize("id_", ["", "a\0b", "x" * 513, 7])
def test_a_bad_id_is_refused(tmp_path: Path, id_: Any) -> None:
    with SqliteLog(tmp_path, [LIKE]) as log, pytest.raises(EventRejected, match=r"like\.id"):
        log.append([Event("like", {"user": "u"}, id=id_)])


def test_names_that_sql_would_take_for_something_else(tmp_path: Path) -> None:
    schema = EventSchema("a-b.select", {"from.where": "str", "order": "int", "read": "floats"})
    fields = {"from.where": "it's", "order": 1, "read": [2.0]}
    with SqliteLog(tmp_path / "it's [odd]", [schema]) as log:
        for _ in range(2):
            log.append([Event(schema.kind, fields)])
            assert [r.fields for r in log.read()] == [row[4] for row in rows(log.scan(schema.kind).columns())]
            log.seal()
        assert [r.fields for r in log.read()] == [fields, fields]
