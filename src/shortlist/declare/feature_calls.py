"""The calls that declare features: `sl.count(watch, by=user, window=["1h", "1d"])`.

`count`, `sum`, `mean` and `rate` are sums over a window `[t - window, t)` in knowledge time; their
head is exact and their tail is aligned to the window's tile. `last` is a history of items,
`recency` the time since an event, `age` the time from a moment.
"""

from __future__ import annotations

from collections.abc import Iterable

from shortlist.declare.entities import Entity
from shortlist.declare.errors import DeclarationError
from shortlist.declare.events import Event
from shortlist.declare.expressions import EventField, Expression
from shortlist.declare.feature_checks import (
    by_text,
    check_columns,
    check_where,
    event_of,
    event_of_value,
    key_of,
    number_text,
    where_text,
    windows_of,
)
from shortlist.declare.features import Age, Feature, KeyLike, Last, Rate, Recency, Windowed
from shortlist.declare.labels import Label
from shortlist.declare.types import duration_text, duration_us

MAX_PRIOR = 1e9
MAX_HISTORY = 10_000


def count(
    source: Event | Label,
    *,
    window: str | Iterable[str],
    by: KeyLike = None,
    where: Expression | None = None,
    tile: str | None = None,
) -> list[Feature]:
    """Declare how many events (or positive impressions of a label) a key had in each window.

    Args:
        source: the event, or a label, whose positives count from the moment they are known.
        window: one duration or several.
        by: an entity, an attribute, several of them (a cross), or None for all together.
        where: which events count.
        tile: the grid of the window's tail; by default the coarsest standard tile with at least
            48 to a window.

    Raises:
        DeclarationError: for a window that is no multiple of its tile, or a key, condition or
            value that the event does not carry.
    """
    return _windowed("count", source, None, window, by, where, tile)


def sum(
    value: Expression,
    *,
    window: str | Iterable[str],
    by: KeyLike = None,
    where: Expression | None = None,
    tile: str | None = None,
) -> list[Feature]:
    """Declare the sum of a value over a key's events in each window; see `count`.

    Values are added in fixed point, 2^-20 of a unit, so that the order of addition cannot show. A window
    holds sums below 2^43 units (8.8e12): declare what is larger in a larger unit.
    """
    return _windowed("sum", event_of_value("sum", value), value, window, by, where, tile)


def mean(
    value: Expression,
    *,
    window: str | Iterable[str],
    by: KeyLike = None,
    where: Expression | None = None,
    tile: str | None = None,
) -> list[Feature]:
    """Declare the mean of a value over a key's events in each window, null without any; see `sum`."""
    return _windowed("mean", event_of_value("mean", value), value, window, by, where, tile)


def rate(
    label: Label, *, window: str | Iterable[str], prior: float, by: KeyLike = None, tile: str | None = None
) -> list[Feature]:
    """Declare the smoothed share of a key's impressions that turned positive; see `Rate`.

    Args:
        label: whose positives count, each from the moment the log learned of it.
        window: one duration or several.
        prior: how many impressions the global rate weighs.
        by: as in `count`.
        tile: as in `count`.

    Raises:
        DeclarationError: as `count`, and for a prior that is not positive.
    """
    if not isinstance(label, Label):
        raise DeclarationError(
            "rate",
            expected="a label",
            received=f"{type(label).__name__} {label}",
            mend="Declare one: engaged = app.label('engaged', watch.watch_s > 30, within='30m').",
        )
    thing = f"rate({label})"
    if not (isinstance(prior, (int, float)) and 0 < prior <= MAX_PRIOR):
        raise DeclarationError(
            thing,
            expected=f"a prior above 0 and at most {MAX_PRIOR:g}",
            received=repr(prior),
            mend="Say how many impressions the global rate weighs: prior=20.",
        )
    key = key_of(thing, by, label.entities)
    return [
        Rate(
            f"rate({label}{by_text(key)}, window={text}, prior={number_text(prior)})",
            label, float(prior), key, window_us, tile_us,
        )
        for text, window_us, tile_us in windows_of(thing, window, tile)
    ]  # fmt: skip


def last(
    source: Event, *, by: Entity, n: int, window: str | None = None, where: Expression | None = None
) -> list[Feature]:
    """Declare a history: the items of a user's last `n` events, newest first.

    Args:
        source: an event with an item.
        by: who chooses.
        n: how many are remembered.
        window: how far back; None for however old.
        where: which events count.

    Raises:
        DeclarationError: for an event without an item, an `n` outside 1 to 10,000, or a key or
            condition that the event does not carry.
    """
    thing = f"last({source})"
    if not isinstance(source, Event) or len(source.entities) < 2:
        raise DeclarationError(
            thing,
            expected="an event between two entities, whose items are remembered",
            received=f"{type(source).__name__} {source}",
            mend="Write sl.last(watch, by=user, n=50).",
        )
    if isinstance(n, bool) or not (isinstance(n, int) and 1 <= n <= MAX_HISTORY):
        raise DeclarationError(
            thing,
            expected=f"n from 1 to {MAX_HISTORY}",
            received=repr(n),
            mend="Histories of 20 to 200 are usual.",
        )
    key = key_of(thing, by, source.entities)
    check_where(thing, where, source)
    window_us = None if window is None else duration_us(f"{thing}, window", window)
    within = "" if window_us is None else f", window={duration_text(window_us)}"
    name = f"last({source}{by_text(key)}, n={n}{within}{where_text(where)})"
    return [Last(name, source, where, key, n, window_us)]


def recency(source: Event | Label, *, by: KeyLike, where: Expression | None = None) -> list[Feature]:
    """Declare the seconds since a key's last event (or label's positive), null without one."""
    thing = f"recency({source})"
    event = event_of(thing, source)
    key = key_of(thing, by, source.entities)
    check_where(thing, where, event)
    return [Recency(f"recency({source}{by_text(key)}{where_text(where)})", source, where, key)]


def age(since: Expression) -> list[Feature]:
    """Declare the seconds from a moment, such as `video.published`, to the request."""
    if not isinstance(since, Expression) or since.type != "time" or isinstance(since, EventField):
        raise DeclarationError(
            "age",
            expected="an attribute or a context field of type sl.Time",
            received=f"{type(since).__name__} {since}",
            mend="Declare published=sl.Time.",
        )
    return [Age(f"age({since})", since)]


def _windowed(
    aggregate: str,
    source: Event | Label,
    value: Expression | None,
    window: str | Iterable[str],
    by: KeyLike,
    where: Expression | None,
    tile: str | None,
) -> list[Feature]:
    what = source if value is None else value
    thing = f"{aggregate}({what})"
    event = event_of(thing, source)
    key = key_of(thing, by, source.entities)
    if value is not None:
        check_columns(thing, value, event)
    check_where(thing, where, event)
    return [
        Windowed(
            f"{aggregate}({what}{by_text(key)}, window={text}{where_text(where)})",
            aggregate, source, value, where, key, window_us, tile_us,
        )
        for text, window_us, tile_us in windows_of(thing, window, tile)
    ]  # fmt: skip
