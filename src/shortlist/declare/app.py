"""The declaration of a product: everything else in Shortlist is derived from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from shortlist.declare.entities import Entity
from shortlist.declare.errors import DeclarationError
from shortlist.declare.events import IMPRESSION, IMPRESSION_FIELDS, Context, Event
from shortlist.declare.expressions import Expression
from shortlist.declare.features import Feature, as_features, check_history, check_parts
from shortlist.declare.fingerprint import fingerprint
from shortlist.declare.labels import MAX_LABELS, Label, declare_label
from shortlist.declare.names import check_name
from shortlist.declare.surface import SLO, Stage, Surface, declare_surface
from shortlist.declare.types import FieldType, field_type


class App:
    """A product: who and what, what happens, what it wants, what it knows, how it chooses.

    The first event that names two entities fixes who chooses (`user_entity`) and what is chosen
    (`item_entity`); the built-in `impression` is between these two.

    Args:
        name: the product's name, a lower-case identifier.
    """

    def __init__(self, name: str) -> None:
        self.name = check_name("app", name)
        self.entities: dict[str, Entity] = {}
        self.events: dict[str, Event] = {}
        self.labels: dict[str, Label] = {}
        self.declared_features: dict[str, Feature] = {}
        self.surfaces: dict[str, Surface] = {}
        self.request_context = Context({})
        self._pair: tuple[Entity, Entity] | None = None
        self._impression: Event | None = None

    def entity(self, name: str, /, **attributes: object) -> Entity:
        """Declare an entity: `app.entity("video", topic=str, published=sl.Time)`."""
        self._claim("entity", name, self.entities, self.events, self.labels, self.request_context.fields)
        self.entities[name] = entity = Entity(name, attributes)
        return entity

    def event(self, name: str, /, *entities: Entity, **fields: object) -> Event:
        """Declare an event between entities: `app.event("watch", user, video, watch_s=float)`."""
        self._claim("event", name, self.events, self.entities, self.labels)
        for entity in entities:
            if not isinstance(entity, Entity) or self.entities.get(entity.entity_name) is not entity:
                raise DeclarationError(
                    f"event {name}",
                    expected=f"entities of this app: {sorted(self.entities)}",
                    received=repr(entity),
                    mend='Declare it first: user = app.entity("user").',
                )
        types = {field: field_type(f"field {name}.{field}", declared) for field, declared in fields.items()}
        self.events[name] = event = Event(name, entities, types)
        return event

    def context(self, **fields: object) -> Context:
        """Declare what a request brings with it: `context = app.context(device=str)`."""
        if self.request_context.fields or self._impression is not None:
            raise DeclarationError(
                "context",
                expected="one declaration, before app.impression is read",
                received="a second or late one",
                mend="Name all of the request's fields in one app.context(...), near the entities.",
            )
        for field in fields:
            self._claim("context", field, self.entities)
        self.request_context = Context(fields)
        return self.request_context

    def label(self, name: str, what: Event | Expression, /, within: str) -> Label:
        """Declare what is wanted: `app.label("engaged", watch.watch_s > 30, within="30m")`.

        An impression is positive when such an event of the same user and item follows it within
        the window.
        """
        self._claim("label", name, self.labels, self.events, self.entities)
        pair = self._required_pair(f"label {name}")
        if len(self.labels) == MAX_LABELS:
            raise DeclarationError(
                f"label {name}",
                expected=f"at most {MAX_LABELS} labels",
                received="one more",
                mend="Drop those that no surface values and no feature reads.",
            )
        self.labels[name] = label = declare_label(name, what, within, pair)
        return label

    def features(self, *declared: object) -> None:
        """Declare what is known: feature calls such as `sl.count(...)`, and attributes as they are."""
        pair = self._required_pair("features")
        context = self.request_context.fields.values()
        known = {id(part) for part in (*pair, *self.events.values(), *self.labels.values(), *context)}
        for one in declared:
            for feature in as_features(one):
                check_parts(feature, known | {id(self._impression)}, pair)
                check_history(feature, pair)
                self.declared_features.setdefault(feature.name, feature)

    def surface(
        self,
        name: str,
        /,
        *,
        sources: Sequence[Stage],
        filters: Sequence[Stage] = (),
        ranker: object = None,
        value: Mapping[Label, float] | None = None,
        rerank: Sequence[Stage] = (),
        k: int = 20,
        slo: SLO | None = None,
        segment: object = None,
    ) -> Surface:
        """Declare one place where the product chooses: a feed, a related list.

        Args:
            name: the surface's name; it is served at /v1/surfaces/{name}/recommend.
            sources: stages that propose candidates, run in parallel.
            filters: stages that drop candidates, in order.
            ranker: a ranking model or a `Ladder` of them; None keeps the sources' order.
            value: what a positive of each label is worth; the score is the expected value.
            rerank: stages that order the ranked candidates, in order.
            k: how many to show.
            slo: the latency promise; by default a p99 of 50 ms.
            segment: an attribute of the user, such as `user.country`: when nothing personal can be shown,
                what is popular among those with the same value is shown before what everybody likes.
        """
        self._claim("surface", name, self.surfaces)
        user, _ = self._required_pair(f"surface {name}")
        self.surfaces[name] = surface = declare_surface(
            name, sources=sources, filters=filters, ranker=ranker, value=value, rerank=rerank, k=k,
            slo=slo if slo is not None else SLO(), segment=segment, labels=self.labels, user=user,
        )  # fmt: skip
        return surface

    @property
    def pair(self) -> tuple[Entity, Entity] | None:
        """Who chooses, and what is chosen; None before an event between two entities."""
        if self._pair is None:
            pairs = (event.entities[:2] for event in self.events.values() if len(event.entities) > 1)
            self._pair = next(((pair[0], pair[1]) for pair in pairs), None)
        return self._pair

    @property
    def user_entity(self) -> Entity:
        """Who chooses: the first entity of the first event between two entities."""
        return self._required_pair("user_entity")[0]

    @property
    def item_entity(self) -> Entity:
        """What is chosen: the second entity of the first event between two entities."""
        return self._required_pair("item_entity")[1]

    @property
    def impression(self) -> Event:
        """The built-in event: an item was shown to a user, with position, propensity and evidence."""
        if self._impression is None:
            context = {name: field.type for name, field in self.request_context.fields.items()}
            pair = self._required_pair("impression")
            self._impression = Event(IMPRESSION, pair, IMPRESSION_FIELDS | context)
        return self._impression

    def log_schema(self) -> dict[str, dict[str, FieldType]]:
        """Return every kind of record the log may hold, with its columns.

        Events and impressions under their own names; an update of an entity's attributes under
        the entity's name. Ids of entities are required columns, everything else may be null.
        """
        kinds = {name: event.columns for name, event in self.events.items()}
        if self.pair is not None:
            kinds[IMPRESSION] = self.impression.columns
        for name, entity in self.entities.items():
            kinds[name] = {name: "str", **entity.attribute_types}
        return kinds

    def read_features(self) -> dict[str, Feature]:
        """Return the declared features, then those that the surfaces' stages read, by name."""
        features = dict(self.declared_features)
        for surface in self.surfaces.values():
            for stage in surface.stages:
                for feature in stage.reads(self):
                    features.setdefault(feature.name, feature)
        return features

    def fingerprint(self) -> str:
        """Return the sha256 of the declaration: the same for the same meaning, in any process."""
        return fingerprint(self)

    def _required_pair(self, thing: str) -> tuple[Entity, Entity]:
        if (pair := self.pair) is None:
            raise DeclarationError(
                thing,
                expected="an event between two entities before it, which says who chooses what",
                received="none",
                mend='Declare one: app.event("watch", user, video, watch_s=float).',
            )
        return pair

    @staticmethod
    def _claim(thing: str, name: str, *taken: Collection[str]) -> None:
        check_name(thing, name, (IMPRESSION,))
        if any(name in names for names in taken):
            raise DeclarationError(
                f"{thing} {name}",
                expected="a name not yet taken",
                received=repr(name),
                mend="Choose another: entities, events and labels share one set of names.",
            )
