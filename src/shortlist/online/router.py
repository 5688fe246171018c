"""From ASGI to a handler and back: routes, bodies, problems, and the time it took."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from shortlist.online.hosts import require_loopback
from shortlist.online.problems import PROBLEM_TYPE, Fault, Problem
from shortlist.online.telemetry import Telemetry

MAX_BODY_BYTES = 4 << 20
JSON = "application/json"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_logger = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class Request:
    """One request, read to its end.

    Args:
        id: names it in answers, evidence and logs.
        path: the values of the route's `{...}` parts.
        query: the query string's values; of a repeated name the last.
        body: the bytes of the body.
    """

    id: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """An answer: a msgspec value becomes JSON, bytes go out as they are."""

    body: object
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Return the body as bytes."""
        return self.body if isinstance(self.body, bytes) else _encoder.encode(self.body)


Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Route:
    """A method and a path, who answers, and what the OpenAPI page says of it.

    Args:
        method: GET, POST or PUT.
        path: such as "/v1/items/{id}".
        handler: who answers.
        summary: one line.
        takes: the body: a msgspec type, or a JSON schema; None for no body.
        gives: the body of a 200: a msgspec type; None for what is no JSON, of `content_type`.
        problems: the statuses of its problem documents.
        same: further statuses that come with the body of a 200.
        query: name and JSON schema of each query parameter.
        content_type: of a 200.
        room: entered before the body is read, left with the answer; it may refuse the request.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    takes: Any = None
    gives: Any = None
    problems: tuple[int, ...] = ()
    same: tuple[int, ...] = ()
    query: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    content_type: str = JSON
    room: AbstractContextManager[None] = field(default_factory=nullcontext)

    @property
    def parts(self) -> tuple[str, ...]:
        """The path's parts."""
        return tuple(self.path.split("/"))


class Router:
    """The ASGI application.

    Args:
        routes: who answers what.
        telemetry: told of every request.
        loopback_only: refuse requests that call the server by another machine's name.
    """

    def __init__(self, routes: Sequence[Route], telemetry: Telemetry, *, loopback_only: bool) -> None:
        self._telemetry = telemetry
        self._loopback_only = loopback_only
        self._by_shape: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in routes:
            self._by_shape.setdefault(route.parts, {})[route.method] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request_id = uuid.uuid4().hex
        started_s = time.perf_counter()
        route: Route | None = None
        try:
            if self._loopback_only:
                require_loopback(scope["headers"])
            route, path = self._find(scope)
            with route.room:
                body = await _read_body(scope, receive) if route.takes is not None else b""
                started_s = time.perf_counter()
                query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
                response = await route.handler(Request(request_id, path, query, body))
        except Problem as problem:
            response = _problem(problem, request_id)
        except ClientGone:
            return
        except Exception:
            _logger.exception("request %s failed", request_id)
            failed = Fault(f"The server failed; its log tells more under request {request_id}.")
            response = _problem(Problem("internal-error", failed), request_id)
        name = f"{route.method} {route.path}" if route is not None else "unknown"
        self._telemetry.requests.labels(name, response.status).inc()
        await _send(send, response, request_id)
        self._telemetry.latency_s.labels(name).observe(time.perf_counter() - started_s)

    def _find(self, scope: Scope) -> tuple[Route, dict[str, str]]:
        # The raw path, so that an id may hold a slash, sent as %2F.
        parts = scope["raw_path"].decode("latin-1").split("/")
        found: dict[str, Route] | None = self._by_shape.get(tuple(parts))
        values: dict[str, str] = {}
        if found is None:
            for shape, methods in self._by_shape.items():
                if len(shape) == len(parts) and all(
                    want[:1] == "{" or want == part for want, part in zip(shape, parts, strict=True)
                ):
                    found = methods
                    values = {
                        want[1:-1]: unquote(part)
                        for want, part in zip(shape, parts, strict=True)
                        if want[:1] == "{"
                    }
                    break
        if found is None:
            raise Problem(
                "not-found",
                Fault.of(
                    "path", expected="a path of /openapi.json", received=scope["path"][:200],
                    mend="Check its spelling; paths have no slash at their end.",
                ),
            )  # fmt: skip
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in found:
            allowed = ", ".join(sorted(found))
            fault = Fault.of("method", expected=allowed, received=scope["method"], mend=f"Send a {allowed}.")
            raise Problem("method-not-allowed", fault, allow=allowed)
        return found[method], values


class ClientGone(Exception):
    """The client went away before its request was whole."""


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    # A web page may send any other type, or none, to whatever server; for this one its browser asks first.
    content_type = headers.get(b"content-type", "").partition(";")[0].strip().lower()
    if content_type != JSON:
        received = content_type[:80] or "no such header"
        fault = Fault.of("content-type", expected=JSON, received=received, mend=f"Send {JSON}.")
        raise Problem("unsupported-media-type", fault)
    chunks: list[bytes] = []
    num_bytes = int(headers.get(b"content-length", 0))
    more = num_bytes <= MAX_BODY_BYTES
    num_bytes = 0 if more else num_bytes
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunks.append(message.get("body", b""))
        num_bytes += len(chunks[-1])
        more = message.get("more_body", False) and num_bytes <= MAX_BODY_BYTES
    if num_bytes > MAX_BODY_BYTES:
        fault = Fault.of(
            "body", expected=f"at most {MAX_BODY_BYTES} bytes", received=f"{num_bytes} or more",
            mend="Send it in several requests.",
        )  # fmt: skip
        raise Problem("too-large", fault, connection="close")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _problem(problem: Problem, request_id: str) -> Response:
    return Response(problem.document(request_id), problem.status, PROBLEM_TYPE, problem.headers)


async def _send(send: Send, response: Response, request_id: str) -> None:
    body = response.encoded()
    headers = {
        "content-type": response.content_type,
        "content-length": str(len(body)),
        "x-request-id": request_id,
        **response.headers,
    }
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
