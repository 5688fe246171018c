"""Names in a declaration: what may be one, and the guess when one is unknown."""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from shortlist.declare.errors import DeclarationError

RECORD_FIELDS = ("id", "type", "time", "seq", "log_time_us", "event_time_us")
"""Words of a log record itself, which no entity, attribute or field may take."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")

Member = TypeVar("Member")


def check_name(thing: str, name: object, reserved: Collection[str] = ()) -> str:
    """Return the name if it may be one.

    Raises:
        DeclarationError: when it is no lower-case identifier, or is reserved.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise DeclarationError(
            thing,
            expected="a lower-case identifier that is no word of Python's",
            received=repr(name),
            mend="Use a letter, then letters a to z, digits and underscores, 100 at most, as in watch_s.",
        )
    if name in reserved:
        raise DeclarationError(
            thing,
            expected=f"a name other than {sorted(reserved)}",
            received=repr(name),
            mend="Shortlist uses that word itself: choose another, as in video_name.",
        )
    return name


def member(thing: str, name: str, known: Mapping[str, Member], otherwise: str) -> Member:
    """Return the member of a declared thing that `thing.name` reads.

    Args:
        thing: what is read, for the error.
        name: of the member.
        known: its members.
        otherwise: the mend, with {name}, when no known name is near.

    Raises:
        AttributeError: for a private name, so that Python's own protocols work.
        DeclarationError: for a name that was not declared.
    """
    if name.startswith("_"):
        raise AttributeError(name)
    if name not in known:
        raise DeclarationError(
            f"{thing}.{name}",
            expected=f"one of {sorted(known)}",
            received=repr(name),
            mend=nearest(name, known, otherwise),
        )
    return known[name]


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the mend for an unknown name: the nearest known one, or how to declare it."""
    guesses = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {guesses[0]!r}?" if guesses else otherwise.format(name=name)
