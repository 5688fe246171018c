"""Names in a declaration: what may be one, and the guess when one is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from shortlist.declare.errors import DeclarationError


def check_name(thing: str, name: object, reserved: Collection[str] = ()) -> str:
    """Return the name if it may be one.

    Raises:
        DeclarationError: when it is no lower-case identifier, or is reserved.
    """
    if not (isinstance(name, str) and name.isidentifier() and name == name.lower() and name[0] != "_"):
        raise DeclarationError(
            thing,
            expected="a lower-case identifier",
            received=repr(name),
            mend="Use letters, digits and underscores, as in watch_s.",
        )
    if name in reserved:
        raise DeclarationError(
            thing,
            expected=f"a name other than {sorted(reserved)}",
            received=repr(name),
            mend="Shortlist uses that word itself: choose another, as in video_name.",
        )
    return name


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the mend for an unknown name: the nearest known one, or how to declare it."""
    guesses = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {guesses[0]!r}?" if guesses else otherwise.format(name=name)
