"""What goes wrong, as RFC 9457 problem documents: the field, what was expected, what came, the mend."""

from __future__ import annotations

import re
from typing import Any, Literal, TypeVar

import msgspec

PROBLEM_TYPE = "application/problem+json"

T = TypeVar("T")

ProblemKind = Literal[
    "malformed-json",
    "invalid-request",
    "events-rejected",
    "not-found",
    "method-not-allowed",
    "too-large",
    "unsupported-media-type",
    "misdirected",
    "not-ready",
    "overloaded",
    "no-release",
    "internal-error",
]

_TITLES: dict[ProblemKind, tuple[int, str]] = {
    "malformed-json": (400, "The body is not JSON"),
    "invalid-request": (422, "The request does not fit its schema"),
    "events-rejected": (422, "No record of the batch was accepted"),
    "not-found": (404, "There is no such thing"),
    "method-not-allowed": (405, "The path does not know this method"),
    "too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body must be JSON"),
    "misdirected": (421, "The server listens for this machine only, and does not have this name"),
    "not-ready": (503, "The server is starting, or cannot reach its log"),
    "overloaded": (503, "The server has more work than it can do in time"),
    "no-release": (503, "There is nothing trained to answer with"),
    "internal-error": (500, "The server failed"),
}

_AT = re.compile(r"(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_GOT = re.compile(r"Expected `?(?P<expected>.*?)`?, got `?(?P<received>.*?)`?$", re.DOTALL)
_FIELD = re.compile(r"Object (?P<how>missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong with one value.

    Attributes:
        detail: the whole of it in one sentence.
        field: the field at fault, as in `context.device`.
        expected: what should have come.
        received: what came.
        mend: what to do about it.
    """

    detail: str
    field: str | None = None
    expected: str | None = None
    received: str | None = None
    mend: str | None = None

    @classmethod
    def of(cls, field: str, *, expected: str, received: str, mend: str) -> Fault:
        """Build the fault of one field."""
        detail = f"{field}: expected {expected}, received {received}. {mend}"
        return cls(detail, field, expected, received, mend)


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document (RFC 9457) with the members of `Fault`; of a batch also the fault of each record."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    expected: str | None = None
    received: str | None = None
    mend: str | None = None
    request_id: str | None = None
    faults: list[Fault] | None = None


class Problem(Exception):
    """Ends a request with a problem document.

    Args:
        kind: which problem; it decides the status and the title.
        fault: what exactly is wrong.
        faults: of a batch, what is wrong with each record, in order.
        headers: further headers of the answer, such as Retry-After.
    """

    def __init__(
        self, kind: ProblemKind, fault: Fault | str, *, faults: list[Fault] | None = None, **headers: str
    ) -> None:
        self.kind = kind
        self.fault = Fault(fault) if isinstance(fault, str) else fault
        self.faults = faults
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(self.fault.detail)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _TITLES[self.kind][0]

    def document(self, request_id: str | None = None) -> ProblemDocument:
        """Return the document to send."""
        status, title = _TITLES[self.kind]
        fault = msgspec.structs.asdict(self.fault)
        type_ = f"urn:shortlist:problem:{self.kind}"
        return ProblemDocument(type_, title, status, **fault, request_id=request_id, faults=self.faults)


def decode(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode a request's body.

    Raises:
        Problem: malformed-json when it is no JSON, invalid-request when it does not fit.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Problem("invalid-request", fault_of(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Problem(
            "malformed-json",
            Fault.of(
                "body", expected="one JSON value in UTF-8", received=what, mend="Check the quotes and commas."
            ),
        ) from None


def fault_of(error: msgspec.ValidationError) -> Fault:
    """Say what msgspec found, as a fault."""
    at = _AT.match(str(error))
    assert at is not None
    what, path = at["what"], (at["path"] or "$").removeprefix("$").removeprefix(".")
    if found := _FIELD.match(what):
        name = f"{path}.{found['name']}" if path else found["name"]
        if found["how"] == "contains unknown":
            return Fault.of(
                name, expected="only known fields", received="an unknown one",
                mend="Mend its name: /openapi.json lists the fields.",
            )  # fmt: skip
        return Fault.of(name, expected="a value", received="no such field", mend="Send it.")
    got = _GOT.match(what)
    expected = got["expected"] if got else what.removeprefix("Expected ")
    received = f"{got['received']}" if got else "another value"
    return Fault.of(path or "body", expected=expected, received=received, mend="See /openapi.json.")


def shown(value: Any) -> str:
    """Return a value as a client sent it, shortened, for the `received` of a fault."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 80 else text[:77] + "..."
