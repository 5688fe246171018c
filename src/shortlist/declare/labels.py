"""Labels: what the product wants, declared over events and attributed to impressions."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.declare.entities import Entity
from shortlist.declare.errors import DeclarationError
from shortlist.declare.events import IMPRESSION, Event
from shortlist.declare.expressions import Attribute, ContextField, EventField, Expression
from shortlist.declare.types import duration_text, duration_us

MAX_LABELS = 62
"""What an impression turned positive for is kept as the bits of one whole number."""


@dataclass(frozen=True, eq=False)
class Label:
    """An impression is positive when such an event follows it in time.

    The event is attributed to the last impression of the same user and item at most `within_us`
    before it; one impression turns positive once, at the moment the log learned of the event.
    """

    label_name: str
    event: Event
    condition: Expression | None
    within_us: int
    entities: tuple[Entity, Entity]
    """Who chooses and what is chosen: the entities of the impression that turns positive."""

    def __str__(self) -> str:
        return self.label_name

    def describe(self) -> str:
        """Print the label as it was declared."""
        what = self.condition if self.condition is not None else self.event
        return f'label("{self.label_name}", {what}, within="{duration_text(self.within_us)}")'


def declare_label(name: str, what: object, within: str, entities: tuple[Entity, Entity]) -> Label:
    """Build a label from an event or from a condition over one event.

    Args:
        name: the label's name.
        what: an event (any such event counts) or a condition over its fields and attributes.
        within: the attribution window, a duration from the impression.
        entities: who chooses, and what is chosen.

    Raises:
        DeclarationError: when the condition is no condition, reads a feature or the request, mixes
            two events, or its event is not between the user and the item.
    """
    thing = f"label {name}"
    user, item = entities
    condition: Expression | None = None
    if isinstance(what, Event):
        event = what
    elif isinstance(what, Expression):
        condition, event = what, _single_event(thing, what)
        if condition.type != "bool":
            raise DeclarationError(
                thing,
                expected="a condition, true or false",
                received=f"{condition}, a {condition.type}",
                mend="Compare it with something, as in watch.watch_s > 30.",
            )
    else:
        raise DeclarationError(
            thing,
            expected="an event, or a condition over an event's fields",
            received=f"{type(what).__name__} {what}",
            mend="A label may not look into features: they are what it is predicted from. "
            "Write app.label('engaged', watch.watch_s > 30, within='30m').",
        )
    if event.event_name == IMPRESSION or user not in event.entities or item not in event.entities:
        raise DeclarationError(
            thing,
            expected=f"an event that {user} does to {item}, after the impression",
            received=f"{event} of {[str(entity) for entity in event.entities]}",
            mend="Use an event declared with both entities.",
        )
    return Label(name, event, condition, duration_us(f"{thing}, within", within), entities)


def _single_event(thing: str, condition: Expression) -> Event:
    columns = list(condition.columns())
    events = {column.event for column in columns if isinstance(column, EventField)}
    if len(events) != 1 or any(isinstance(column, ContextField) for column in columns):
        raise DeclarationError(
            thing,
            expected="a condition over the fields of exactly one event",
            received=str(condition),
            mend="Declare one label an event, and weigh them in the surface's value.",
        )
    event = events.pop()
    for column in columns:
        if isinstance(column, Attribute) and column.entity not in event.entities:
            raise DeclarationError(
                thing,
                expected=f"attributes of {[str(entity) for entity in event.entities]}",
                received=str(column),
                mend=f"{event} has no {column.entity}: add it to the event, or drop the attribute.",
            )
    return event
