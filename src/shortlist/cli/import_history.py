"""`shortlist import`: history from files or from a known data set into the log."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from shortlist.cli.console import Steps, console, plain, say, table
from shortlist.cli.errors import UsageError
from shortlist.cli.project import DATA, DECLARATION, Data, Declaration, Project

if TYPE_CHECKING:
    from shortlist.log import HistorySource, ImportReport, SqliteLog

EXAMPLES = (
    "shortlist import watches.csv --kind watch --map user=user_id --time ts --unit ms",
    "shortlist import --recipe kuairand",
)


class Unit(StrEnum):
    """How a time is written."""

    us = "us"
    ms = "ms"
    s = "s"
    rfc3339 = "rfc3339"


class DataSet(StrEnum):
    """The data sets that a recipe can read."""

    kuairand = "kuairand"
    movielens = "movielens"


# Every line is looked at: a column may begin late. A bad line is the import's to tell of.
_ALL_LINES = (
    "read_json_auto(?, format='newline_delimited', sample_size=-1, maximum_depth=1, "
    "map_inference_threshold=-1, ignore_errors=true)"
)

_FOLDERS = {DataSet.kuairand: "kuairand-pure", DataSet.movielens: "ml-1m"}


def run(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A .csv, .jsonl or .parquet.")] = None,
    kind: Annotated[str, typer.Option(help="What the rows are: an event, impression, or an entity.")] = "",
    map: Annotated[
        list[str] | None, typer.Option(metavar="FIELD=COLUMN", help="Where a field comes from; repeatable.")
    ] = None,
    time: Annotated[str, typer.Option(metavar="COLUMN", help="When it happened.")] = "",
    unit: Annotated[Unit, typer.Option(help="The unit of that column.")] = Unit.us,
    id: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="What names each row once and for all.")
    ] = None,
    recipe: Annotated[DataSet | None, typer.Option(help="A known data set instead of a file.")] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="Where it lies; by default below $SHORTLIST_DATA."),
    ] = None,
    app: Declaration = DECLARATION,
    data: Data = DATA,
) -> None:
    """Import history: every row is checked, merged by event time, and appended, all of it or nothing.

    Columns with the name of a field need no --map. Bad rows are counted by reason and kept aside in a
    file, never dropped in silence. With --id, importing a row again has no second effect.
    """
    if (file is None) == (recipe is None):
        raise UsageError(
            "import",
            expected="a FILE or --recipe, one of them",
            received="neither" if file is None else "both",
            mend="shortlist import --help shows one of each.",
        )
    project = Project.load(app, data)
    with project.open_log(read_only=False) as log:
        if recipe is not None:
            sources = _of_recipe(recipe, source, log)
        else:
            assert file is not None
            one = _of_file(project, file, kind, map or [], time, unit, id)
            if id is None and len(log.scan(kind, []).columns()):
                say(
                    f"[yellow]The log has {plain(kind)} records already[/]: without --id, rows that are "
                    "among them are doubled."
                )
            sources = [one]
        report = import_all(log, sources)
    print_report(report)


def import_all(log: SqliteLog, sources: Sequence[HistorySource]) -> ImportReport:
    """Import with a progress bar."""
    with Steps() as steps:
        steps.begin("import history")
        return log.import_history(sources, steps.of("import history"))


def refuse_twice(log: SqliteLog, what: str) -> None:
    """Refuse to import rows without ids into a log that has records already: they would be doubled."""
    if log.last_seq:
        raise UsageError(
            f"log {log.folder}",
            expected=f"an empty log: the rows of {what} have no id, a second import would double them",
            received=f"{log.last_seq:,} records",
            mend="Name another folder, --data FOLDER, or delete the log's.",
        )


def print_report(report: ImportReport) -> None:
    """Print what was imported, and why the rest was not."""
    first, last = (_day(time) for time in (report.first_time_us, report.last_time_us))
    say(f"Imported [bold]{report.num_imported:,}[/] of {report.num_rows:,} rows, {first} to {last}.")
    if report.num_duplicates:
        say(f"{report.num_duplicates:,} rows were in the log already.")
    if report.num_late:
        say(f"{report.num_late:,} rows are older than the log's newest record; they count from now on.")
    if report.num_rejected:
        shown = table(">rows", "rejected because")
        for reason, count in report.reasons.items():
            shown.add_row(f"{count:,}", plain(reason))
        console().print(shown)
        say(f"They are kept in {plain(report.rejected_file)}: mend them and import that file.")


def _day(time_us: int | None) -> str:
    return "nothing" if time_us is None else f"{datetime.fromtimestamp(time_us / 1e6, UTC):%Y-%m-%d %H:%M}"


def _of_recipe(recipe: DataSet, source: Path | None, log: SqliteLog) -> list[HistorySource]:
    refuse_twice(log, f"recipe {recipe.value}")
    root = os.environ.get("SHORTLIST_DATA", "")
    folder = source if source is not None else Path(root) / _FOLDERS[recipe] if root else None
    if folder is None or not folder.is_dir():
        raise UsageError(
            f"recipe {recipe.value}",
            expected=f"the data set's folder {_FOLDERS[recipe]} below $SHORTLIST_DATA, or --from FOLDER",
            received=f"no folder {folder}" if folder is not None else "neither",
            mend="Download the data set and name its folder.",
        )
    adapter = import_module(f"shortlist.recipes.{recipe.value}.adapter")
    with Steps() as steps:
        steps.begin("read the data set")
        return cast("list[HistorySource]", adapter.history_sources(folder))


def _of_file(
    project: Project, file: Path, kind: str, mapped: Sequence[str], time: str, unit: Unit, id: str | None
) -> HistorySource:
    from shortlist.log import HistorySource

    columns_of_kind = project.app.log_schema().get(kind)
    if columns_of_kind is None:
        raise UsageError(
            "--kind",
            expected=f"one of {', '.join(project.app.log_schema())}",
            received=repr(kind) if kind else "none",
            mend="Say what the rows are, as in --kind watch.",
        )
    if not time:
        raise UsageError(
            "--time", expected="the column that says when", received="none", mend="As in --time ts --unit ms."
        )
    fields: dict[str, str] = {}
    for pair in mapped:
        field, equals, column = pair.partition("=")
        if not equals or field not in columns_of_kind:
            raise UsageError(
                f"--map {pair}",
                expected=f"FIELD=COLUMN, with a field of {kind}: {', '.join(columns_of_kind)}",
                received=repr(field),
                mend="As in --map user=user_id.",
            )
        fields[field] = column
    there = _columns_of(file)
    fields = {field: field for field in columns_of_kind if field in there} | fields
    if missing := [
        field for field in columns_of_kind if field in project.app.entities and field not in fields
    ]:
        raise UsageError(
            f"{file.name} as {kind}",
            expected=f"a column for {' and for '.join(missing)}",
            received=f"the columns {', '.join(there)}",
            mend=f"Say which it is: --map {missing[0]}=COLUMN.",
        )
    if empty := [field for field in columns_of_kind if field not in fields]:
        say(f"No column for {plain(', '.join(empty))}: left empty (--map {plain(empty[0])}=COLUMN).")
    if unused := [column for column in there if column not in {*fields.values(), time, id}]:
        say(f"Not used: {plain(', '.join(unused))}.")
    return HistorySource(kind, file, fields, time, unit.value, id)


def _columns_of(file: Path) -> list[str]:
    """Return all columns of a file; which of its rows are wrong the import says."""
    import duckdb

    reader = {".csv": "read_csv(?)", ".jsonl": _ALL_LINES, ".parquet": "read_parquet(?)"}.get(file.suffix)
    if reader is None or not file.is_file():
        raise UsageError(
            file,
            expected="a .csv, .jsonl or .parquet file",
            received="no such file" if reader is not None else "another format",
            mend="Mend the path." if reader is not None else "Convert it.",
        )
    try:
        with duckdb.connect() as connection:
            found = connection.execute(f"DESCRIBE SELECT * FROM {reader}", [str(file)]).fetchall()
    except duckdb.Error as error:
        raise UsageError(
            file, expected="a table", received=str(error).splitlines()[0], mend="Mend the file."
        ) from None
    return [row[0] for row in found]
