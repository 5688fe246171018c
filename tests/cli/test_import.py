"""History from files: what is good comes in, what is not is counted and kept, and nothing comes twice."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from cli.tiny import shortlist as run
from shortlist.cli.project import Project

ROWS = [
    {"user_id": "u1", "video": "v1", "ts": 1_767_225_600_000, "watch_s": 12.5, "row": "a"},
    {"user_id": "u2", "video": "v1", "ts": 1_767_225_700_000, "watch_s": 40.0, "row": "b"},
    {"user_id": "u1", "video": "v2", "ts": 1_767_225_800_000, "watch_s": 3.0, "row": "c"},
]
MAPPED = ["--kind", "watch", "--map", "user=user_id", "--time", "ts", "--unit", "ms"]


@pytest.fixture
def started(folder) -> Path:
    run("init")
    return folder


def write(path: Path, rows: list[dict]) -> Path:
    lines = path.with_suffix(".jsonl")
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if path != lines:
        with duckdb.connect() as connection:
            connection.execute(f"COPY (FROM read_json_auto('{lines}')) TO '{path}'")
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_every_format_comes_in_the_same(started, suffix):
    path = write(started / f"watches{suffix}", ROWS)
    said = run("import", path, *MAPPED).output
    assert "Imported 3 of 3 rows, 2026-01-01 00:00 to 2026-01-01 00:03." in said
    with Project.load().open_log() as log:
        found = [
            (record.fields["user"], record.fields["video"], record.fields["watch_s"]) for record in log.read()
        ]
    assert found == [("u1", "v1", 12.5), ("u2", "v1", 40.0), ("u1", "v2", 3.0)]


def test_bad_rows_are_counted_by_reason_and_kept(started):
    bad = [{**ROWS[0], "user_id": None}, {**ROWS[1], "ts": "soon"}, {**ROWS[2], "watch_s": "long"}]
    path = write(started / "watches.jsonl", [*ROWS, *bad])
    said = run("import", path, *MAPPED).output
    assert "Imported 3 of 6 rows" in said
    assert "user: missing" in said
    assert "watch_s: " in said
    (kept,) = started.glob(".shortlist/log/rejected/*.jsonl")
    assert len(kept.read_text().splitlines()) == 3


def test_rows_with_ids_come_in_once(started):
    path = write(started / "watches.jsonl", ROWS)
    run("import", path, *MAPPED, "--id", "row")
    said = run("import", path, *MAPPED, "--id", "row").output
    assert "Imported 0 of 3 rows" in said
    assert "3 rows were in the log already" in said


def test_what_finds_no_column_and_what_is_not_used_is_said(started):
    rows = [{name: value for name, value in row.items() if name != "watch_s"} for row in ROWS]
    said = run("import", write(started / "watches.jsonl", rows), *MAPPED).output
    assert "No column for watch_s: left empty" in said
    assert "Not used: row." in said


def test_a_column_may_begin_late(started):
    early = [{name: value for name, value in ROWS[0].items() if name != "watch_s"}] * 30_000
    path = write(started / "watches.jsonl", [*early, ROWS[1]])
    said = run("import", path, *MAPPED).output
    assert "No column" not in said
    with Project.load().open_log() as log:
        assert log.read(after_seq=log.last_seq - 1)[0].fields["watch_s"] == 40.0


def test_rows_without_ids_are_warned_of_the_second_time(started):
    path = write(started / "watches.jsonl", ROWS)
    assert "doubled" not in run("import", path, *MAPPED).output
    assert "doubled" in run("import", path, *MAPPED).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected a FILE or --recipe, one of them, received neither"),
        (["watches.jsonl", "--recipe", "kuairand"], "received both"),
        (["watches.jsonl", "--kind", "wach"], "--kind: expected one of watch, like, impression, user, video"),
        (["watches.jsonl", "--kind", "watch"], "--time: expected the column that says when"),
        (["watches.jsonl", *MAPPED, "--map", "vdeo=video"], "expected FIELD=COLUMN, with a field of watch"),
        (["watches.jsonl", "--kind", "watch", "--time", "ts"], "Say which it is: --map user=COLUMN"),
        (["watches.jsonl", *MAPPED, "--map", "video=vid"], "expected the columns ['vid']"),
        (
            ["nothing.jsonl", *MAPPED],
            "nothing.jsonl: expected a .csv, .jsonl or .parquet file, received no such file",
        ),
        (["watches.txt", *MAPPED], "watches.txt: expected a .csv, .jsonl or .parquet file"),
        (["--recipe", "movielens", "--from", "nowhere"], "no folder nowhere"),
    ],
)
def test_what_cannot_be_imported_is_said(started, arguments, said):
    write(started / "watches.jsonl", ROWS)
    (started / "watches.txt").write_text("u1,v1\n")
    assert said in run("import", *arguments, status=2).output


def test_without_a_data_folder_the_variable_is_named(started, monkeypatch):
    monkeypatch.delenv("SHORTLIST_DATA", raising=False)
    assert "$SHORTLIST_DATA" in run("import", "--recipe", "kuairand", status=2).output


def test_a_world_comes_into_an_empty_log_only(project):
    assert "a second import would double them" in run("world", status=2).output
