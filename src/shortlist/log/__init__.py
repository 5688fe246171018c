"""The event log: the one durable, ordered truth that features, datasets and monitors fold."""

from __future__ import annotations

from shortlist.log.blocks import Block
from shortlist.log.bodies import Encoded
from shortlist.log.columns import (
    NULL_INT,
    Batch,
    Column,
    Columns,
    Floats,
    Strings,
    columns_from_records,
    concatenate,
)
from shortlist.log.errors import (
    CommitFailed,
    EventRejected,
    HistoryInvalid,
    LogBusy,
    LogClosed,
    LogError,
    LogLocked,
    LogMissing,
    SchemaChanged,
    SchemaInvalid,
    UnknownKind,
)
from shortlist.log.history import Constant, HistorySource, ImportReport
from shortlist.log.protocol import EventLog
from shortlist.log.record import Appended, Event, Record
from shortlist.log.remote import RemoteLog
from shortlist.log.scan import Scan
from shortlist.log.schema import EventSchema, FieldType
from shortlist.log.sqlite import SqliteLog, now_us

__all__ = [
    "NULL_INT",
    "Appended",
    "Batch",
    "Block",
    "Column",
    "Columns",
    "CommitFailed",
    "Constant",
    "Encoded",
    "Event",
    "EventLog",
    "EventRejected",
    "EventSchema",
    "FieldType",
    "Floats",
    "HistoryInvalid",
    "HistorySource",
    "ImportReport",
    "LogBusy",
    "LogClosed",
    "LogError",
    "LogLocked",
    "LogMissing",
    "Record",
    "RemoteLog",
    "Scan",
    "SchemaChanged",
    "SchemaInvalid",
    "SqliteLog",
    "Strings",
    "UnknownKind",
    "columns_from_records",
    "concatenate",
    "now_us",
]
