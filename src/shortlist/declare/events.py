"""Events: what happens, to which entities, with typed fields; and the built-in impression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shortlist.declare.entities import Entity
from shortlist.declare.errors import DeclarationError
from shortlist.declare.expressions import ContextField, EventField
from shortlist.declare.names import RECORD_FIELDS, check_name, member
from shortlist.declare.types import FieldType, field_type

IMPRESSION = "impression"
"""The event the server logs itself for every served slot: position, propensity, the evidence."""

IMPRESSION_FIELDS: dict[str, FieldType] = {
    "request_id": "str",
    "surface": "str",
    "release": "str",
    "arm": "str",
    "position": "int",
    "propensity": "float",
    "score": "float",
    "score_parts": "floats",
    "source": "str",
    "features": "floats",
    "request_time_us": "time",
    "as_of_seq": "int",
}


class Event:
    """Something that happens between entities: `app.event("watch", user, video, watch_s=float)`.

    Args:
        name: the event's name.
        entities: the entities that take part, each once.
        fields: field name to field type.

    Raises:
        DeclarationError: for a bad name, an entity named twice, a field that hides an entity.
    """

    def __init__(self, name: str, entities: Sequence[Entity], fields: Mapping[str, FieldType]) -> None:
        self.event_name = check_name("event", name)
        self.entities = tuple(entities)
        names = [entity.entity_name for entity in self.entities]
        if not names or len(set(names)) != len(names):
            raise DeclarationError(
                f"event {name}",
                expected="one or more entities, each once",
                received=names,
                mend='Declare who it happens to: app.event("watch", user, video, watch_s=float).',
            )
        self.fields: dict[str, EventField] = {}
        for field, type_ in fields.items():
            check_name(f"field {name}.{field}", field, {*vars(self), "columns", *names, *RECORD_FIELDS})
            self.fields[field] = EventField(self, field, type_)

    @property
    def columns(self) -> dict[str, FieldType]:
        """Every column of the event in the log: the ids of its entities, then its fields."""
        ids: dict[str, FieldType] = {entity.entity_name: "str" for entity in self.entities}
        return ids | {name: field.type for name, field in self.fields.items()}

    def __getattr__(self, name: str) -> EventField:
        return member(
            f"field {self.event_name}", name, self.fields, "Declare it: app.event(..., {name}=float)."
        )

    def __str__(self) -> str:
        return self.event_name

    def __repr__(self) -> str:
        return f"Event({self.event_name!r})"


class Context:
    """What a request brings with it, typed: `context = app.context(device=str)`; read `context.device`."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        self.fields: dict[str, ContextField] = {}
        for name, declared in fields.items():
            check_name(f"context.{name}", name, {"fields", *RECORD_FIELDS, *IMPRESSION_FIELDS})
            self.fields[name] = ContextField(name, field_type(f"context.{name}", declared))

    def __getattr__(self, name: str) -> ContextField:
        return member("context", name, self.fields, "Declare it: app.context({name}=str).")
