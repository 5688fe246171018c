"""The declaration of the design document says what it should, and the app answers for it."""

from __future__ import annotations

import pytest

import shortlist as sl
from declare.example import surface_parts, video
from shortlist.declare.types import default_tile_us, duration_us

FEATURE_NAMES = [
    "count(watch, by=user, window=1h)",
    "count(watch, by=user, window=1d)",
    "count(watch, by=user, window=7d)",
    "mean(watch.watch_s, by=video, window=1d)",
    "rate(engaged, by=video, window=1d, prior=20)",
    "count(watch, by=(user, video.topic), window=7d)",
    "last(watch, by=user, n=50)",
    "age(video.published)",
    "video.duration_s",
    "user.country",
]


def declared():
    d = video()
    d.app.features(
        sl.count(d.watch, by=d.user, window=["1h", "1d", "7d"]),
        sl.mean(d.watch.watch_s, by=d.video, window="1d"),
        sl.rate(d.engaged, by=d.video, window="1d", prior=20),
        sl.count(d.watch, by=(d.user, d.video.topic), window="7d"),
        sl.last(d.watch, by=d.user, n=50),
        sl.age(d.video.published),
        d.video.duration_s,
        d.user.country,
    )
    return d


def test_features_are_named_as_they_are_declared():
    assert list(declared().app.declared_features) == FEATURE_NAMES


def test_equal_features_are_kept_once():
    d = declared()
    d.app.features(sl.count(d.watch, by=d.user, window="24h"), d.user.country)
    assert list(d.app.declared_features) == FEATURE_NAMES


def test_a_feature_is_named_by_its_meaning_not_by_its_spelling():
    d = video()
    spelled = sl.count(d.watch, by=[d.user], window="60m", tile="60s")
    assert [feature.name for feature in spelled] == ["count(watch, by=user, window=1h)"]


def test_the_numbers_of_a_feature_print_exactly():
    d = video()
    d.app.features(*(sl.rate(d.liked, window="1d", prior=prior) for prior in (1234567, 1234568, 0.1)))
    assert [name.split("prior=")[1] for name in d.app.declared_features] == ["1234567)", "1234568)", "0.1)"]


def test_the_first_event_between_two_entities_says_who_chooses_what():
    app = sl.App("news")
    reader, article = app.entity("reader"), app.entity("article")
    assert app.pair is None
    app.event("login", reader)
    assert app.pair is None
    app.event("read", reader, article)
    app.event("feature", article, reader)
    assert (app.user_entity, app.item_entity) == (reader, article)
    assert app.impression.entities == (reader, article)


def test_the_log_holds_events_impressions_and_entity_updates():
    d = declared()
    schema = d.app.log_schema()
    assert set(schema) == {"watch", "like", "login", "tagging", "impression", "user", "video", "tag"}
    assert schema["watch"] == {
        "user": "str", "video": "str", "watch_s": "float", "muted": "bool", "at": "time",
    }  # fmt: skip
    assert schema["user"] == {"user": "str", "country": "str", "adult": "bool", "level": "int"}
    assert schema["impression"]["propensity"] == "float"
    assert schema["impression"]["device"] == "str", "the request's context is logged with the impression"


def test_a_label_remembers_its_event_condition_and_window():
    d = video()
    assert d.engaged.event is d.watch
    assert d.engaged.within_us == duration_us("within", "30m")
    assert d.engaged.describe() == 'label("engaged", (watch.watch_s > 30), within="30m")'
    assert d.liked.condition is None


def test_a_label_may_read_attributes_of_the_entities_of_its_event():
    d = video()
    finished = d.app.label("finished", d.watch.watch_s > d.video.duration_s * 0.9, within="1h")
    assert finished.describe() == (
        'label("finished", (watch.watch_s > (video.duration_s * 0.9)), within="1h")'
    )


def test_windows_and_tiles_are_kept_in_microseconds():
    d = video()
    (by_default,) = sl.count(d.watch, by=d.user, window="1d")
    (by_choice,) = sl.count(d.watch, by=d.user, window="1d", tile="6h")
    assert (by_default.window_us, by_default.tile_us) == (86_400_000_000, default_tile_us(86_400_000_000))
    assert by_choice.tile_us == 6 * 3_600_000_000
    assert by_choice.name == "count(watch, by=user, window=1d, tile=6h)"


def test_a_surface_keeps_its_parts_and_prints_them():
    d = declared()
    surface = d.app.surface("home", **surface_parts(d))
    assert surface.stages == (*surface.sources, *surface.filters, *surface.rerank)
    assert len(surface.ladder.rungs) == 2
    assert surface.describe().splitlines() == [
        'surface("home")',
        "  sources = [FakeSource(n=10)]",
        "  filters = [FakeFilter(condition=(~video.explicit | user.adult))]",
        "  ranker  = Ladder(FakeModel(depth=3), FakeModel(depth=6))",
        "  value   = {engaged: 1, liked: 5}",
        "  rerank  = [FakeReranker(slots=2)]",
        "  k = 20, p99 = 50 ms",
    ]
    assert surface.segment is None


def test_a_surface_prints_the_memory_that_it_may_use():
    d = declared()
    surface = d.app.surface("home", **{**surface_parts(d), "slo": sl.SLO(p99_ms=10, index_mb=500)})
    assert surface.describe().splitlines()[-1] == "  k = 20, p99 = 10 ms, an index = 500 MB"


@pytest.mark.parametrize("attribute", ["country", "adult"])
def test_a_surface_prints_its_segment_where_it_has_one(attribute):
    d = declared()
    segment = d.user.attributes[attribute]
    surface = d.app.surface("home", **surface_parts(d), segment=segment)
    assert surface.segment is segment
    assert surface.describe().splitlines()[-1] == f"  segment = user.{attribute}"


def test_one_model_is_a_ladder_of_one_rung_and_no_model_is_no_ladder():
    d = video()
    parts = surface_parts(d)
    alone = d.app.surface("alone", **parts | {"ranker": parts["ranker"].rungs[0]})
    assert alone.ladder.rungs == parts["ranker"].rungs[:1]
    assert d.app.surface("unranked", **parts | {"ranker": None}).ladder is None


def test_the_features_that_stages_read_come_after_the_declared_ones():
    d = declared()
    d.app.surface("home", **surface_parts(d))
    assert list(d.app.read_features()) == [*FEATURE_NAMES, "count(impression, by=video, window=30d)"]
    assert list(d.app.declared_features) == FEATURE_NAMES


def test_the_surface_of_the_design_document():
    d = declared()
    d.app.surface(
        "home",
        sources=[sl.ItemToItem(n=100), sl.Popular(n=100), sl.Fresh(within="1d", n=50)],
        filters=[sl.NotSeen(), sl.Where(~d.video.explicit | d.user.adult)],
        ranker=sl.Ladder(sl.Logistic(), sl.BoostedTrees()),
        value={d.engaged: 1.0, d.liked: 5.0},
        rerank=[sl.AtMost(1, per=d.video.creator), sl.Diversify(d.video.topic), sl.Explore(slots=2)],
        k=20, slo=sl.SLO(p99_ms=50),
    )  # fmt: skip
    assert [stage.role for stage in d.app.surfaces["home"].stages] == (
        ["source"] * 3 + ["filter"] * 2 + ["reranker"] * 3
    )
