"""Entities: who and what, with typed attributes."""

from __future__ import annotations

from collections.abc import Mapping

from shortlist.declare.expressions import Attribute
from shortlist.declare.names import RECORD_FIELDS, check_name, member
from shortlist.declare.types import FieldType, field_type


class Entity:
    """Something that has an id: a user, a video. Its attributes are read as `video.topic`.

    Args:
        name: the entity's name; also the field that holds its id in every event.
        attributes: attribute name to type (str, int, float, bool, sl.Time).

    Raises:
        DeclarationError: for a name that is no identifier, or a type that is none of ours.
    """

    def __init__(self, name: str, attributes: Mapping[str, object]) -> None:
        self.entity_name = check_name("entity", name, RECORD_FIELDS)
        self.attributes: dict[str, Attribute] = {}
        for attribute, declared in attributes.items():
            thing = f"attribute {name}.{attribute}"
            reserved = {*vars(self), "attribute_types", name, *RECORD_FIELDS}
            check_name(thing, attribute, reserved)
            self.attributes[attribute] = Attribute(self, attribute, field_type(thing, declared))

    @property
    def attribute_types(self) -> dict[str, FieldType]:
        """Attribute name to field type, as declared."""
        return {name: attribute.type for name, attribute in self.attributes.items()}

    def __getattr__(self, name: str) -> Attribute:
        return member(
            f"attribute {self.entity_name}",
            name,
            self.attributes,
            "Declare it: app.entity(..., {name}=float).",
        )

    def __str__(self) -> str:
        return self.entity_name

    def __repr__(self) -> str:
        return f"Entity({self.entity_name!r})"
