"""The errors of the log: each names the thing, what was expected, what came, and the mend."""

from __future__ import annotations

from collections.abc import Iterable


class LogError(Exception):
    """Anything the log refuses or cannot do."""


class EventRejected(LogError, ValueError):
    """An event that does not fit its schema; `field` names the field."""

    def __init__(self, kind: str, field: str, *, expected: str, received: str, mend: str) -> None:
        super().__init__(f"{kind}.{field}: expected {expected}, received {received}. {mend}")
        self.kind = kind
        self.field = field
        self.expected = expected
        self.received = received
        self.mend = mend


class UnknownKind(LogError, ValueError):
    """An event or a scan of a kind that no schema declares."""

    def __init__(self, kind: str, known: Iterable[str]) -> None:
        super().__init__(
            f"kind: expected one of {sorted(known)}, received {kind!r}. Declare the event, or mend its name."
        )
        self.kind = kind


class SchemaInvalid(LogError, ValueError):
    """A schema that the log cannot keep."""


class SchemaChanged(LogError, ValueError):
    """A schema that no longer fits the events already in the log."""

    def __init__(self, kind: str, field: str, *, before: str, now: str) -> None:
        super().__init__(
            f"{kind}.{field}: expected {before}, as in the events already in the log, received {now}. "
            f"Keep the field as it was, or give the new one a new name (fields and kinds may be added)."
        )
        self.kind = kind
        self.field = field


class LogLocked(LogError, ValueError):
    """Another process, or another opener in this one, writes to the folder."""


class LogMissing(LogError, ValueError):
    """There is no log in the folder."""


class HistoryInvalid(LogError, ValueError):
    """A history source that cannot be read as declared; single bad rows are reported, not raised."""


class LogBusy(LogError):
    """The queue of the writer is full: try again later, or shed the request."""


class LogClosed(LogError):
    """The log was closed, or opened for reading only."""


class CommitFailed(LogError):
    """The events could not be made durable (a full disk, a foreign lock); none of them was kept."""
