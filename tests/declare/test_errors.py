"""Every error teaches: it names the thing, what was expected, what came, and the mend."""

from __future__ import annotations

import pytest

import shortlist as sl
from declare.example import FakeFilter, FakeModel, FakeReranker, FakeSource, surface_parts, video

OTHER = video()  # another app, whose parts must not mix with ours


class PlainSource(FakeSource):
    """A stage that does not print its settings."""

    __repr__ = object.__repr__


def surface(d, **changed):
    return d.app.surface("home", **surface_parts(d) | changed)


def late_context(d):
    app = sl.App("late")
    app.event("watch", app.entity("user"), app.entity("video"))
    _ = app.impression
    app.context(device=str)


def label_first(d):
    app = sl.App("early")
    login = app.event("login", app.entity("user"))
    app.label("returned", login, within="1d")


def followed_history(d):
    app = sl.App("follows")
    user, artist = app.entity("user"), app.entity("artist")
    app.event("watch", user, app.entity("video"))
    app.features(sl.last(app.event("follow", user, artist), by=user, n=5))


def too_many_labels(d):
    app = sl.App("labels")
    watch = app.event("watch", app.entity("user"), app.entity("video"))
    for number in range(63):
        app.label(f"label{number}", watch, within="1h")


# What is declared wrongly, and words that its error must hold: the thing, and something of the mend.
NAMES = {
    "app name with capitals": (lambda d: sl.App("Video"), ["app", "'Video'", "lower-case"]),
    "app name is no text": (lambda d: sl.App(3), ["app", "3", "lower-case"]),
    "entity name with a space": (lambda d: d.app.entity("short video"), ["entity", "'short video'"]),
    "entity name with an accent": (lambda d: d.app.entity("vidéo"), ["entity", "'vidéo'", "letters a to z"]),
    "entity name without end": (lambda d: d.app.entity("v" * 101), ["entity", "100 at most"]),
    "entity named as a word of Python": (lambda d: d.app.entity("class"), ["entity", "'class'"]),
    "entity named as a field of a record": (lambda d: d.app.entity("time"), ["entity", "'time'"]),
    "entity named impression": (lambda d: d.app.entity("impression"), ["impression", "itself"]),
    "entity name that cannot be hashed": (lambda d: d.app.entity(["user"]), ["entity", "['user']"]),
    "entity twice": (lambda d: d.app.entity("user"), ["entity user", "Choose another"]),
    "entity named as an event": (lambda d: d.app.entity("watch"), ["entity watch", "Choose another"]),
    "entity named as a context field": (lambda d: d.app.entity("device"), ["entity device"]),
    "event twice": (lambda d: d.app.event("watch", d.user), ["event watch", "not yet taken"]),
    "event named as an entity": (lambda d: d.app.event("user", d.user), ["event user"]),
    "label twice": (lambda d: d.app.label("liked", d.like, within="1d"), ["label liked"]),
    "label named as an event": (lambda d: d.app.label("like", d.like, within="1d"), ["label like"]),
    "surface twice": (lambda d: (surface(d), surface(d)), ["surface home", "not yet taken"]),
    "attribute that hides the id": (lambda d: d.app.entity("shop", shop=str), ["shop.shop", "other than"]),
    "attribute of our own": (lambda d: d.app.entity("shop", attributes=str), ["shop.attributes"]),
    "attribute named as a field of a record": (lambda d: d.app.entity("shop", seq=int), ["shop.seq"]),
    "attribute with a leading underscore": (lambda d: d.app.entity("shop", _x=int), ["shop._x"]),
    "field that hides an entity": (lambda d: d.app.event("see", d.user, user=str), ["see.user"]),
    "field named as a field of a record": (lambda d: d.app.event("see", d.user, time=int), ["see.time"]),
    "field of our own": (lambda d: d.app.event("see", d.user, columns=int), ["see.columns"]),
    "context named as an entity": (lambda d: sl_app_with_context("user"), ["context user"]),
    "context named as a field of the impression": (
        lambda d: sl.App("a").context(position=int), ["context.position"]),
}  # fmt: skip


def sl_app_with_context(name):
    app = sl.App("a")
    app.entity(name)
    app.context(**{name: str})


