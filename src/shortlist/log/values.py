"""The check of one value, by field type: the value in its stored form, or why it is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

MAX_STR_CHARS = 4096
MAX_ID_CHARS = 512
MAX_FLOAT = 2.0**31
"""Floats are summed in fixed point, so their size is bounded."""

MAX_FLOAT32 = 3.4028234663852886e38
MAX_INT = 2**63 - 1
MAX_TIME_US = 2**58
"""The year 11,104: nanoseconds taken for microseconds are past it, and two times apart fit an int64."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Refused(Exception):
    """A value does not fit its type."""

    def __init__(self, expected: str, mend: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.mend = mend


def check_str(value: object) -> str:
    """Accept text of 1 to 4096 characters that UTF-8 can hold."""
    if not isinstance(value, str):
        mend = f'Quote it: "{value}".' if isinstance(value, int) else "Send text."
        raise Refused("text", mend)
    if not 0 < len(value) <= MAX_STR_CHARS:
        mend = "Leave an optional field out instead." if not value else "Shorten it."
        raise Refused(f"text of 1 to {MAX_STR_CHARS} characters", mend)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refused("text that UTF-8 can hold", "Remove the lone surrogate.") from None
    return value


def check_int(value: object) -> int:
    """Accept a whole number of 64 bits; the smallest one stands for null."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused("a whole number", "Send it without quotes and without a fraction.")
    if not -MAX_INT <= value <= MAX_INT:
        raise Refused("a whole number of 64 bits", "Send a large identifier as text.")
    return value


def check_float(value: object) -> float:
    """Accept a finite number below 2**31 in size."""
    if not isinstance(value, (float, int)) or isinstance(value, bool):
        raise Refused("a number", "Send it without quotes.")
    if not -MAX_FLOAT < value < MAX_FLOAT:
        raise Refused("a finite number between -2**31 and 2**31", "Choose a larger unit, or leave it out.")
    return float(value)


def check_bool(value: object) -> bool:
    """Accept a truth value."""
    if not isinstance(value, bool):
        raise Refused("true or false", "Send true or false, not a number or text.")
    return value


def check_time(value: object) -> int:
    """Accept UTC microseconds, or RFC 3339 text with a time zone."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise Refused("RFC 3339 text with a zone", 'Write it as in "2026-01-31T12:00:00Z".')
        return (moment - _EPOCH) // timedelta(microseconds=1)
    try:
        time_us = check_int(value)
    except Refused:
        raise Refused(
            "a time: RFC 3339 text, or whole UTC microseconds", 'Write it as in "2026-01-31T12:00:00Z".'
        ) from None
    if abs(time_us) > MAX_TIME_US:
        raise Refused("a time in UTC microseconds, before the year 11,000", "Are these nanoseconds?")
    return time_us


def check_floats(value: object) -> list[float]:
    """Accept a list of numbers that fit 32 bits; None and NaN stand for an unknown number."""
    if not isinstance(value, (list, tuple)):
        raise Refused("a list of numbers", "Send a list, as in [0.5, 1.0].")
    numbers: list[float] = []
    for number in value:
        if number is None:
            numbers.append(math.nan)
        elif not isinstance(number, (float, int)) or isinstance(number, bool) or abs(number) > MAX_FLOAT32:
            raise Refused("a list of numbers that fit 32 bits", f"Mend the element {number!r}.")
        else:
            numbers.append(float(number))
    return numbers


CHECKS: dict[str, Callable[[object], object]] = {
    "str": check_str,
    "int": check_int,
    "float": check_float,
    "bool": check_bool,
    "time": check_time,
    "floats": check_floats,
}
