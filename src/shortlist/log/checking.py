"""The check of a source's rows, in SQL: every row with its values, or with the first fault it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shortlist.log import duck
from shortlist.log.cells import Rule, field_rule, id_rule, missing, time_rule
from shortlist.log.errors import HistoryInvalid, UnknownKind
from shortlist.log.history import Constant, HistorySource
from shortlist.log.schema import EventSchema
from shortlist.log.sources import OpenSource, open_source


@dataclass(frozen=True)
class Fault:
    """What a row may be rejected for; `cell` is the SQL expression of what came instead."""

    field: str
    expected: str
    cell: str


@dataclass(frozen=True)
class CheckedSource:
    """A source whose rows were checked.

    Attributes:
        table: has `row_number`, `fault` (an index into `faults`, or -1), `time_us`, `event_id`, and
            field number i of the schema as `value{i}`.
        unreadable: the table of lines that are no row: `row_number`, `line`, `problem`.
        num_rows: all rows, the unreadable ones included.
    """

    name: str
    schema: EventSchema
    opened: OpenSource
    faults: list[Fault]
    table: str
    unreadable: str
    has_ids: bool
    num_rows: int


def check_source(
    connection: Any, source: HistorySource, number: int, schemas: Mapping[str, EventSchema], upto_us: int
) -> CheckedSource:
    """Read a source once, checking every row; event times may not pass `upto_us`.

    Raises:
        UnknownKind: when no schema declares its kind.
        HistoryInvalid: when the source cannot be read as declared.
    """
    if source.kind not in schemas:
        raise UnknownKind(source.kind, schemas)
    schema = schemas[source.kind]
    constants = _check_mapping(source, schema)
    opened = open_source(connection, source, number)
    faults = [Fault("row", "a JSON object", opened.record)]
    found = [f"{opened.malformed} AS malformed"]
    conditions = ["malformed"]
    values = []

    def add(name: str, column: str, rule: Rule, field: str, *, optional: bool) -> None:
        cell = opened.cells[column][0]
        found.append(f"{missing(cell)} AS {name}_missing, {rule.value} AS {name}_read")
        fits = f"coalesce({name}_read IS NOT NULL AND {rule.fits.format(value=f'{name}_read')}, false)"
        conditions.append(
            f"NOT {name}_missing AND NOT {fits}" if optional else f"{name}_missing OR NOT {fits}"
        )
        values.append(f"CASE WHEN NOT {name}_missing THEN {name}_read END AS {name}")
        faults.append(Fault(field, rule.expected, cell))

    add(
        "time_us",
        source.time,
        time_rule(*opened.cells[source.time], source.time_unit, upto_us),
        "time",
        optional=False,
    )
    if source.id is None:
        values.append("NULL::VARCHAR AS event_id")
    else:
        add("event_id", source.id, id_rule(opened.cells[source.id][0]), "id", optional=False)
    for position, (field, type_) in enumerate(schema.fields.items()):
        column = source.fields.get(field)
        if isinstance(column, str):
            rule = field_rule(*opened.cells[column], type_)
            add(f"value{position}", column, rule, field, optional=field in schema.optional)
        else:
            constant = duck.text(str(constants[field])) if field in constants else "NULL"
            values.append(f"{constant}::{duck.SQL_TYPES[type_]} AS value{position}")
    cases = " ".join(f"WHEN {condition} THEN {i}" for i, condition in enumerate(conditions))
    table, unreadable = f"checked_{number}", f"unreadable_{number}"
    connection.execute(
        f"CREATE TABLE {table} AS SELECT row_number, CASE {cases} ELSE -1 END AS fault, {', '.join(values)} "
        f"FROM (SELECT row_number, {', '.join(found)} FROM {opened.rows})"
    )
    _keep_unreadable(connection, opened, unreadable)
    (num_rows,) = duck.row(
        connection, f"SELECT (SELECT count(*) FROM {table}) + (SELECT count(*) FROM {unreadable})"
    )
    return CheckedSource(
        source.name, schema, opened, faults, table, unreadable, source.id is not None, num_rows
    )


def _keep_unreadable(connection: Any, opened: OpenSource, table: str) -> None:
    lines = "SELECT 0 AS line, '' AS csv_line, '' AS error_message WHERE false"
    if opened.rejects:
        lines = f"SELECT line, csv_line, error_message FROM {opened.rejects}"
    # One line can have several problems; the first is enough to find it.
    connection.execute(
        f"CREATE TABLE {table} AS SELECT (line - {opened.num_header_lines})::BIGINT AS row_number, "
        f"first(csv_line) AS line, first(error_message) AS problem FROM ({lines}) GROUP BY ALL"
    )


def _check_mapping(source: HistorySource, schema: EventSchema) -> dict[str, object]:
    """Check that the source fits the schema; return its constants in their stored form."""
    if unknown := sorted(set(source.fields) - set(schema.fields)):
        raise HistoryInvalid(
            f"{source.name}: fields maps {unknown}, but {schema.kind} has {list(schema.fields)}. "
            f"Mend the names."
        )
    if absent := sorted(set(schema.fields) - set(source.fields) - schema.optional):
        raise HistoryInvalid(
            f"{source.name}: expected a column for each required field, none is named for {absent}. "
            f'Add them to the source\'s fields, as in {{"{absent[0]}": "its_column"}}.'
        )
    constants = {field: value.value for field, value in source.fields.items() if isinstance(value, Constant)}
    return EventSchema(schema.kind, {field: schema.fields[field] for field in constants}).check(constants)