UNKNOWN = {
    "field, near": (lambda d: d.watch.watch_seconds, ["watch.watch_seconds", "'watch_s'", "Did you mean"]),
    "field, far": (lambda d: d.watch.colour, ["watch.colour", "Declare it", "colour=float"]),
    "attribute, near": (lambda d: d.video.topics, ["video.topics", "Did you mean 'topic'?"]),
    "attribute, far": (lambda d: d.user.zzz, ["user.zzz", "zzz=float"]),
    "context, near": (lambda d: d.context.devise, ["context.devise", "Did you mean 'device'?"]),
    "context, far": (lambda d: d.context.zzz, ["context.zzz", "app.context(zzz=str)"]),
}

TYPES = {
    "an instance": (lambda d: d.app.entity("shop", rating=5.0), ["shop.rating", "5.0", "sl.Time"]),
    "a list": (lambda d: d.app.entity("shop", tags=[str]), ["shop.tags", "float, bool or sl.Time"]),
    "another class": (lambda d: d.app.event("see", d.user, what=dict), ["see.what", "dict"]),
    "an instance of Time": (lambda d: d.app.event("see", d.user, at=sl.Time()), ["see.at", "type itself"]),
    "a context's text": (lambda d: sl.App("a").context(device="str"), ["context.device", "'str'"]),
}

EVENTS = {
    "no entity": (lambda d: d.app.event("see"), ["event see", "one or more entities", "Declare who"]),
    "an entity twice": (lambda d: d.app.event("see", d.user, d.user), ["event see", "each once"]),
    "an entity's name": (lambda d: d.app.event("see", "user"), ["event see", "'user'", "Declare it first"]),
    "an entity of another app": (lambda d: d.app.event("see", OTHER.user), ["event see", "this app"]),
    "context twice": (lambda d: d.app.context(page=str), ["context", "second or late", "one app.context"]),
    "context late": (late_context, ["context", "before app.impression", "near the entities"]),
    "no event between two": (lambda d: sl.App("a").impression, ["impression", "between two entities"]),
    "no pair for a user": (lambda d: sl.App("a").user_entity, ["user_entity", "app.event("]),
}

EXPRESSIONS = {
    "and": (lambda d: (d.watch.watch_s > 3) and d.video.explicit, ["and, or, not", "in brackets"]),
    "or": (lambda d: (d.watch.watch_s > 3) or d.video.explicit, ["&, | and ~"]),
    "not": (lambda d: not d.video.explicit, ["expression video.explicit", "~"]),
    "chained": (lambda d: 3 < d.watch.watch_s < 30, ["chained comparison"]),
    "no brackets": (lambda d: d.watch.watch_s > 3 & d.video.explicit, ["operator &", "Compare first"]),
    "no brackets either": (lambda d: 1 | d.video.explicit, ["operator |", "1 (int)"]),
    "a number inverted": (lambda d: ~d.watch.watch_s, ["operator ~", "watch.watch_s (float)"]),
    "text and number": (lambda d: d.video.topic > 3, ["operator >", "video.topic (str)", "3 (int)"]),
    "text ordered": (lambda d: d.video.topic < "b", ["operator <"]),
    "text added": (lambda d: d.video.topic + "b", ["operator +", "numbers for + - * /"]),
    "time and number": (lambda d: d.video.published > 3, ["operator >", "video.published (time)"]),
    "list compared": (lambda d: d.app.impression.features == d.app.impression.features, ["operator =="]),
    "none": (lambda d: d.video.topic == None, ["expression", "None", "declared fields"]),  # noqa: E711
    "an entity": (lambda d: d.video.topic == d.user, ["expression", "Entity('user')"]),
    "not finite": (lambda d: d.watch.watch_s > float("inf"), ["finite", "inf"]),
    "not a number": (lambda d: d.watch.watch_s > float("nan"), ["finite", "nan"]),
    "far too long": (lambda d: d.watch.watch_s > 10**400, ["finite"]),
}

