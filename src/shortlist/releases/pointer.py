"""The pointer: one small file that names the current release and how it became so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from shortlist.releases.durable import replace_durably
from shortlist.releases.errors import ReleaseCorrupted
from shortlist.releases.manifest import ReleaseId, Sha256

# The file is read whole by every server that polls it, so what it remembers is bounded.
MAX_PREVIOUS = 100
MAX_MOVES = 1000


class Move(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change of the current release."""

    kind: Literal["promote", "rollback"]
    id: Sha256
    at: Annotated[datetime, msgspec.Meta(tz=True)]


class Pointer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file says.

    Args:
        format: 1.
        current: the id of the release that serves; None before the first promotion.
        previous: ids that a rollback returns to, the next one last.
        moves: the changes so far, newest last.
    """

    format: Literal[1] = 1
    current: Sha256 | None = None
    previous: tuple[Sha256, ...] = ()
    moves: tuple[Move, ...] = ()

    def promoted(self, id: ReleaseId) -> Pointer:
        """The pointer after a promotion."""
        previous = self.previous if self.current is None else (*self.previous, self.current)
        return self._moved("promote", id, previous)

    def rolled_back(self) -> Pointer:
        """The pointer after a rollback."""
        return self._moved("rollback", ReleaseId(self.previous[-1]), self.previous[:-1])

    def without(self, id: ReleaseId) -> Pointer:
        """The pointer when a release that is not current goes away."""
        return msgspec.structs.replace(self, previous=tuple(old for old in self.previous if old != id))

    def _moved(
        self, kind: Literal["promote", "rollback"], id: ReleaseId, previous: tuple[str, ...]
    ) -> Pointer:
        move = Move(kind=kind, id=id, at=datetime.now(UTC))
        return Pointer(current=id, previous=previous[-MAX_PREVIOUS:], moves=(*self.moves, move)[-MAX_MOVES:])


def read_pointer(path: Path) -> Pointer:
    """Read the pointer; before the first promotion there is no file.

    Raises:
        ReleaseCorrupted: when the file is damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Pointer)
    except FileNotFoundError:
        return Pointer()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ReleaseCorrupted(
            path,
            expected="the pointer to the current release",
            received=error,
            mend="Remove the file and promote a release again; the releases themselves are not touched.",
        ) from error


def write_pointer(path: Path, pointer: Pointer) -> None:
    """Move the pointer, atomically and durably; the caller holds the lock."""
    replace_durably(path, msgspec.json.format(msgspec.json.encode(pointer), indent=1) + b"\n")
