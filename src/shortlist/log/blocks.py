"""Blocks: events of one kind that came together, kept as columns in one row of the tail.

A server logs what it showed in one answer as a block: what holds for all of it is stored once, numbers
are stored as their bytes, and twenty events cost one row of SQLite instead of twenty.

Shapes: N events of a block, W numbers in the list of each, B blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from shortlist.log.columns import NULL_INT, Column, Floats, Strings, offsets_from_lengths
from shortlist.log.errors import EventRejected
from shortlist.log.schema import EventSchema, FieldType
from shortlist.log.values import CHECKS, MAX_FLOAT, MAX_TIME_US, Refused, check_str

Cells = dict[str, Any]
"""A block's values by field. Text is a list, of one for all events or of N; numbers are an array, of one
or of N, of the dtype in `_DTYPES`; a list of numbers is float32[N, W]. A field that is absent is null."""

_DTYPES: Mapping[str, np.dtype[Any]] = {
    type_: np.dtype(name)
    for type_, name in {"int": "<i8", "time": "<i8", "float": "<f8", "bool": "<i1", "floats": "<f4"}.items()
}
_NULLS: Mapping[str, Any] = {"int": NULL_INT, "time": NULL_INT, "float": np.nan, "bool": -1}
_decode = msgspec.msgpack.Decoder(dict[str, list[str | None] | bytes]).decode


@dataclass(frozen=True, slots=True)
class Block:
    """Events of one kind, not yet in the log, that happen when the log learns of them; they have no ids.

    The log reads the arrays in its own thread: they must not change any more.

    Attributes:
        kind: the name of their schema.
        num_events: N, one or more.
        fields: field name to value. A plain value, as `EventSchema.check` takes it, holds for all the
            events. Otherwise text is a list of N, null None; the rest are arrays as in `Columns`: int
            and time int64[N] with null NULL_INT, float float64[N] with null NaN, bool int8[N] with null
            -1, floats float32[N, W] with an unknown number NaN. None, or no value, is null for all.
    """

    kind: str
    num_events: int
    fields: Mapping[str, object]


def check_block(schema: EventSchema, block: Block) -> Cells:
    """Return the block's values as they are stored.

    Raises:
        EventRejected: for a missing, unknown or ill-typed field, as `EventSchema.check` does; for a block of
            no events.
    """
    if block.num_events < 1:
        raise EventRejected(
            schema.kind, "num_events", expected="one event or more", received=str(block.num_events),
            mend="Log nothing where there is nothing.",
        )  # fmt: skip
    cells: Cells = {}
    for name, value in block.fields.items():
        if value is None:
            continue
        type_ = schema.fields.get(name)
        try:
            if type_ is None:
                raise Refused(f"one of the declared fields {list(schema.fields)}", "Mend its name.")
            cells[name] = _checked(type_, value, block.num_events, nullable=name in schema.optional)
        except Refused as refused:
            raise EventRejected(
                schema.kind, name, expected=refused.expected, received=repr(value)[:80], mend=refused.mend
            ) from None
    for name in schema.required - cells.keys():
        raise EventRejected(
            schema.kind, name, expected="a value", received="none", mend="Give it, or declare it optional."
        )
    return cells


def encode_cells(cells: Cells) -> bytes:
    """Return the body of a block; its events are counted beside it."""
    return msgspec.msgpack.encode(
        {name: cell if isinstance(cell, list) else cell.tobytes() for name, cell in cells.items()}
    )


def decode_cells(schema: EventSchema, body: bytes, num_events: int) -> Cells:
    """Return the values of a stored block, those of the schema's fields."""
    cells: Cells = {}
    for name, stored in _decode(body).items():
        type_ = schema.fields.get(name)
        if type_ is not None and isinstance(stored, bytes):
            array = np.frombuffer(stored, _DTYPES[type_])
            cells[name] = array.reshape(num_events, -1) if type_ == "floats" else array
        elif type_ is not None:
            cells[name] = stored
    return cells


def values_of_cells(schema: EventSchema, cells: Cells, num_events: int) -> dict[str, list[Any]]:
    """Return a block's values as Python values by field, one for each event, None for null."""
    values: dict[str, list[Any]] = {}
    for name, cell in cells.items():
        type_ = schema.fields[name]
        plain = cell if isinstance(cell, list) else cell.tolist()
        if type_ not in ("str", "floats"):
            nulls = _is_null(type_, cell).tolist()
            is_bool = type_ == "bool"
            plain = [
                None if null else bool(value) if is_bool else value
                for value, null in zip(plain, nulls, strict=True)
            ]
        values[name] = plain * num_events if len(plain) == 1 else plain
    return values


