"""What goes into the log, and what comes back."""

from __future__ import annotations

from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True):
    """Something that happened, not yet in the log.

    Attributes:
        kind: the name of its schema.
        fields: field name to value, as `EventSchema.check` returned them.
        event_time_us: when it happened, UTC microseconds; None means when the log learns of it.
        id: names the event once and for all; a second event with the id has no effect.
    """

    kind: str
    fields: dict[str, Any]
    event_time_us: int | None = None
    id: str | None = None


class Record(msgspec.Struct, frozen=True):
    """An event in the log: where it stands (`seq`, from 1) and when the log learned of it.

    Fields that are null are absent from `fields`.
    """

    seq: int
    log_time_us: int
    kind: str
    event_time_us: int
    id: str | None
    fields: dict[str, Any]


class Appended(msgspec.Struct, frozen=True):
    """The log's receipt: the event's position; of a duplicate, the position of the first."""

    seq: int
    duplicate: bool
