"""The calls that declare features: `sl.count(watch, by=user, window=["1h", "1d"])`.

`count`, `sum`, `mean` and `rate` are sums over a window `[t - window, t)` in knowledge time; their
head is exact and their tail is aligned to the window's tile. `last` is a history of items,
`recency` the time since an event, `age` the time from a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shortlist.declare.entities import Entity
from shortlist.declare.errors import DeclarationError
from shortlist.declare.events import Event
from shortlist.declare.expressions import Attribute, Column, ContextField, EventField, Expression
from shortlist.declare.features import Age, Feature, Key, KeyLike, Last, Rate, Recency, Windowed
from shortlist.declare.labels import Label
from shortlist.declare.types import default_tile_us, duration_text, duration_us

MAX_PRIOR = 1e9
MAX_HISTORY = 10_000
KEY_TYPES = ("str", "bool")


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

    Values are added in fixed point, 2^-20 of a unit, so that the order of addition cannot show.
    """
    return _windowed("sum", _event_of("sum", value), value, window, by, where, tile)


def mean(
    value: Expression,
    *,
    window: str | Iterable[str],
    by: KeyLike = None,
    where: Expression | None = None,
    tile: str | None = None,
) -> list[Feature]:
    """Declare the mean of a value over a key's events in each window, null without any; see `sum`."""
    return _windowed("mean", _event_of("mean", value), value, window, by, where, tile)


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
    if not 0 < prior <= MAX_PRIOR:
        raise DeclarationError(
            thing,
            expected=f"a prior above 0 and at most {MAX_PRIOR:g}",
            received=prior,
            mend="Say how many impressions the global rate weighs: prior=20.",
        )
    key = _key(thing, by, label.event.entities)
    return [
        Rate(
            f"rate({label}{_by(key)}, window={text}, prior={prior:g})",
            label,
            float(prior),
            key,
            window_us,
            tile_us,
        )
        for text, window_us, tile_us in _windows(thing, window, tile)
    ]


def last(
    source: Event, *, by: Entity, n: int, window: str | None = None, where: Expression | None = None
) -> list[Feature]:
    """Declare a history: the items of a key's last `n` events, newest first.

    Raises:
        DeclarationError: for an `n` outside 1 to 10,000 or a key that the event does not carry.
    """
    thing = f"last({source})"
    if not 1 <= n <= MAX_HISTORY:
        raise DeclarationError(
            thing, expected=f"n from 1 to {MAX_HISTORY}", received=n, mend="Histories of 20 to 200 are usual."
        )
    key = _key(thing, by, source.entities)
    _check_columns(thing, where, source)
    window_us = None if window is None else duration_us(f"{thing}, window", window)
    within = "" if window_us is None else f", window={duration_text(window_us)}"
    return [Last(f"last({source}{_by(key)}, n={n}{within}{_where(where)})", source, where, key, n, window_us)]


def recency(source: Event | Label, *, by: KeyLike, where: Expression | None = None) -> list[Feature]:
    """Declare the seconds since a key's last event (or label's positive), null without one."""
    thing = f"recency({source})"
    event = source.event if isinstance(source, Label) else source
    key = _key(thing, by, event.entities)
    _check_columns(thing, where, event)
    return [Recency(f"recency({source}{_by(key)}{_where(where)})", source, where, key)]


