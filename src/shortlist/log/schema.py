"""The schema of one kind of event, and the check of one event against it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from shortlist.log.errors import EventRejected, SchemaInvalid
from shortlist.log.values import CHECKS, Refused

FieldType = Literal["str", "int", "float", "bool", "time", "floats"]
"""What a field holds; `time` is UTC microseconds inside, RFC 3339 outside; `floats` a list."""

RECORD_COLUMNS = ("seq", "log_time_us", "event_time_us", "id")
"""The columns every event has, which no field may take."""

_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,99}")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")


@dataclass(frozen=True)
class EventSchema:
    """The typed fields of one kind of event; entity ids are ordinary "str" fields.

    Args:
        kind: the kind's name, also its file name: lower-case letters, digits, `_`, `.` and `-`.
        fields: field name to type.
        optional: the fields an event may leave out.

    Raises:
        SchemaInvalid: for a name or type the log cannot keep.
    """

    kind: str
    fields: Mapping[str, FieldType]
    optional: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise SchemaInvalid(
                f"kind {self.kind!r}: expected lower-case letters, digits, '_', '.' and '-', "
                f"a letter first. Rename the event."
            )
        lowered = [name.lower() for name in self.fields]
        for name, type_ in self.fields.items():
            if (
                not _FIELD.fullmatch(name)
                or name.lower() in RECORD_COLUMNS
                or lowered.count(name.lower()) > 1
            ):
                raise SchemaInvalid(
                    f"{self.kind}.{name}: expected a name of letters, digits, '_' and '.', none of "
                    f"{RECORD_COLUMNS}, and not only in case unlike another field. Rename the field."
                )
            if type_ not in get_args(FieldType):
                raise SchemaInvalid(
                    f"{self.kind}.{name}: expected a type of {get_args(FieldType)}, received {type_!r}."
                )
        if unknown := sorted(self.optional - set(self.fields)):
            raise SchemaInvalid(f"{self.kind}: optional names {unknown}, which are no fields.")
        object.__setattr__(self, "fields", dict(self.fields))

    @cached_property
    def required(self) -> frozenset[str]:
        """The fields that an event may not leave out."""
        return frozenset(self.fields) - self.optional

    def check(self, fields: Mapping[str, object]) -> dict[str, object]:
        """Return the event's fields in their stored form; a None in an optional field is left out.

        Whole numbers are accepted for floats, RFC 3339 text for times.

        Raises:
            EventRejected: for a missing, unknown or ill-typed field; it names the field.
        """
        checked: dict[str, object] = {}
        for name, type_ in self.fields.items():
            value = fields.get(name)
            if value is not None:
                try:
                    checked[name] = CHECKS[type_](value)
                except Refused as refused:
                    raise EventRejected(
                        self.kind,
                        name,
                        expected=refused.expected,
                        received=_shown(value),
                        mend=refused.mend,
                    ) from None
            elif name not in self.optional:
                raise EventRejected(
                    self.kind,
                    name,
                    expected=f"a value ({type_})",
                    received="null" if name in fields else "no such field",
                    mend="Send it, or declare the field optional.",
                )
        if len(checked) < len(fields):
            for name in fields:
                if name not in self.fields:
                    raise EventRejected(
                        self.kind,
                        name,
                        expected=f"one of the declared fields {list(self.fields)}",
                        received="an unknown field",
                        mend="Mend its name, or declare it.",
                    )
        return checked


def _shown(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:77] + '...'}"
