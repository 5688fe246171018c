"""Records in: events, and updates of items and users; each is judged on its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import msgspec

from shortlist.declare.app import App
from shortlist.declare.entities import Entity
from shortlist.declare.events import IMPRESSION
from shortlist.log.bodies import Encoded
from shortlist.log.errors import EventRejected, LogError
from shortlist.log.protocol import EventLog
from shortlist.log.record import Appended, Event
from shortlist.log.schema import EventSchema
from shortlist.online.problems import Fault, Problem, decode, shown
from shortlist.online.room import Room
from shortlist.online.router import Request, Response
from shortlist.online.schema import MAX_BATCH, Accepted, Duplicate, IngestAnswer, Rejected, Result
from shortlist.online.service import Service

MAX_ID_CHARS = 512
_ANY = msgspec.json.Decoder(Any)
_TIME = EventSchema("event", {"time": "time"}, frozenset())
_SMALL_BATCH = 50
_SMALL_BODY_BYTES = 64 << 10
MAX_UNDER_WAY = 128


class Draft(NamedTuple):
    """One record of a batch: ready for the log, or what is wrong with it; `kind` is for the metrics."""

    kind: str
    encoded: Encoded | None
    fault: Fault | None


Judge = Callable[[EventLog, Any], Draft]


class Ingest:
    """Accepts what fits, says of the rest why not, and answers when all of it is durable and folded."""

    def __init__(self, app: App, service: Service) -> None:
        self._app = app
        self._service = service
        self.room = Room(MAX_UNDER_WAY)

    async def post_events(self, request: Request) -> Response:
        """POST /v1/events."""
        rows = await _rows_of(request.body, "events", single="type")
        return await self._append(rows, self._event)

    async def put_items(self, request: Request) -> Response:
        """PUT /v1/items."""
        return await self._put(request, "items", self._app.item_entity)

    async def put_users(self, request: Request) -> Response:
        """PUT /v1/users."""
        return await self._put(request, "users", self._app.user_entity)

    async def _put(self, request: Request, name: str, entity: Entity) -> Response:
        rows = await _rows_of(request.body, name, single=entity.entity_name)
        kind = entity.entity_name
        return await self._append(
            rows, lambda log, row: _draft(kind, row, lambda fields: log.encode(Event(kind, fields)))
        )

    def _event(self, log: EventLog, row: object) -> Draft:
        named = row.get("type") if isinstance(row, dict) else None
        kind = named if isinstance(named, str) and named in self._app.events else None

        def check(row: dict[str, Any]) -> Encoded:
            if kind is None:
                raise EventRejected(
                    "event", "type",
                    expected=f"one of {', '.join(self._app.events)}",
                    received=shown(named) if "type" in row else "no such field",
                    mend=self._why_no_event(named),
                )  # fmt: skip
            fields = dict(row)
            time, id_ = fields.pop("time", None), fields.pop("id", None)
            del fields["type"]
            return log.encode(Event(kind, fields, _time(time), _id(id_)))

        return _draft("unknown" if kind is None else kind, row, check)

    def _why_no_event(self, kind: object) -> str:
        if kind == IMPRESSION:
            return "The server logs an impression itself for every slot it serves."
        if isinstance(kind, str) and kind in self._app.entities:
            return "Attributes of items and users are sent with PUT /v1/items and PUT /v1/users."
        return "Mend its name, or declare the event."

    async def _append(self, rows: Sequence[object], judge: Judge) -> Response:
        """Log the rows that are events; the rest become rejections, each in its place."""
        log = self._service.opened.log
        try:
            if len(rows) <= _SMALL_BATCH:
                drafts, waiting = _submit(rows, judge, log)
            else:  # checking takes milliseconds, which others need not wait for
                drafts, waiting = await asyncio.to_thread(_submit, rows, judge, log)
            appended = [] if waiting is None else await asyncio.wrap_future(waiting)
        except LogError as error:
            # Each event was checked, so this is not the client's doing: the log is busy, full or closing.
            raise Problem("not-ready", str(error), retry_after="1") from error
        receipts = map(_receipt, appended)
        results = [next(receipts) if draft.fault is None else Rejected(draft.fault) for draft in drafts]
        self._count(drafts, results)
        if waiting is None:
            faults = [result.problem for result in results if isinstance(result, Rejected)]
            raise Problem("events-rejected", faults[0], faults=faults)
        return Response(IngestAnswer(results))

    def _count(self, drafts: Sequence[Draft], results: Sequence[Result]) -> None:
        pairs = zip(drafts, results, strict=True)
        counts = Counter((draft.kind, type(result).__name__.lower()) for draft, result in pairs)
        for (kind, result), count in counts.items():
            self._service.telemetry.events.labels(kind, result).inc(count)


def _submit(
    rows: Sequence[object], judge: Judge, log: EventLog
) -> tuple[list[Draft], Future[list[Appended]] | None]:
    drafts = [judge(log, row) for row in rows]
    events = [draft.encoded for draft in drafts if draft.encoded is not None]
    return drafts, log.submit_encoded(events) if events else None


async def _rows_of(body: bytes, name: str, single: str) -> list[Any]:
    if len(body) <= _SMALL_BODY_BYTES:
        return _rows(decode(body, _ANY), name, single)
    return _rows(await asyncio.to_thread(decode, body, _ANY), name, single)


def _rows(body: object, name: str, single: str) -> list[Any]:
    """Return the batch in a body: its list `name`, or the body itself when it has the field `single`."""
    if isinstance(body, dict) and single in body:
        return [body]
    rows = body.get(name) if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(rows, list) or not 1 <= len(rows) <= MAX_BATCH:
        received = (
            f"{len(rows)} records"
            if isinstance(rows, list)
            else shown(rows if isinstance(body, dict) else body)
        )
        raise Problem(
            "invalid-request",
            Fault.of(
                name, expected=f"a list of 1 to {MAX_BATCH} records", received=received,
                mend=f'Send {{"{name}": [...]}}, in several requests when there are more.',
            ),
        )  # fmt: skip
    if unknown := sorted(body.keys() - {name}):
        fault = Fault.of(
            unknown[0], expected=f"only {name}", received="an unknown field", mend="Leave it out."
        )
        raise Problem("invalid-request", fault)
    return rows


def _draft(kind: str, row: object, check: Callable[[dict[str, Any]], Encoded]) -> Draft:
    if not isinstance(row, dict):
        fault = Fault.of("record", expected="an object", received=shown(row), mend="See /openapi.json.")
        return Draft(kind, None, fault)
    try:
        return Draft(kind, check(row), None)
    except EventRejected as error:
        fault = Fault.of(error.field, expected=error.expected, received=error.received, mend=error.mend)
        return Draft(kind, None, fault)


def _receipt(appended: Appended) -> Result:
    return Duplicate(appended.seq) if appended.duplicate else Accepted(appended.seq)


def _time(value: object) -> int | None:
    if value is None:
        return None
    time_us = _TIME.check({"time": value}).get("time")
    assert isinstance(time_us, int)
    if time_us < 0:
        raise EventRejected(
            "event",
            "time",
            expected="a time from 1970 on",
            received=shown(value),
            mend="Mend it, or leave it out.",
        )
    return time_us


def _id(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARS and value.isprintable():
        return value
    raise EventRejected(
        "event", "id", expected=f"text of 1 to {MAX_ID_CHARS} printable characters", received=shown(value),
        mend="Send an identifier such as a UUID.",
    )  # fmt: skip
