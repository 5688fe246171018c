"""Random declarations and random event streams, for tests that hold the paths against each other."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

import shortlist as sl
from shortlist.declare.app import App
from shortlist.declare.features import Feature

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
START_US = 1_700_000_000 * SECOND_US + 123_457

# An id may name a user and an item at once: they have nothing to do with each other.
USERS = ["u1", "u2", "same"]
ITEMS = ["v1", "v2", "v3", "same"]

BIG = 2**53 + 1
"""A whole number that a 64-bit float cannot tell from its neighbour."""


@dataclass(frozen=True)
class Happening:
    """One thing to append: its kind and fields, and how long after the one before."""

    wait_us: int
    kind: str
    fields: dict[str, object]
    id: str | None = None


@st.composite
def apps(draw: st.DrawFn) -> App:
    """Draw a declaration over fixed entities and events, with random labels, context and features."""
    app = sl.App("random")
    user = app.entity("user", country=str, adult=bool, city=int)
    video = app.entity(
        "video", topic=str, creator=str, explicit=bool, duration_s=float, published=sl.Time, size=int
    )
    artist = app.entity("artist", genre=str)
    watch = app.event("watch", user, video, watch_s=float, muted=bool, bought=int, at=sl.Time)
    like = app.event("like", user, video)
    search = app.event("search", user, text=str)
    follow = app.event("follow", user, artist)
    context = app.context(device=str, hour=int, opened=sl.Time)
    within = st.sampled_from(["1s", "5s", "30s"])
    engaged = app.label("engaged", watch.watch_s > 3, within=draw(within))
    liked = app.label("liked", like, within=draw(within))
    safe = app.label("safe", (watch.watch_s > 1) & ~video.explicit, within=draw(within))

    keys = st.sampled_from(
        [None, user, video, video.topic, user.country, video.explicit, (user, video.topic), (user, video),
         (video.creator, user.country), (video.topic, user), (user.adult, video.explicit),
         (video.topic, video.explicit), (user.country, user.adult)]
    )  # fmt: skip
    values = st.sampled_from(
        [
            watch.watch_s,
            watch.watch_s / video.duration_s,
            watch.watch_s * 2 - 0.1,
            video.size + watch.watch_s,
            watch.bought,
            watch.bought * video.size,
        ]
    )
    conditions = st.sampled_from(
        [None, None, watch.watch_s > 3, ~video.explicit, (video.topic == "t1") | user.adult,
         (watch.watch_s / video.duration_s >= 0.5) & ~watch.muted, watch.at > video.published,
         user.city == video.size, (video.size != BIG) & (watch.bought < BIG)]
    )  # fmt: skip
    windows = st.sampled_from(
        [
            ("5s", "5s"),
            ("5s", "1s"),
            ("12s", "4s"),
            ("10s", "5s"),
            ("30s", "10s"),
            ("60s", "6s"),
            ("1m", None),
            ("2w", None),
            ("3w", "1w"),
        ]
    )
    labels = st.sampled_from([engaged, liked, safe])

    def draw_feature() -> list[Feature]:
        window, tile = draw(windows)
        kind = draw(
            st.sampled_from(["count", "sum", "mean", "rate", "positives", "shown", "recency", "last"])
        )
        if kind == "count":
            return sl.count(watch, by=draw(keys), window=[window], tile=tile, where=draw(conditions))
        if kind in ("sum", "mean"):
            aggregate = sl.sum if kind == "sum" else sl.mean
            return aggregate(draw(values), by=draw(keys), window=window, tile=tile, where=draw(conditions))
        if kind == "rate":
            return sl.rate(
                draw(labels), by=draw(keys), window=window, tile=tile, prior=draw(st.sampled_from([0.5, 20]))
            )
        if kind == "positives":
            return sl.count(draw(labels), by=draw(keys), window=window, tile=tile)
        if kind == "shown":
            return sl.count(app.impression, by=draw(keys), window=window, tile=tile)
        if kind == "recency":
            source = draw(st.sampled_from([watch, like, app.impression, engaged]))
            return sl.recency(source, by=draw(keys))
        return sl.last(
            draw(st.sampled_from([watch, like])), by=user, n=draw(st.integers(1, 4)),
            window=draw(st.sampled_from([None, "7s"])), where=draw(st.sampled_from([None, ~video.explicit])),
        )  # fmt: skip

    for _ in range(draw(st.integers(2, 7))):
        app.features(draw_feature())
    app.features(
        sl.count(search, by=user, window="1m"),
        sl.count(follow, by=user, window="1m"),
        sl.age(video.published), sl.age(context.opened),
        video.size, video.size * video.size * video.size, user.city == video.size,
        context.opened > video.published,
        video.duration_s, video.topic, user.country, user.adult, ~video.explicit | user.adult,
        video.duration_s / (video.size - 2), context.device, context.hour,
    )  # fmt: skip
    return app


_nullable_floats = st.sampled_from(
    [None, 0.0, 0.3, 1.5, 2.0, 3.0, 7.25, 1e6, -4.75, 2**31 - 0.25, -(2**31) + 0.5]
)
_nullable_bools = st.sampled_from([None, True, False])


def _fields(kind: str) -> st.SearchStrategy[dict[str, object]]:
    user, video = st.sampled_from(USERS), st.sampled_from(ITEMS)
    moments = st.sampled_from(
        [None, START_US - 5 * SECOND_US, START_US, START_US + 7, "9999-12-31T23:59:59.999999Z", -77]
    )
    shapes: dict[str, dict[str, st.SearchStrategy[object]]] = {
        "watch": {
            "user": user, "video": video, "watch_s": _nullable_floats, "muted": _nullable_bools,
            "bought": st.sampled_from([None, 0, -3, 2**31 - 1, BIG]), "at": moments,
        },
        "like": {"user": user, "video": video},
        "follow": {"user": user, "artist": st.sampled_from(["same", "a1"])},
        "search": {"user": user, "text": st.sampled_from([None, "cats"])},
        "impression": {
            "user": user, "video": video, "position": st.integers(0, 3),
            "device": st.sampled_from([None, "tv", "phone"]), "hour": st.sampled_from([None, 0, 23]),
            "opened": moments,
        },
        "user": {
            "user": user, "country": st.sampled_from([None, "nl", "fr"]), "adult": _nullable_bools,
            "city": st.sampled_from([None, 2, BIG - 1, BIG]),
        },
        "video": {
            "video": video, "topic": st.sampled_from([None, "t1", "t2"]),
            "creator": st.sampled_from([None, "c1", "c2"]),
            "explicit": _nullable_bools, "duration_s": st.sampled_from([None, 0.0, 1.0, 8.0]),
            "published": moments, "size": st.sampled_from([None, 0, 2, -5, BIG]),
        },
    }  # fmt: skip
    return st.fixed_dictionaries(shapes[kind]).map(
        lambda fields: {name: value for name, value in fields.items() if value is not None}
    )


@st.composite
def happenings(draw: st.DrawFn, max_size: int = 60) -> list[Happening]:
    """Draw a stream: ties in time, gaps longer than windows, ids that come twice, entity updates."""
    waits = st.sampled_from(
        [0, 0, 0, 1, SECOND_US // 2, SECOND_US, 3 * SECOND_US, 45 * SECOND_US, 6 * DAY_US]
    )
    kinds = st.sampled_from(
        ["watch", "watch", "watch", "like", "impression", "impression", "search", "follow", "user", "video"]
    )

    def one() -> Happening:
        kind = draw(kinds)
        event_id = draw(st.sampled_from([None, None, None, "a", "b", "c"]))
        return Happening(draw(waits), kind, draw(_fields(kind)), event_id and f"{kind}-{event_id}")

    return [one() for _ in range(draw(st.integers(5, max_size)))]
