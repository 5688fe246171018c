"""What is asked: for whom, and which events are sent beside, as bytes ready to leave."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from shortlist.load.errors import LoadError


class Requests(Protocol):
    """Makes the next request, or the next event, whole: head and body."""

    def recommend(self) -> bytes:
        """Return the next request for a slate."""
        ...

    def event(self) -> bytes:
        """Return the next event."""
        ...


@dataclass(frozen=True)
class Who:
    """For whom is asked.

    Args:
        users: their ids; one that stands there more than once is asked for as much more often, so a list
            taken from a log keeps the shares of the busy and the quiet.
        unknown: the share of requests for somebody never seen before, each time somebody else.

    Raises:
        LoadError: when there is nobody to ask for.
    """

    users: Sequence[str]
    unknown: float

    def __post_init__(self) -> None:
        if not self.users and self.unknown < 1:
            raise LoadError(
                "users",
                expected="some to ask for",
                received="none",
                mend="Name a file with an id a line: --users FILE; or ask for strangers: --unknown 100%.",
            )


class ShortlistRequests:
    """Requests to a Shortlist server.

    Args:
        host: for the Host header.
        surface: which surface is asked.
        who: for whom.
        events: bodies of events to send, drawn at random.
        is_preview: ask without leaving evidence.
        seed: of the draws; the strangers' names are new each time, or they would be known.
    """

    def __init__(
        self,
        host: str,
        surface: str,
        who: Who,
        events: Sequence[Mapping[str, Any]] = (),
        *,
        is_preview: bool = False,
        seed: int = 0,
    ) -> None:
        self._random = random.Random(seed)
        self._who = who
        self._bodies = [json.dumps({"user": user, "preview": is_preview}).encode() for user in who.users]
        self._is_preview = is_preview
        self._events = [json.dumps(event).encode() for event in events]
        self._stranger, self._num_strangers = f"stranger-{secrets.token_hex(4)}", 0
        self._recommend = _head(host, f"/v1/surfaces/{quote(surface, safe='')}/recommend")
        self._event = _head(host, "/v1/events")

    def recommend(self) -> bytes:
        """Return the next request for a slate."""
        if self._who.unknown and self._random.random() < self._who.unknown:
            self._num_strangers += 1
            user = f"{self._stranger}-{self._num_strangers}"
            body = json.dumps({"user": user, "preview": self._is_preview}).encode()
        else:
            body = self._bodies[int(self._random.random() * len(self._bodies))]
        return b"%s%d\r\n\r\n%s" % (self._recommend, len(body), body)

    def event(self) -> bytes:
        """Return the next event; there must be some."""
        body = self._events[int(self._random.random() * len(self._events))]
        return b"%s%d\r\n\r\n%s" % (self._event, len(body), body)


def _head(host: str, path: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: "
    ).encode("latin-1")
