"""Checks of what a stage was given, where it is written."""

from __future__ import annotations

from shortlist.declare.errors import DeclarationError


def check_whole(thing: str, value: object, *, least: int = 1, most: int, mend: str) -> None:
    """Check that a value is a whole number from `least` to `most`.

    Raises:
        DeclarationError: when it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise DeclarationError(
            thing, expected=f"a whole number from {least} to {most}", received=repr(value), mend=mend
        )
