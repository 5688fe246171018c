"""What the keeper of a log and the processes that share it say to each other, cut into frames.

A frame is a length, four bytes, the smallest first, and that many bytes of MessagePack. Bodies travel as
they are stored, so an event is checked and encoded once, by the process that takes it in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

_LENGTH = struct.Struct("<I")
Message = TypeVar("Message")


class Append(msgspec.Struct, frozen=True, array_like=True, tag="append"):
    """Keep these, all or none; an event is (kind, event time in us, id, body, number of events)."""

    number: int
    is_urgent: bool
    events: list[tuple[str, int | None, str | None, Any, int]]


class Follow(msgspec.Struct, frozen=True, array_like=True, tag="follow"):
    """Send every row from now on."""


class Folded(msgspec.Struct, frozen=True, array_like=True, tag="folded"):
    """Everything up to a position has been taken in."""

    seq: int


class Following(msgspec.Struct, frozen=True, array_like=True, tag="following"):
    """The rows after this position will be sent; those before lie on the disk."""

    seq: int
    log_time_us: int


class Rows(msgspec.Struct, frozen=True, array_like=True, tag="rows"):
    """One commit; a row is a `TailRow`."""

    rows: list[tuple[int, int, str, int, str | None, Any, int]]


class Kept(msgspec.Struct, frozen=True, array_like=True, tag="kept"):
    """Receipts, (position, is it a duplicate), of several appends by their numbers."""

    receipts: list[tuple[int, list[tuple[int, bool]]]]


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """An append that was not kept: the name of the error, and what it says."""

    number: int
    error: str
    detail: str


ToKeeper = Append | Follow | Folded
FromKeeper = Following | Rows | Kept | Refused


def framed(message: object) -> bytes:
    """Return a message as a frame."""
    content = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(content)) + content


class Unframer(Generic[Message]):
    """Cuts a stream of bytes into messages.

    Args:
        type_: the union of the messages that may come.
    """

    def __init__(self, type_: Any) -> None:
        self._decoder = msgspec.msgpack.Decoder(type_)
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are whole with these bytes."""
        self._rest += data
        begin = 0
        while begin + _LENGTH.size <= len(self._rest):
            (length,) = _LENGTH.unpack_from(self._rest, begin)
            end = begin + _LENGTH.size + length
            if end > len(self._rest):
                break
            message: Message = self._decoder.decode(bytes(self._rest[begin + _LENGTH.size : end]))
            begin = end
            yield message
        del self._rest[:begin]
