"""From ASGI to a handler and back: routes, bodies, problems, and the time it took."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
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
encoded = msgspec.json.Encoder().encode


class Request(msgspec.Struct, frozen=True):
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


class Response(msgspec.Struct, frozen=True):
    """An answer: a msgspec value becomes JSON, bytes go out as they are."""

    body: object
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = {}


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

    @cached_property
    def name(self) -> str:
        """Method and path: what its requests are counted under."""
        return f"{self.method} {self.path}"

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
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            by_path.setdefault(route.path, {})[route.method] = route
        self._fixed = {path: methods for path, methods in by_path.items() if "{" not in path}
        self._patterns = [(_pattern(path), methods) for path, methods in by_path.items() if "{" in path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request_id = os.urandom(16).hex()
        started_s = time.perf_counter()
        route: Route | None = None
        try:
            if self._loopback_only:
                require_loopback(scope["headers"])
            route, path = self._find(scope)
            with route.room:
                body = await _read_body(scope, receive) if route.takes is not None else b""
                started_s = time.perf_counter()
                response = await route.handler(Request(request_id, path, _query(scope), body))
        except Problem as problem:
            response = _problem(problem, request_id)
        except ClientGone:
            return
        except Exception:
            _logger.exception("request %s failed", request_id)
            failed = Fault(f"The server failed; its log tells more under request {request_id}.")
            response = _problem(Problem("internal-error", failed), request_id)
        name = route.name if route is not None else "unknown"
        self._telemetry.request(name, response.status)
        await _send(send, response, request_id)
        self._telemetry.sent(name, time.perf_counter() - started_s)

    def _find(self, scope: Scope) -> tuple[Route, Mapping[str, str]]:
        # The raw path, so that an id may hold a slash, sent as %2F.
        found, values = self._match(scope["raw_path"].decode("latin-1"))
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

    def _match(self, path: str) -> tuple[Mapping[str, Route] | None, Mapping[str, str]]:
        if path in self._fixed:
            return self._fixed[path], {}
        for pattern, methods in self._patterns:
            if match := pattern.fullmatch(path):
                return methods, {name: unquote(part) for name, part in match.groupdict().items()}
        return None, {}


class ClientGone(Exception):
    """The client went away before its request was whole."""


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]*)", re.escape(path)))


def _query(scope: Scope) -> Mapping[str, str]:
    text = scope["query_string"].decode("latin-1")
    return dict(parse_qsl(text, keep_blank_values=True)) if text else {}


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    # A web page may send any other type, or none, to whatever server; for this one its browser asks first.
    content_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
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
    body = response.body if isinstance(response.body, bytes) else encoded(response.body)
    headers = [
        (b"content-type", response.content_type.encode("latin-1")),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode("latin-1")),
    ]
    for name, value in response.headers.items():
        headers.append((name.encode("latin-1"), value.encode("latin-1")))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
