"""The fingerprint: equal for the same meaning in any process, different for any other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import shortlist as sl
from declare.example import FakeFilter, FakeModel, FakeReranker, FakeSource, surface_parts, video
from shortlist.declare.fingerprint import description


def declare(*, extra=lambda d: None, **changed):
    d = video()
    d.app.features(sl.count(d.watch, by=d.user, window="1d"), d.video.duration_s)
    extra(d)
    parts = surface_parts(d)
    d.app.surface("home", **{**parts, **{name: change(d) for name, change in changed.items()}})
    return d.app


BASE = declare().fingerprint()

CHANGES = {
    "an entity more": {"extra": lambda d: d.app.entity("creator")},
    "an event more": {"extra": lambda d: d.app.event("skip", d.user, d.video)},
    "a label more": {"extra": lambda d: d.app.label("skipped", d.watch.watch_s < 3, within="1m")},
    "a feature more": {"extra": lambda d: d.app.features(d.user.country)},
    "another surface": {"extra": lambda d: d.app.surface("related", sources=[FakeSource()])},
    "another source": {"sources": lambda d: [FakeSource(), FakeSource(n=20)]},
    "a source's settings": {"sources": lambda d: [FakeSource(n=11)]},
    "another filter": {"filters": lambda d: []},
    "a filter's expression": {"filters": lambda d: [FakeFilter(d.video.explicit | d.user.adult)]},
    "a model's settings": {"ranker": lambda d: sl.Ladder(FakeModel(), FakeModel(depth=7))},
    "a rung less": {"ranker": lambda d: FakeModel()},
    "another weight": {"value": lambda d: {d.engaged: 1.0, d.liked: 5.5}},
    "a weight less": {"value": lambda d: {d.engaged: 1.0}},
    "a segment": {"segment": lambda d: d.user.country},
    "another segment": {"segment": lambda d: d.user.adult},
    "a re-ranker's settings": {"rerank": lambda d: [FakeReranker(slots=3)]},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_meaning_changes_the_fingerprint(change):
    assert declare(**CHANGES[change]).fingerprint() != BASE


def small(
    *,
    user=(("country", str),),
    video_=(("topic", str),),
    watch=(("watch_s", float),),
    swapped=False,
    context=(),
    within="1h",
    limit=30,
    window="1d",
    prior=20,
    tile=None,
    order=(0, 1),
):
    app = sl.App("video")
    app.context(**dict(context))
    person, clip = app.entity("user", **dict(user)), app.entity("video", **dict(video_))
    seen = app.event("watch", *((clip, person) if swapped else (person, clip)), **dict(watch))
    engaged = app.label("engaged", seen.watch_s > limit, within=within)
    calls = [
        sl.count(seen, by=person, window=window, tile=tile),
        sl.rate(engaged, by=clip, window="1d", prior=prior),
    ]
    app.features(*(calls[place] for place in order))
    return app.fingerprint()


SMALL_CHANGES = {
    "an attribute's type": {"user": (("country", int),)},
    "an attribute more": {"video_": (("topic", str), ("creator", str))},
    "a field more": {"watch": (("watch_s", float), ("muted", bool))},
    "a field's type": {"watch": (("watch_s", int),)},
    "who chooses what": {"swapped": True},
    "the request's context": {"context": (("device", str),)},
    "a label's window": {"within": "2h"},
    "a label's condition": {"limit": 31},
    "a feature's window": {"window": "2d"},
    "a feature's tile": {"tile": "1h"},
    "a rate's prior": {"prior": 20.5},
    "the order of the columns": {"order": (1, 0)},
}


@pytest.mark.parametrize("change", SMALL_CHANGES)
def test_a_change_of_a_part_changes_the_fingerprint(change):
    assert small(**SMALL_CHANGES[change]) != small()


def test_the_event_that_a_stage_reads_by_default_is_part_of_the_fingerprint():
    def first(*events):
        app = sl.App("video")
        user, video_ = app.entity("user"), app.entity("video")
        for name in events:
            app.event(name, user, video_)
        app.surface("home", sources=[sl.ItemToItem()], filters=[sl.NotSeen()])
        return app

    assert list(first("watch", "like").read_features()) != list(first("like", "watch").read_features())
    assert first("watch", "like").fingerprint() != first("like", "watch").fingerprint()


def test_each_change_has_a_fingerprint_of_its_own():
    prints = [declare(**change).fingerprint() for change in CHANGES.values()]
    prints += [small(**change) for change in SMALL_CHANGES.values()]
    assert len(set(prints)) == len(prints)


def test_another_event_of_the_same_columns_between_others_changes_the_fingerprint():
    def between(*names, **fields):
        app = sl.App("video")
        entities = {name: app.entity(name) for name in ("user", "video", "tag")}
        app.event("watch", *(entities[name] for name in names), **fields)
        return app.fingerprint()

    assert between("user", "video", "tag") != between("user", "video", tag=str)


@pytest.mark.parametrize("change", [{"k": lambda d: 50}, {"slo": lambda d: sl.SLO(p99_ms=10, index_mb=9)}])
def test_a_promise_to_the_caller_leaves_the_fingerprint_alone(change):
    assert declare(**change).fingerprint() == BASE


def test_a_surface_without_segment_is_described_as_before_segments_were():
    without, with_one = (
        description(app)["surfaces"]["home"] for app in (declare(), declare(**CHANGES["a segment"]))
    )
    assert list(without) == ["sources", "filters", "ranker", "value", "rerank"]
    assert with_one == {**without, "segment": "user.country"}


def test_the_spelling_of_a_window_leaves_the_fingerprint_alone():
    assert small(window="24h", within="60m", tile="15m", prior=20.0) == small()


def test_the_fingerprint_may_be_read_while_declaring():
    app = sl.App("video")
    app.event("watch", app.entity("user"), app.entity("video"))
    before = app.fingerprint()
    app.context(device=str)
    assert app.fingerprint() != before


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_fingerprint_is_the_same_in_another_process(seed):
    script = "from declare.test_fingerprint import declare; print(declare().fingerprint())"
    environment = os.environ | {
        "PYTHONHASHSEED": seed,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]),
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == BASE
    assert len(BASE) == 64
