"""How many requests of a kind may be under way; those beyond are refused before they cost anything."""

from __future__ import annotations

from types import TracebackType

from shortlist.online.problems import Problem


class Room:
    """Holds a number of requests, as a context manager of the event loop's thread.

    Args:
        most: how many requests may be inside.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._num_inside = 0

    def __enter__(self) -> None:
        """Let a request in.

        Raises:
            Problem: overloaded, when it is full.
        """
        if self._num_inside >= self._most:
            # The body is left unread: the connection cannot carry another request.
            detail = f"{self._most} requests are under way already."
            raise Problem("overloaded", detail, retry_after="1", connection="close")
        self._num_inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it out."""
        self._num_inside -= 1
