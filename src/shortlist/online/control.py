"""What the supervisor of a server's workers and each of them say to each other; frames as in `log.frames`."""

from __future__ import annotations

import msgspec

from shortlist.online.telemetry import Family


class Place(msgspec.Struct, frozen=True):
    """What a worker is told when it starts.

    Attributes:
        number: from 0; that one writes the snapshots.
        log_fd: its end of the channel to the log's keeper.
        control_fd: its end of the channel of these messages.
        door_fd: where it gets the connections it serves, one byte and one descriptor each.
        loopback_only: whether the server listens on this machine only.
    """

    number: int
    log_fd: int
    control_fd: int
    door_fd: int
    loopback_only: bool


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Are you there?"""


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """The event loop runs; so many of the connections that were handed to it have ended.

    The first one comes unasked.
    """

    num_ended: int


class Told(msgspec.Struct, frozen=True, tag="told"):
    """How many records of how many are folded."""

    done: int
    total: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The log is followed; the reasons, if any, that still keep requests from being answered."""

    reasons: list[str]


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It cannot start, and ends."""

    detail: str


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Answer what is under way, and end."""


class Measure(msgspec.Struct, frozen=True, tag="measure"):
    """Send your measurements."""

    number: int


class Measured(msgspec.Struct, frozen=True, tag="measured"):
    """The measurements of one worker."""

    number: int
    families: list[Family]


class Gather(msgspec.Struct, frozen=True, tag="gather"):
    """Send the measurements of all: a worker was asked for them."""


class Gathered(msgspec.Struct, frozen=True, tag="gathered"):
    """The measurements of all, by the value of the label `worker`."""

    families: dict[str, list[Family]]


ToWorker = Ping | Stop | Measure | Gathered
FromWorker = Pong | Told | Ready | Failed | Measured | Gather