def age(since: Expression) -> list[Feature]:
    """Declare the seconds from a moment, such as `video.published`, to the request."""
    if not isinstance(since, Expression) or since.type != "time":
        raise DeclarationError(
            "age",
            expected="an attribute of type sl.Time",
            received=str(since),
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
    if not isinstance(source, (Event, Label)):
        raise DeclarationError(
            thing,
            expected="an event or a label",
            received=type(source).__name__,
            mend="Write sl.count(watch, ...).",
        )
    event = source.event if isinstance(source, Label) else source
    key = _key(thing, by, event.entities)
    for expression in (value, where):
        _check_columns(thing, expression, event)
    if where is not None and where.type != "bool":
        raise DeclarationError(
            thing,
            expected="a condition",
            received=f"where={where}",
            mend="Compare: where=watch.watch_s > 30.",
        )
    return [
        Windowed(
            f"{aggregate}({what}{_by(key)}, window={text}{_where(where)})",
            aggregate, source, value, where, key, window_us, tile_us,
        )
        for text, window_us, tile_us in _windows(thing, window, tile)
    ]  # fmt: skip


def _windows(thing: str, window: str | Iterable[str], tile: str | None) -> list[tuple[str, int, int]]:
    texts = [window] if isinstance(window, str) else list(window)
    windows = []
    for text in texts:
        window_us = duration_us(f"{thing}, window", text)
        tile_us = default_tile_us(window_us) if tile is None else duration_us(f"{thing}, tile", tile)
        if window_us % tile_us:
            raise DeclarationError(
                f"{thing}, window {text}",
                expected="a multiple of its tile",
                received=f"tile {duration_text(tile_us)}",
                mend=f"Use tile='{duration_text(default_tile_us(window_us))}', or leave the tile out.",
            )
        shown = text if tile is None else f"{text}, tile={tile}"
        windows.append((shown, window_us, tile_us))
    if not windows:
        raise DeclarationError(
            f"{thing}, window", expected="one duration or more", received="none", mend='Write window="1d".'
        )
    return windows


def _key(thing: str, by: KeyLike, entities: Sequence[Entity]) -> Key:
    parts: Key = () if by is None else (by,) if isinstance(by, (Entity, Attribute)) else tuple(by)
    for part in parts:
        owner = part.entity if isinstance(part, Attribute) else part
        if isinstance(part, Attribute) and part.type not in KEY_TYPES:
            raise DeclarationError(
                f"{thing}, by={part}",
                expected=f"an attribute of type {' or '.join(KEY_TYPES)}",
                received=part.type,
                mend="Declare a number that is a name, such as an author's id, as str.",
            )
        if owner not in entities:
            raise DeclarationError(
                f"{thing}, by={part}",
                expected=f"{' or '.join(str(entity) for entity in entities)}, or an attribute of it",
                received=str(part),
                mend="Keep it by something that takes part in the event.",
            )
    if len(parts) > 2:
        raise DeclarationError(
            f"{thing}, by", expected="at most two parts", received=[str(part) for part in parts],
            mend="Cross two at most; trees find the rest.",
        )  # fmt: skip
    return parts


def _event_of(aggregate: str, value: Expression) -> Event:
    columns = list(value.columns()) if isinstance(value, Expression) else []
    events = {column.event for column in columns if isinstance(column, EventField)}
    if len(events) != 1 or value.type not in ("int", "float"):
        raise DeclarationError(
            f"{aggregate}({value})",
            expected="a number out of the fields of exactly one event",
            received=str(value),
            mend=f"Write sl.{aggregate}(watch.watch_s, by=user, window='1d').",
        )
    return events.pop()


def _check_columns(thing: str, expression: Expression | None, event: Event) -> None:
    columns: Iterable[Column] = () if expression is None else expression.columns()
    for column in columns:
        known = (
            column.event is event
            if isinstance(column, EventField)
            else isinstance(column, Attribute) and column.entity in event.entities
        )
        if not known or isinstance(column, ContextField):
            raise DeclarationError(
                thing,
                expected=f"fields of {event} and attributes of {[str(entity) for entity in event.entities]}",
                received=str(column),
                mend="Aggregate over what the event itself carries.",
            )


def _by(key: Key) -> str:
    if not key:
        return ""
    names = str(key[0]) if len(key) == 1 else f"({', '.join(str(part) for part in key)})"
    return f", by={names}"


def _where(where: Expression | None) -> str:
    return "" if where is None else f", where={where}"
