"""Records in: events, and updates of items and users; each is judged on its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from shortlist.declare.app import App
from shortlist.declare.entities import Entity
from shortlist.declare.events import IMPRESSION
from shortlist.features.schema import log_schemas
from shortlist.log.errors import EventRejected, LogError
from shortlist.log.record import Event
from shortlist.log.schema import EventSchema
from shortlist.online.problems import Fault, Problem, decode, shown
from shortlist.online.router import Request, Response
from shortlist.online.schema import MAX_BATCH, Accepted, Duplicate, IngestAnswer, Rejected, Result
from shortlist.online.service import Service

MAX_ID_CHARS = 512
_ANY = msgspec.json.Decoder(Any)
_TIME = EventSchema("event", {"time": "time"}, frozenset({"time"}))
_ENVELOPE = ("type", "id", "time")


class Ingest:
    """Accepts what fits, says of the rest why not, and answers when all of it is durable and folded."""

    def __init__(self, app: App, service: Service) -> None:
        self._app = app
        self._service = service
        self._schemas = {schema.kind: schema for schema in log_schemas(app)}

    async def post_events(self, request: Request) -> Response:
        """POST /v1/events."""
        rows = _rows(decode(request.body, _ANY), "events", single="type")
        return await self._append([self._event(row) for row in rows])

    async def put_items(self, request: Request) -> Response:
        """PUT /v1/items."""
        return await self._put(request, "items", self._app.item_entity)

    async def put_users(self, request: Request) -> Response:
        """PUT /v1/users."""
        return await self._put(request, "users", self._app.user_entity)

    async def _put(self, request: Request, name: str, entity: Entity) -> Response:
        rows = _rows(decode(request.body, _ANY), name, single=entity.entity_name)
        schema = self._schemas[entity.entity_name]
        return await self._append(
            [_checked(row, lambda row: Event(schema.kind, schema.check(row))) for row in rows]
        )

    def _event(self, row: object) -> Event | Fault:
        def check(row: dict[str, Any]) -> Event:
            kind = row.get("type")
            if not isinstance(kind, str) or kind not in self._app.events:
                raise EventRejected(
                    "event", "type",
                    expected=f"one of {', '.join(self._app.events)}",
                    received=shown(kind) if "type" in row else "no such field",
                    mend=self._why_no_event(kind),
                )  # fmt: skip
            fields = self._schemas[kind].check({name: row[name] for name in row if name not in _ENVELOPE})
            return Event(kind, fields, _time(row.get("time")), _id(row.get("id")))

        return _checked(row, check)

    def _why_no_event(self, kind: object) -> str:
        if kind == IMPRESSION:
            return "The server logs an impression itself for every slot it serves."
        if isinstance(kind, str) and kind in self._app.entities:
            return "Attributes of items and users are sent with PUT /v1/items and PUT /v1/users."
        return "Mend its name, or declare the event."

    async def _append(self, drafts: Sequence[Event | Fault]) -> Response:
        """Log the events among the drafts; the rest become rejections, each in its place."""
        events = [draft for draft in drafts if isinstance(draft, Event)]
        faults = [draft for draft in drafts if isinstance(draft, Fault)]
        if not events:
            self._count(drafts, [])
            raise Problem("events-rejected", faults[0], faults=faults)
        log = self._service.opened.log
        try:
            appended = await asyncio.wrap_future(log.submit(events))
        except LogError as error:
            # Each event was checked, so this is not the client's doing: the log is busy, full or closing.
            raise Problem("not-ready", str(error), retry_after="1") from error
        receipts = [Duplicate(one.seq) if one.duplicate else Accepted(one.seq) for one in appended]
        self._count(drafts, receipts)
        waiting = iter(receipts)
        results: list[Result] = [
            next(waiting) if isinstance(draft, Event) else Rejected(draft) for draft in drafts
        ]
        return Response(IngestAnswer(results))

    def _count(self, drafts: Sequence[Event | Fault], receipts: Sequence[Accepted | Duplicate]) -> None:
        kinds = [draft.kind for draft in drafts if isinstance(draft, Event)]
        counts = Counter(
            (kind, "accepted" if isinstance(receipt, Accepted) else "duplicate")
            for kind, receipt in zip(kinds, receipts, strict=True)
        )
        counts["unknown", "rejected"] = sum(isinstance(draft, Fault) for draft in drafts)
        for (kind, result), count in counts.items():
            self._service.telemetry.events.labels(kind, result).inc(count)


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


def _checked(row: object, check: Callable[[dict[str, Any]], Event]) -> Event | Fault:
    if not isinstance(row, dict):
        return Fault.of("record", expected="an object", received=shown(row), mend="See /openapi.json.")
    try:
        return check(row)
    except EventRejected as error:
        return Fault.of(error.field, expected=error.expected, received=error.received, mend=error.mend)


def _time(value: object) -> int | None:
    time_us = _TIME.check({"time": value}).get("time")
    assert time_us is None or isinstance(time_us, int)
    if time_us is not None and time_us < 0:
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