LABELS = {
    "over a feature": (
        lambda d: d.app.label("busy", sl.count(d.watch, by=d.user, window="1h"), within="1h"),
        ["label busy", "may not look into features", "count(watch, by=user, window=1h)"]),
    "over two events": (
        lambda d: d.app.label("both", (d.watch.watch_s > 3) & (d.login.attempts > 1), within="1h"),
        ["label both", "exactly one event", "one label an event"]),
    "over the request": (
        lambda d: d.app.label("phone", (d.watch.watch_s > 3) & (d.context.device == "x"), within="1h"),
        ["label phone", "exactly one event"]),
    "no condition": (
        lambda d: d.app.label("long", d.watch.watch_s, within="1h"),
        ["label long", "a condition", "watch.watch_s, a float"]),
    "no event": (lambda d: d.app.label("odd", d.video.explicit, within="1h"), ["label odd", "one event"]),
    "a text": (lambda d: d.app.label("odd", "like", within="1h"), ["label odd", "str like"]),
    "an event without the item": (
        lambda d: d.app.label("back", d.login, within="1h"), ["label back", "user does to video", "login"]),
    "the impression": (
        lambda d: d.app.label("seen", d.app.impression, within="1h"), ["label seen", "after the impression"]),
    "a foreign attribute": (
        lambda d: d.app.label("odd", (d.watch.watch_s > 3) & (d.tag.name == "x"), within="1h"),
        ["label odd", "tag.name", "drop the attribute"]),
    "before any pair": (label_first, ["label returned", "between two entities"]),
    "no duration": (lambda d: d.app.label("late", d.like, within=30), ["label late, within", "30", '"1h"']),
}  # fmt: skip

DURATIONS = ["", "1", "h", "0h", "-1h", "1.5h", "1 h", "1H", "1ms", "1h30m", "٣d", "999999999w", 60, None]


def count(d, **arguments):
    return sl.count(d.watch, **{"by": d.user, "window": "1d"} | arguments)


