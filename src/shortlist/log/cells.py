"""Cells to values, in SQL: how an import reads one cell of a file as a field's type, and what it refuses.

The rules are those of `values`, a little wider where files are looser than JSON: a whole number may be
an entity's id, and text may spell a number or a truth value.
"""

from __future__ import annotations

from typing import NamedTuple

from shortlist.log import duck
from shortlist.log.schema import FieldType
from shortlist.log.values import MAX_FLOAT, MAX_ID_CHARS, MAX_INT, MAX_STR_CHARS, MAX_TIME_US

_US_PER_UNIT = {"us": 1, "ms": 1_000, "s": 1_000_000}


class Rule(NamedTuple):
    """How to read a cell.

    Attributes:
        value: the SQL expression of the value, null when the cell cannot be read.
        fits: the SQL condition, over `{value}`, that a value that was read must meet.
        expected: what a message says was expected.
    """

    value: str
    fits: str
    expected: str


def missing(cell: str) -> str:
    """Return the condition that a cell holds nothing."""
    return f"({cell} IS NULL OR {cell}::VARCHAR = '')"


def field_rule(cell: str, cell_type: str, type_: FieldType) -> Rule:
    """Return the rule of a field; `cell` is an SQL expression of the SQL type `cell_type`."""
    if type_ == "str":
        return Rule(
            f"{cell}::VARCHAR",
            f"length({{value}}) <= {MAX_STR_CHARS}",
            f"text of 1 to {MAX_STR_CHARS} characters",
        )
    if type_ == "int":
        return Rule(_whole(cell), f"{{value}} >= {-MAX_INT}", "a whole number of 64 bits")
    if type_ == "float":
        limit = f"{MAX_FLOAT:.1f}::DOUBLE"
        return Rule(
            f"TRY_CAST({cell} AS DOUBLE)",
            f"isfinite({{value}}) AND abs({{value}}) < {limit}",
            "a finite number between -2**31 and 2**31",
        )
    if type_ == "bool":
        return Rule(
            f"CASE WHEN lower({cell}::VARCHAR) IN ('true', 't', 'yes', '1', '1.0') THEN true "
            f"WHEN lower({cell}::VARCHAR) IN ('false', 'f', 'no', '0', '0.0') THEN false END",
            "true",
            "true or false",
        )
    if type_ == "time":
        readings = [_moment(cell)] if _is_moment(cell_type) else [_whole(cell), _rfc3339(cell)]
        return Rule(
            f"coalesce({', '.join(readings)})",
            f"{{value}} BETWEEN {-MAX_TIME_US} AND {MAX_TIME_US}",
            "RFC 3339 text with a zone, or UTC microseconds",
        )
    texts = f"list_filter(TRY_CAST({cell} AS VARCHAR[]), lambda number: number IS NULL)"
    return Rule(
        duck.nan_for_null(
            # An element that is no number must not pass for an unknown one.
            f"CASE WHEN len(list_filter(TRY_CAST({cell} AS FLOAT[]), lambda number: number IS NULL)) "
            f"= len({texts}) THEN TRY_CAST({cell} AS FLOAT[]) END"
        ),
        "len(list_filter({value}, lambda number: isinf(number))) = 0",
        "a list of numbers that fit 32 bits",
    )


def time_rule(cell: str, cell_type: str, unit: str, upto_us: int) -> Rule:
    """Return the rule of the event time: not negative, not later than `upto_us`."""
    limits = f"{{value}} BETWEEN 0 AND {upto_us}"
    expected = f"a time in {unit} from 1970 to now"
    if _is_moment(cell_type):
        return Rule(_moment(cell), limits, "a time from 1970 to now")
    if unit == "rfc3339":
        return Rule(_rfc3339(cell), limits, "RFC 3339 text with a zone, from 1970 to now")
    # Exact in 64-bit floats: a microsecond time stays below 2**53 until the year 2255.
    number = f"TRY_CAST({cell} AS DOUBLE)"
    return Rule(f"TRY_CAST(round({number} * {_US_PER_UNIT[unit]}) AS BIGINT)", limits, expected)


def id_rule(cell: str) -> Rule:
    """Return the rule of the event id."""
    return Rule(
        f"{cell}::VARCHAR",
        f"length({{value}}) <= {MAX_ID_CHARS} AND NOT regexp_matches({{value}}, '[\\x00-\\x1f\\x7f]')",
        f"1 to {MAX_ID_CHARS} printable characters",
    )


def _whole(cell: str) -> str:
    # A cast alone would round 1.5 to 2.
    whole = f"TRY_CAST({cell} AS BIGINT)"
    return f"CASE WHEN {whole}::DOUBLE = TRY_CAST({cell} AS DOUBLE) THEN {whole} END"


def _is_moment(cell_type: str) -> bool:
    return cell_type.startswith(("TIMESTAMP", "DATE"))


def _moment(cell: str) -> str:
    return f"epoch_us({cell}::TIMESTAMPTZ)"


def _rfc3339(cell: str) -> str:
    text = f"{cell}::VARCHAR"
    zoned = f"regexp_matches({text}, '(Z|z|[+-][0-9][0-9]:?[0-9][0-9])$')"
    return f"CASE WHEN {zoned} THEN epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)) END"
