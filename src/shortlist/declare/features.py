"""Features: what the product knows at the moment of a request, each declared once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from shortlist.declare.entities import Entity
from shortlist.declare.errors import DeclarationError
from shortlist.declare.events import Event
from shortlist.declare.expressions import Attribute, ContextField, EventField, Expression
from shortlist.declare.labels import Label

Key = tuple[Entity | Attribute, ...]
"""What a feature is kept by: entities and attributes of entities; empty = one value for all."""

KeyLike = Entity | Attribute | Sequence[Entity | Attribute] | None


@dataclass(frozen=True, eq=False, repr=False)
class Feature:
    """A declared feature; `name` prints the declaration and is unique among equal declarations."""

    name: str

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False, repr=False)
class Windowed(Feature):
    """A count, sum or mean over the events of a window.

    `value` is None for a count; `where` narrows the events. A null or non-finite value is left out.
    """

    aggregate: str
    source: Event | Label
    value: Expression | None
    where: Expression | None
    key: Key
    window_us: int
    tile_us: int


@dataclass(frozen=True, eq=False, repr=False)
class Rate(Feature):
    """The smoothed share of impressions that turned positive within the window.

    (positives + prior * g) / (impressions + prior), where g is the same rate over all keys,
    (positives + 1) / (impressions + 2): the empirical-Bayes estimate with a Beta prior of weight
    `prior` around the global rate.
    """

    label: Label
    prior: float
    key: Key
    window_us: int
    tile_us: int


@dataclass(frozen=True, eq=False, repr=False)
class Last(Feature):
    """The items of the last `n` events of a key, newest first; `window_us` None = however old."""

    source: Event
    where: Expression | None
    key: Key
    n: int
    window_us: int | None


@dataclass(frozen=True, eq=False, repr=False)
class Recency(Feature):
    """Seconds since the last event of a key; null when there was none."""

    source: Event | Label
    where: Expression | None
    key: Key


@dataclass(frozen=True, eq=False, repr=False)
class Age(Feature):
    """Seconds from a moment to the request; null when the moment is unknown."""

    since: Expression


@dataclass(frozen=True, eq=False, repr=False)
class Value(Feature):
    """The value of an attribute, a context field, or an expression over them."""

    expression: Expression


def as_features(declared: object) -> list[Feature]:
    """Turn what `app.features` was given, a feature list or an expression, into features.

    Raises:
        DeclarationError: for anything else, or for an expression that reads an event.
    """
    if isinstance(declared, list) and all(isinstance(feature, Feature) for feature in declared):
        return declared
    if isinstance(declared, Feature):
        return [declared]
    if not isinstance(declared, Expression):
        raise DeclarationError(
            "features",
            expected="sl.count, sum, mean, rate, last, age, recency, or an attribute",
            received=f"{type(declared).__name__} {declared}",
            mend="Write app.features(sl.count(watch, by=user, window='1h'), video.duration_s).",
        )
    for column in declared.columns():
        if isinstance(column, EventField):
            raise DeclarationError(
                f"feature {declared}",
                expected="attributes and context, known before the request",
                received=str(column),
                mend=f"An event's field is known after it: aggregate it, as in sl.mean({column}, ...).",
            )
    if declared.type == "time":
        raise DeclarationError(
            f"feature {declared}", expected="a number, text or condition", received="a time",
            mend=f"Use how long ago it was: sl.age({declared}).",
        )  # fmt: skip
    return [Value(str(declared), declared)]


def check_parts(feature: Feature, known: Collection[int], pair: tuple[Entity, Entity]) -> None:
    """Check that a feature is made of this app's parts, and of what a request knows.

    Args:
        feature: the feature.
        known: `id` of the app's events, labels and context fields, and of the pair.
        pair: who chooses and what is chosen: all that a request is about.

    Raises:
        DeclarationError: for a part of another app, or of an entity that a request does not name.
    """
    for part in _parts(feature):
        if id(part) not in known:
            user, item = pair
            raise DeclarationError(
                f"feature {feature}",
                expected=f"events, labels and context of this app, and attributes of {user} or {item}, "
                "whom a request is about",
                received=str(part),
                mend=f"Aggregate by {user}, by {item} or by an attribute of theirs, all declared on one app.",
            )


def check_history(feature: Feature, pair: tuple[Entity, Entity]) -> None:
    """Check that a history is what it is read as: the chosen items of the one who chooses.

    Raises:
        DeclarationError: for a history of something else, or of events that choose nothing.
    """
    user, item = pair
    if not isinstance(feature, Last):
        return
    is_of_user = len(feature.key) == 1 and feature.key[0] is user
    if not is_of_user or not any(entity is item for entity in feature.source.entities):
        raise DeclarationError(
            f"feature {feature}",
            expected=f"the history of a {user}: an event with a {item}, by={user}",
            received=f"{feature.source} of {[str(entity) for entity in feature.source.entities]}, "
            f"by {[str(part) for part in feature.key]}",
            mend=f"Write sl.last(..., by={user}, n=50); count or rate what others do.",
        )


def _parts(feature: Feature) -> Iterator[Event | Label | Entity | ContextField]:
    for value in vars(feature).values():
        if isinstance(value, (Event, Label)):
            yield value
        elif isinstance(value, tuple):
            yield from (part.entity if isinstance(part, Attribute) else part for part in value)
        elif isinstance(value, Expression):
            for column in value.columns():
                if isinstance(column, Attribute):
                    yield column.entity
                elif isinstance(column, EventField):
                    yield column.event
                elif isinstance(column, ContextField):
                    yield column