def column_of_cells(type_: FieldType, cells: Sequence[Any], counts: npt.NDArray[np.int64]) -> Column:
    """Return the column of a field of consecutive blocks, one or more.

    Args:
        type_: the field's.
        cells: of each block its values, None for null, see `Cells`.
        counts: int64[B], the events of each.
    """
    if type_ == "str":
        return _strings([[None] if cell is None else cell for cell in cells], counts)
    if type_ == "floats":
        widths = [0 if cell is None else cell.shape[1] for cell in cells]
        values = [cell.reshape(-1) for cell in cells if cell is not None]
        offsets = offsets_from_lengths(np.array(widths, np.int64).repeat(counts))
        return Floats(offsets, np.concatenate(values) if values else np.empty(0, np.float32))
    null = np.array([_NULLS[type_]], _DTYPES[type_])
    cells = [null if cell is None else cell for cell in cells]
    sizes = np.array([len(cell) for cell in cells])
    joined: npt.NDArray[Any] = np.concatenate(cells)
    # An array of one stands for all events of its block, any other for each.
    return joined.repeat(np.where(sizes == 1, counts, 1).repeat(sizes))


def _strings(cells: list[list[str | None]], counts: npt.NDArray[np.int64]) -> Strings:
    if len(cells) == 1 and len(cells[0]) == len(distinct := set(cells[0])) and None not in distinct:
        # The items of a slate, or what holds for all of it.
        numbered = np.arange(len(cells[0]), dtype=np.int32)
        return Strings(numbered.repeat(counts) if len(numbered) == 1 else numbered, [*cells[0]])  # type: ignore[list-item]
    codes: dict[str | None, int] = {None: -1}
    rows: list[int] = []
    for cell, count in zip(cells, counts.tolist(), strict=True):
        numbers = [codes.setdefault(value, len(codes) - 1) for value in cell]
        rows += numbers if len(numbers) == count else numbers * count
    del codes[None]
    return Strings(np.array(rows, np.int32), list(codes))  # type: ignore[arg-type]


def _checked(type_: FieldType, value: object, num_events: int, *, nullable: bool) -> Any:
    if type_ == "str" and isinstance(value, list):
        _check_length(len(value), num_events)
        for text in value:
            if text is not None or not nullable:
                check_str(text)
        return value
    if not isinstance(value, np.ndarray):
        plain = CHECKS[type_](value)
        if type_ == "str":
            return [plain]
        if type_ == "floats":
            return np.tile(np.array(plain, _DTYPES[type_]), (num_events, 1))
        return np.array([plain], _DTYPES[type_])
    if type_ == "str" or value.dtype != _DTYPES[type_] or value.ndim != (2 if type_ == "floats" else 1):
        raise Refused(f"the column of a {type_} field", "See Block.")
    _check_length(len(value), num_events)
    _check_numbers(type_, value)
    if not nullable and type_ != "floats" and _any(_is_null(type_, value)):
        raise Refused("a value for each event", "Give it, or declare the field optional.")
    return value


def _check_length(length: int, num_events: int) -> None:
    if length != num_events:
        raise Refused(f"{num_events} values, one for each event", "Give one value for all, or one for each.")


def _check_numbers(type_: FieldType, values: npt.NDArray[Any]) -> None:
    """Refuse what `CHECKS` refuses of a single value, in all of them at once."""
    if type_ == "float" and _any(np.abs(values) >= MAX_FLOAT):
        raise Refused("finite numbers between -2**31 and 2**31", "Choose a larger unit, or leave them out.")
    if type_ == "floats" and _any(np.isinf(values)):
        raise Refused("numbers that fit 32 bits", "Give NaN for an unknown number.")
    if type_ == "bool" and _any((values < -1) | (values > 1)):
        raise Refused("1, 0, or -1 for null", "Mend them.")
    if type_ == "time" and _any(np.abs(values) > MAX_TIME_US):  # of NULL_INT this is NULL_INT, no more
        raise Refused("times in UTC microseconds, before the year 11,000", "Are these nanoseconds?")


def _any(truths: npt.NDArray[np.bool_]) -> bool:
    return bool(np.count_nonzero(truths))  # of a few values, half the time that `any` takes


def _is_null(type_: FieldType, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    null: npt.NDArray[np.bool_] = np.isnan(values) if type_ == "float" else values == _NULLS[type_]
    return null
