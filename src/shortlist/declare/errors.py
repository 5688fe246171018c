"""The error of a declaration: it names the thing, what was expected, what came, and the mend."""

from __future__ import annotations


class DeclarationError(ValueError):
    """A declaration that Shortlist cannot honour; raised where it is written, not where it is used."""

    def __init__(self, thing: str, *, expected: str, received: object, mend: str) -> None:
        super().__init__(f"{thing}: expected {expected}, received {received}. {mend}")
        self.thing = thing
        self.mend = mend
