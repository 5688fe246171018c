"""What the calls of `feature_calls` check, and how the parts of a feature's name are printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shortlist.declare.entities import Entity
from shortlist.declare.errors import DeclarationError
from shortlist.declare.events import Event
from shortlist.declare.expressions import Attribute, EventField, Expression
from shortlist.declare.features import Key
from shortlist.declare.labels import Label
from shortlist.declare.types import default_tile_us, duration_text, duration_us

KEY_TYPES = ("str", "bool")


def named_attribute(thing: str, attribute: object, mend: str) -> Attribute:
    """Return an attribute that names something, so that ids can be grouped by it.

    Raises:
        DeclarationError: when it is no attribute, or one that is measured rather than named.
    """
    if isinstance(attribute, Attribute) and attribute.type in KEY_TYPES:
        return attribute
    kind = f" ({attribute.type})" if isinstance(attribute, Attribute) else ""
    raise DeclarationError(
        thing,
        expected=f"an attribute of type {' or '.join(KEY_TYPES)}",
        received=f"{attribute!r}{kind}",
        mend=mend,
    )


def windows_of(thing: str, window: str | Iterable[str], tile: str | None) -> list[tuple[str, int, int]]:
    """Return each window as it is printed, with its length and its tile in microseconds."""
    texts = [window] if isinstance(window, str) or not isinstance(window, Iterable) else list(window)
    windows = []
    for text in texts:
        window_us = duration_us(f"{thing}, window", text)
        default_us = default_tile_us(window_us)
        tile_us = default_us if tile is None else duration_us(f"{thing}, tile", tile)
        if window_us % tile_us:
            raise DeclarationError(
                f"{thing}, window {text}",
                expected="a multiple of its tile",
                received=f"tile {duration_text(tile_us)}",
                mend=f"Use tile='{duration_text(default_us)}', or leave the tile out.",
            )
        shown = "" if tile_us == default_us else f", tile={duration_text(tile_us)}"
        windows.append((f"{duration_text(window_us)}{shown}", window_us, tile_us))
    if not windows:
        raise DeclarationError(
            f"{thing}, window", expected="one duration or more", received="none", mend='Write window="1d".'
        )
    return windows


def event_of(thing: str, source: object) -> Event:
    """Return the event of a source: itself, or the one that a label is declared over."""
    if isinstance(source, Label):
        return source.event
    if isinstance(source, Event):
        return source
    raise DeclarationError(
        thing,
        expected="an event or a label",
        received=f"{type(source).__name__} {source}",
        mend="Name the event itself, as in sl.count(watch, by=user, window='1d').",
    )


def event_of_value(aggregate: str, value: object) -> Event:
    """Return the one event whose fields a number is made of."""
    columns = list(value.columns()) if isinstance(value, Expression) else []
    events = {column.event for column in columns if isinstance(column, EventField)}
    if not isinstance(value, Expression) or len(events) != 1 or value.type not in ("int", "float"):
        raise DeclarationError(
            f"{aggregate}({value})",
            expected="a number out of the fields of exactly one event",
            received=f"{type(value).__name__} {value}",
            mend=f"Write sl.{aggregate}(watch.watch_s, by=user, window='1d').",
        )
    return events.pop()


def key_of(thing: str, by: object, entities: Sequence[Entity]) -> Key:
    """Return what a feature is kept by: entities that take part, or attributes of theirs."""
    parts = () if by is None else tuple(by) if isinstance(by, (tuple, list)) else (by,)
    key: Key = ()
    for part in parts:
        owner = part.entity if isinstance(part, Attribute) else part
        if not isinstance(part, (Entity, Attribute)) or not any(owner is entity for entity in entities):
            raise DeclarationError(
                f"{thing}, by={part}",
                expected=f"{' or '.join(str(entity) for entity in entities)}, or an attribute of it",
                received=f"{type(part).__name__} {part}",
                mend="Keep it by something that takes part in the event.",
            )
        if isinstance(part, Attribute) and part.type not in KEY_TYPES:
            raise DeclarationError(
                f"{thing}, by={part}",
                expected=f"an attribute of type {' or '.join(KEY_TYPES)}",
                received=part.type,
                mend="Declare a number that is a name, such as an author's id, as str.",
            )
        key = (*key, part)
    if len(key) > 2 or len({str(part) for part in key}) != len(key):
        raise DeclarationError(
            f"{thing}, by",
            expected="at most two parts, each once",
            received=[str(part) for part in key],
            mend="Cross two at most; trees find the rest.",
        )
    return key


def check_where(thing: str, where: object, event: Event) -> None:
    """Check that `where` is a condition over what the event carries, or None."""
    if where is None:
        return
    if not isinstance(where, Expression) or where.type != "bool":
        raise DeclarationError(
            thing,
            expected="a condition",
            received=f"where={where}",
            mend="Compare: where=watch.watch_s > 30.",
        )
    check_columns(thing, where, event)


def check_columns(thing: str, expression: Expression, event: Event) -> None:
    """Check that an expression reads only the event's fields and its entities' attributes."""
    for column in expression.columns():
        is_field = isinstance(column, EventField) and column.event is event
        is_attribute = isinstance(column, Attribute) and column.entity in event.entities
        if not (is_field or is_attribute):
            raise DeclarationError(
                thing,
                expected=f"fields of {event} and attributes of {[str(entity) for entity in event.entities]}",
                received=str(column),
                mend="Aggregate over what the event itself carries.",
            )


def by_text(key: Key) -> str:
    """Print a key as a part of a feature's name."""
    if not key:
        return ""
    names = str(key[0]) if len(key) == 1 else f"({', '.join(str(part) for part in key)})"
    return f", by={names}"


def where_text(where: Expression | None) -> str:
    """Print a condition as a part of a feature's name."""
    return "" if where is None else f", where={where}"


def number_text(number: float) -> str:
    """Print a number exactly, a whole one without its point."""
    return str(int(number)) if number == int(number) else repr(number)
