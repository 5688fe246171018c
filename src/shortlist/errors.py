"""The shape of an error that a user can mend: the thing, what was expected, what came, what to do."""

from __future__ import annotations


class Mendable(ValueError):
    """Something a user did that cannot be honoured.

    Args:
        thing: what is at fault: a declaration, a file, a setting.
        expected: what should have been there.
        received: what was there.
        mend: what to do now.
    """

    def __init__(self, thing: object, *, expected: str, received: object, mend: str) -> None:
        super().__init__(f"{thing}: expected {expected}, received {received}. {mend}")
        self.thing = str(thing)
        self.mend = mend
