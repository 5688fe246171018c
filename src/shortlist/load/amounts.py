"""Amounts with their units, as they are typed: "10ms", "30s", "5%", "200rps", "128GB"."""

from __future__ import annotations

import math
import re

from shortlist.load.errors import LoadError

_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:e[0-9]+)?)\s*([a-zA-Z%]*)")

MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}
SHARE = {"%": 0.01, "": 1.0}
RATE = {"rps": 1.0, "": 1.0}
BYTES = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}

_EXAMPLES = {id(MILLISECONDS): "10ms", id(SHARE): "5%", id(RATE): "200rps", id(BYTES): "64GB"}


def amount(thing: str, text: str, units: dict[str, float]) -> float:
    """Parse an amount into the base of its units: ms, a share of 1, requests per second, bytes.

    Args:
        thing: what it is for, for the error.
        text: as typed.
        units: one of the tables of this file.

    Raises:
        LoadError: when it is no number of 0 or more with one of the units.
    """
    found = _AMOUNT.fullmatch(text.strip())
    value = float(found[1]) * units[found[2]] if found is not None and found[2] in units else math.inf
    if not math.isfinite(value) or (units is SHARE and value > 1):
        raise LoadError(
            thing,
            expected=f"a number with one of the units {', '.join(unit for unit in units if unit)}"
            + (", at most 100%" if units is SHARE else ""),
            received=repr(text),
            mend=f"Write it as in {_EXAMPLES[id(units)]}.",
        )
    return value


def positive(thing: str, text: str, units: dict[str, float]) -> float:
    """Parse as `amount`, and refuse nothing at all.

    Raises:
        LoadError: as `amount`, and for 0.
    """
    value = amount(thing, text, units)
    if value <= 0:
        raise LoadError(
            thing, expected="more than 0", received=repr(text), mend=f"As in {_EXAMPLES[id(units)]}."
        )
    return value


def ms_text(value_ms: float) -> str:
    """Write milliseconds with the digits that matter: 0.043, 9.87, 123."""
    if not math.isfinite(value_ms):
        return "never"
    digits = 3 if value_ms < 1 else 2 if value_ms < 100 else 0
    return f"{value_ms:,.{digits}f}"
