"""What goes in and out over HTTP: one set of structs decodes, encodes and fills the OpenAPI page."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shortlist.online.problems import Fault
from shortlist.pipeline.trace import Trace

MAX_BATCH = 1000
Id = Annotated[str, Meta(min_length=1, max_length=4096)]


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body: unknown fields are refused."""


class RecommendRequest(_Asked, frozen=True):
    """Who asks, and how the answer should look.

    Attributes:
        user: whom to recommend for; one never seen gets what is known of everybody.
        k: how many items, at most the surface's own number; by default that number.
        context: the fields that the declaration's `app.context(...)` names.
        trace: also return what each stage did.
        attributes: also return each item's attributes.
        preview: answer without evidence: no impression is logged. For looking, not for serving.
    """

    user: Id
    k: Annotated[int, Meta(ge=1)] | None = None
    context: dict[str, Any] = {}
    trace: bool = False
    attributes: bool = False
    preview: bool = False


class Slot(msgspec.Struct, frozen=True, gc=False):
    """One place of an answer.

    Attributes:
        item: its id.
        position: its place, from 1.
        score: the expected value that ranked it; null where it could not be computed.
        score_parts: the probability of each label.
        propensity: the probability with which this item stands in this place, given the candidates.
        sources: who proposed it.
        attributes: when asked for.
    """

    item: str
    position: int
    score: float | None
    score_parts: dict[str, float]
    propensity: float
    sources: tuple[str, ...]
    attributes: dict[str, Any] | UnsetType = UNSET


class RecommendAnswer(msgspec.Struct, frozen=True):
    """A slate.

    Attributes:
        request_id: names this answer in the logged impressions.
        surface: which surface answered.
        release: which release answered.
        degraded: what was late or broken, in words; empty when all is well.
        items: best first.
        trace: when asked for.
    """

    request_id: str
    surface: str
    release: str
    degraded: tuple[str, ...]
    items: list[Slot]
    trace: Trace | UnsetType = UNSET


class Accepted(msgspec.Struct, frozen=True, tag="accepted", tag_field="status"):
    """The record is on the disk, at this position of the log, and folded."""

    seq: int


class Duplicate(msgspec.Struct, frozen=True, tag="duplicate", tag_field="status"):
    """A record with this id was accepted before, at this position; it has no second effect."""

    seq: int


class Rejected(msgspec.Struct, frozen=True, tag="rejected", tag_field="status"):
    """The record does not fit; the others of its batch are not affected."""

    problem: Fault


Result = Accepted | Duplicate | Rejected


class IngestAnswer(msgspec.Struct, frozen=True):
    """What became of each record, in the order they were sent."""

    results: list[Result]


class EntityAnswer(msgspec.Struct, frozen=True):
    """An item and its attributes as they stand now; null where unknown."""

    item: str
    attributes: dict[str, Any]


class UserAnswer(msgspec.Struct, frozen=True):
    """A user, their attributes, and the histories that features and stages read, newest item first."""

    user: str
    attributes: dict[str, Any]
    history: dict[str, list[str]]


class SimilarItem(msgspec.Struct, frozen=True):
    """A similar item and how similar it is."""

    item: str
    score: float


class SimilarAnswer(msgspec.Struct, frozen=True):
    """What people who chose this item also chose, the most similar first."""

    item: str
    release: str
    items: list[SimilarItem]


class Alive(msgspec.Struct, frozen=True):
    """The process runs."""

    status: str


class Readiness(msgspec.Struct, frozen=True):
    """Whether requests can be answered, and if not, why not."""

    ready: bool
    reasons: list[str]
    release: str | None
    last_seq: int | None


class Index(msgspec.Struct, frozen=True):
    """What this server is and where to read on."""

    app: str
    surfaces: list[str]
    openapi: str