FEATURES = {
    "window no multiple of its tile": (
        lambda d: count(d, window="90m", tile="1h"),
        ["count(watch), window 90m", "multiple of its tile", "tile 1h", "tile='1m'"]),
    "tile longer than its window": (lambda d: count(d, window="1h", tile="1d"), ["multiple", "tile 1d"]),
    "no window": (lambda d: count(d, window=[]), ["count(watch), window", 'window="1d"']),
    "window of a number": (lambda d: count(d, window=60), ["count(watch), window", "60"]),
    "tile of a number": (lambda d: count(d, tile=60), ["count(watch), tile", "60"]),
    "key of another entity": (
        lambda d: count(d, by=d.tag), ["count(watch), by=tag", "user or video", "takes part"]),
    "attribute of another entity": (lambda d: count(d, by=d.tag.name), ["by=tag.name", "Attribute tag.name"]),
    "key of another app": (lambda d: count(d, by=OTHER.user), ["by=user", "takes part"]),
    "numeric key": (lambda d: count(d, by=d.video.likes), ["by=video.likes", "received int", "as str"]),
    "time as a key": (lambda d: count(d, by=d.video.published), ["by=video.published", "received time"]),
    "field as a key": (lambda d: count(d, by=d.watch.muted), ["by=watch.muted", "EventField watch.muted"]),
    "text as a key": (lambda d: count(d, by="user"), ["by=user", "str user"]),
    "number as a key": (lambda d: count(d, by=3), ["by=3"]),
    "three keys": (
        lambda d: count(d, by=(d.user, d.video, d.video.topic)), ["at most two", "trees find the rest"]),
    "one key twice": (lambda d: count(d, by=(d.user, d.user)), ["each once"]),
    "count of a field": (lambda d: sl.count(d.watch.watch_s, window="1d"), ["an event or a label"]),
    "count of an entity": (lambda d: sl.count(d.user, window="1d"), ["count(user)", "Entity user"]),
    "where is no condition": (lambda d: count(d, where=d.watch.watch_s), ["a condition", "Compare"]),
    "where is a truth": (lambda d: count(d, where=True), ["a condition", "where=True"]),
    "where of another event": (
        lambda d: count(d, where=d.login.attempts > 1), ["fields of watch", "login.attempts"]),
    "where of the request": (
        lambda d: count(d, where=d.context.device == "x"), ["fields of watch", "context.device"]),
    "sum of an event": (lambda d: sl.sum(d.watch, window="1d"), ["sum(watch)", "sl.sum(watch.watch_s"]),
    "mean of a number": (lambda d: sl.mean(3, window="1d"), ["mean(3)", "int 3"]),
    "mean of a condition": (lambda d: sl.mean(d.watch.watch_s > 3, window="1d"), ["a number out of"]),
    "mean over two events": (
        lambda d: sl.mean(d.watch.watch_s * d.login.attempts, window="1d"), ["exactly one event"]),
    "mean by another entity": (
        lambda d: sl.mean(d.watch.watch_s, window="1d", by=d.tag), ["mean(watch.watch_s), by=tag"]),
    "rate of an event": (lambda d: sl.rate(d.like, window="1d", prior=20), ["rate", "Event like", "label"]),
    "rate without weight": (lambda d: sl.rate(d.liked, window="1d", prior=0), ["rate(liked)", "prior=20"]),
    "rate of a text": (lambda d: sl.rate(d.liked, window="1d", prior="9"), ["rate(liked)", "'9'"]),
    "rate by what an impression is not about": (
        lambda d: sl.rate(d.app.label("tagged", d.tagging, within="1d"), by=d.tag, window="1d", prior=2),
        ["rate(tagged), by=tag", "user or video"]),
    "last of a label": (lambda d: sl.last(d.liked, by=d.user, n=5), ["last(liked)", "Label liked"]),
    "last of an event without items": (lambda d: sl.last(d.login, by=d.user, n=5), ["two entities"]),
    "last of none": (lambda d: sl.last(d.watch, by=d.user, n=0), ["last(watch)", "n from 1 to 10000"]),
    "last of a text": (lambda d: sl.last(d.watch, by=d.user, n="50"), ["last(watch)", "'50'"]),
    "last by an item": (
        lambda d: d.app.features(sl.last(d.watch, by=d.video, n=5)),
        ["last(watch, by=video", "history of a user"],
    ),
    "last by an attribute": (
        lambda d: d.app.features(sl.last(d.watch, by=d.user.country, n=5)),
        ["history of a user", "by=user"],
    ),
    "last of events without an item": (
        followed_history,
        ["event with a video", "follow of ['user', 'artist']"],
    ),
    "too many labels": (too_many_labels, ["label label62", "at most 62 labels"]),
    "last where": (lambda d: sl.last(d.watch, by=d.user, n=5, where=d.watch.watch_s), ["a condition"]),
    "last window": (lambda d: sl.last(d.watch, by=d.user, n=5, window="0d"), ["last(watch), window"]),
    "recency of an entity": (lambda d: sl.recency(d.user, by=d.user), ["recency(user)", "Entity user"]),
    "recency where": (lambda d: sl.recency(d.watch, by=d.user, where=3), ["recency(watch)", "where=3"]),
    "age of a number": (lambda d: sl.age(d.video.duration_s), ["age", "video.duration_s", "sl.Time"]),
    "age of an entity": (lambda d: sl.age(d.video), ["age", "Entity video"]),
    "age of an event's field": (lambda d: sl.age(d.watch.at), ["age", "EventField watch.at"]),
    "an event as a feature": (lambda d: d.app.features(d.watch), ["features", "Event watch", "sl.count"]),
    "an entity as a feature": (lambda d: d.app.features(d.user), ["features", "Entity user"]),
    "a field as a feature": (
        lambda d: d.app.features(d.watch.watch_s), ["watch.watch_s", "known after it", "sl.mean"]),
    "a time as a feature": (lambda d: d.app.features(d.video.published), ["sl.age(video.published)"]),
    "an attribute of nobody in the request": (
        lambda d: d.app.features(d.tag.name), ["feature tag.name", "user or video"]),
    "a key that no request names": (
        lambda d: d.app.features(sl.count(d.tagging, by=d.tag, window="1d")),
        ["by=tag", "by user, by video"]),
    "an attribute of another app": (
        lambda d: d.app.features(OTHER.video.topic), ["feature video.topic", "this app"]),
    "a count of another app": (
        lambda d: d.app.features(count(OTHER)), ["this app", "all declared on one app"]),
    "a rate of another app": (
        lambda d: d.app.features(sl.rate(OTHER.liked, window="1d", prior=2)), ["rate(liked", "this app"]),
    "context of another app": (
        lambda d: d.app.features(OTHER.context.device), ["context.device", "this app"]),
    "before any pair": (lambda d: sl.App("a").features(), ["features", "between two entities"]),
}  # fmt: skip

