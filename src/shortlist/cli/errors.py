"""What a user did that a verb cannot honour."""

from __future__ import annotations


class UsageError(ValueError):
    """Names the thing, what was expected, what came, and the mend; the exit status is 2."""

    def __init__(self, thing: object, *, expected: str, received: object, mend: str) -> None:
        super().__init__(f"{thing}: expected {expected}, received {received}. {mend}")


class DemoFailed(Exception):
    """The demo did not show what it should; the exit status is 1."""
