"""The types a field or an attribute may have, and durations such as "30m"."""

from __future__ import annotations

import re
from typing import Literal

from shortlist.declare.errors import DeclarationError

FieldType = Literal["str", "int", "float", "bool", "time", "floats"]
"""What a field holds; `time` is UTC microseconds inside, RFC 3339 outside; `floats` a list."""


class Time:
    """Marks an attribute or a field that holds a moment: `published=sl.Time`."""


_TYPES: dict[type, FieldType] = {str: "str", int: "int", float: "float", bool: "bool", Time: "time"}

_UNIT_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}
_DURATION = re.compile(r"([1-9][0-9]*)([smhdw])")
_MAX_DURATION_US = 3650 * _UNIT_US["d"]  # ten years, well inside an int64

_NESTING_TILES_US = [second * 1_000_000 for second in (1, 5, 15, 60, 300, 900, 3600, 21_600, 86_400)]
_TILES_PER_WINDOW = 48


def field_type(thing: str, declared: object) -> FieldType:
    """Return the field type of a declared Python type.

    Args:
        thing: what is being declared, for the error.
        declared: `str`, `int`, `float`, `bool` or `sl.Time`.

    Raises:
        DeclarationError: for anything else.
    """
    if isinstance(declared, type) and declared in _TYPES:
        return _TYPES[declared]
    raise DeclarationError(
        thing,
        expected="a type: str, int, float, bool or sl.Time",
        received=repr(declared),
        mend="Write the type itself, as in duration_s=float.",
    )


def duration_us(thing: str, text: object) -> int:
    """Parse a duration such as "90s", "30m", "1h", "7d" or "2w" into microseconds.

    Raises:
        DeclarationError: when the text is no such duration, or longer than ten years.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    duration = int(match[1]) * _UNIT_US[match[2]] if match is not None else 0
    if not 0 < duration <= _MAX_DURATION_US:
        raise DeclarationError(
            thing,
            expected='a duration: a whole number and one of s, m, h, d, w, as in "30m", up to ten years',
            received=repr(text),
            mend='Write hours as "1h", days as "7d".',
        )
    return duration


def duration_text(duration: int) -> str:
    """Write microseconds as the shortest exact duration, the inverse of `duration_us`."""
    for unit in ("w", "d", "h", "m", "s"):
        if duration % _UNIT_US[unit] == 0 and (unit != "w" or duration > _UNIT_US["w"]):
            return f"{duration // _UNIT_US[unit]}{unit}"
    return f"{duration}us"


def default_tile_us(window_us: int) -> int:
    """Choose the tile of a window: the coarsest standard tile that cuts it into 48 or more.

    Standard tiles nest in one another, so that windows over the same events can share one state.
    """
    fitting = [
        tile for tile in _NESTING_TILES_US if window_us % tile == 0 and window_us // tile >= _TILES_PER_WINDOW
    ]
    return fitting[-1] if fitting else min(window_us, _NESTING_TILES_US[0])
