"""The declaration of the design document, built afresh for each test that changes it."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import shortlist as sl


@dataclass(frozen=True)
class FakeSource:
    n: int = 10
    role: ClassVar[str] = "source"

    def reads(self, app):
        return sl.count(app.impression, by=app.item_entity, window="30d")


@dataclass(frozen=True)
class FakeFilter:
    condition: object = None
    role: ClassVar[str] = "filter"

    def reads(self, app):
        return ()


@dataclass(frozen=True)
class FakeReranker:
    slots: int = 2
    role: ClassVar[str] = "reranker"

    def reads(self, app):
        return ()


@dataclass(frozen=True)
class FakeModel:
    depth: int = 3


def video() -> SimpleNamespace:
    """Declare who, what, what happens and what is wanted; features and surfaces are for the test to add."""
    app = sl.App("video")
    context = app.context(device=str, started=sl.Time)
    user = app.entity("user", country=str, adult=bool, level=int)
    item = app.entity(
        "video", creator=str, topic=str, duration_s=float, explicit=bool, published=sl.Time, likes=int
    )
    tag = app.entity("tag", name=str)
    watch = app.event("watch", user, item, watch_s=float, muted=bool, at=sl.Time)
    like = app.event("like", user, item)
    login = app.event("login", user, attempts=int)
    tagging = app.event("tagging", user, item, tag)
    engaged = app.label("engaged", watch.watch_s > 30, within="30m")
    liked = app.label("liked", like, within="1d")
    return SimpleNamespace(
        app=app, context=context, user=user, video=item, tag=tag, watch=watch, like=like, login=login,
        tagging=tagging, engaged=engaged, liked=liked,
    )  # fmt: skip


def surface_parts(d: SimpleNamespace) -> dict[str, object]:
    """The arguments of a surface, of the smallest stages that satisfy the contract."""
    return {
        "sources": [FakeSource()],
        "filters": [FakeFilter(~d.video.explicit | d.user.adult)],
        "ranker": sl.Ladder(FakeModel(), FakeModel(depth=6)),
        "value": {d.engaged: 1.0, d.liked: 5.0},
        "rerank": [FakeReranker()],
        "k": 20,
        "slo": sl.SLO(p99_ms=50),
    }