SURFACES = {
    "a stage class": (
        lambda d: surface(d, sources=[FakeSource]), ["home, sources", "FakeSource", "with brackets"]),
    "a stage in the wrong place": (
        lambda d: surface(d, filters=[FakeReranker()]), ["home, filters", "filter stages", "FakeReranker"]),
    "a filter among sources": (lambda d: surface(d, sources=[FakeFilter()]), ["home, sources"]),
    "a source among rerankers": (lambda d: surface(d, rerank=[FakeSource()]), ["home, rerank"]),
    "a stage outside a list": (lambda d: surface(d, sources=FakeSource()), ["home, sources", "a list of"]),
    "no list": (lambda d: surface(d, filters=None), ["home, filters", "None"]),
    "a stage that does not print": (
        lambda d: surface(d, sources=[PlainSource()]), ["home, sources", "dataclass"]),
    "no sources": (lambda d: surface(d, sources=[]), ["surface home", "sl.Popular(n=100)"]),
    "a ranker without value": (lambda d: surface(d, value={}), ["surface home", "value={engaged: 1.0}"]),
    "a value of a foreign label": (
        lambda d: surface(d, value={OTHER.liked: 1.0}), ["home, value", "['engaged', 'liked']"]),
    "a value of a name": (lambda d: surface(d, value={"liked": 1.0}), ["home, value", "str liked"]),
    "a value without weights": (lambda d: surface(d, value=[d.liked]), ["home, value", "weight"]),
    "a weight that is none": (lambda d: surface(d, value={d.liked: "5"}), ["value of liked", "'5'"]),
    "a weight without bounds": (lambda d: surface(d, value={d.liked: float("nan")}), ["value of liked"]),
    "k of none": (lambda d: surface(d, k=0), ["surface home", "k from 1 to 1000", "received 0"]),
    "k of too many": (lambda d: surface(d, k=1001), ["k from 1 to 1000"]),
    "k of a text": (lambda d: surface(d, k="20"), ["k from 1 to 1000", "'20'"]),
    "k of a truth": (lambda d: surface(d, k=True), ["k from 1 to 1000", "True"]),
    "a segment of a name": (
        lambda d: surface(d, segment="country"), ["home, segment", "'country'", "user.country"]),
    "a segment by a number": (
        lambda d: surface(d, segment=d.user.level), ["home, segment", "(int)", "as str"]),
    "a segment of items": (
        lambda d: surface(d, segment=d.video.topic),
        ["home, segment", "of user, who chooses", "video.topic", "['adult', 'country', 'level']"]),
    "a segment of another app": (
        lambda d: surface(d, segment=OTHER.user.country), ["home, segment", "of user, who chooses"]),
    "a budget as a number": (lambda d: surface(d, slo=50), ["home, slo", "sl.SLO(p99_ms=50)"]),
    "no budget": (lambda d: sl.SLO(p99_ms=0), ["SLO", "p99_ms above 0"]),
    "no memory": (lambda d: sl.SLO(index_mb=0), ["SLO", "index_mb above 0", "sl.SLO(index_mb=500)"]),
    "a budget of a text": (lambda d: sl.SLO(p99_ms="50"), ["SLO", "'50'"]),
    "no rungs": (lambda d: sl.Ladder(), ["Ladder", "one ranking model or more"]),
    "a model class": (lambda d: sl.Ladder(FakeModel), ["Ladder", "with brackets"]),
    "a model class alone": (lambda d: surface(d, ranker=FakeModel), ["Ladder", "with brackets"]),
    "a model that does not print": (lambda d: sl.Ladder(object()), ["Ladder", "object"]),
    "before any pair": (
        lambda d: sl.App("a").surface("home", sources=[FakeSource()]), ["surface home", "between two"]),
}  # fmt: skip

CASES = {
    f"{group}: {case}": bad
    for group, cases in [
        ("names", NAMES), ("unknown", UNKNOWN), ("types", TYPES), ("events", EVENTS),
        ("expressions", EXPRESSIONS), ("labels", LABELS), ("features", FEATURES), ("surfaces", SURFACES),
    ]
    for case, bad in cases.items()
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_bad_declaration_is_refused_where_it_is_written(case):
    declare, words = CASES[case]
    with pytest.raises(sl.DeclarationError) as refused:
        declare(video())
    message = str(refused.value)
    assert message.startswith(refused.value.thing)
    assert ": expected " in message
    assert ", received " in message
    assert message.endswith(refused.value.mend), "the mend comes last"
    assert [word for word in words if word not in message] == [], message


@pytest.mark.parametrize("text", DURATIONS)
def test_a_bad_duration_is_refused(text):
    d = video()
    with pytest.raises(sl.DeclarationError, match=r"count\(watch\), window: expected a duration"):
        sl.count(d.watch, by=d.user, window=[text])


def test_a_refused_declaration_leaves_the_app_as_it_was():
    d = video()
    before = d.app.fingerprint()
    for declare, _ in CASES.values():
        fresh = video()
        with pytest.raises(sl.DeclarationError):
            declare(fresh)
        fresh.app.surfaces.pop("home", None)  # the case of two equal surfaces declares one first
        fresh.app.labels.pop("tagged", None)  # and one of the features needs a label more
        assert fresh.app.fingerprint() == before


def test_an_error_is_a_value_error():
    assert issubclass(sl.DeclarationError, ValueError)
