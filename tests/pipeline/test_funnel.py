"""The engine with healthy stages: order, evidence, trace."""

from __future__ import annotations

import gc
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shortlist as sl
from pipeline.misbehaving import FixedSource, ReversingReranker
from pipeline.test_crew import soon, workers
from pipeline.workshop import workshop
from shortlist.log.record import Record
from shortlist.models.popularity import Popularity
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.pipeline.errors import FunnelError
from shortlist.pipeline.funnel import Funnel
from shortlist.stages.rankers.expected_value import ExpectedValue
from stages.town import NUM_USERS, fold, past, release_items, watched

VIDEOS = {record.fields["video"]: record.fields for record in past() if record.kind == "video"}


def one_watch(seq, time_us):
    fields = {"user": "u1", "video": "v0", "watch_s": 50.0}
    return Record(seq, time_us, "watch", time_us, None, fields)


def everything(town):
    """The stages of the design's example."""
    return [
        sl.ItemToItem(n=30),
        sl.Popular(n=40),
        sl.Fresh(within="1d", n=20),
        sl.NotSeen(n=20),
        sl.Where(~town.video.explicit | town.user.adult),
        sl.AtMost(1, per=town.video.creator),
        sl.Diversify(town.video.topic),
        sl.Explore(slots=1),
    ]


@pytest.fixture(scope="module")
def shop():
    return workshop(everything, ranker=True)


@pytest.fixture(scope="module")
def plain():
    """No re-rankers, so the slate is by score."""
    return workshop(lambda town: everything(town)[:5], ranker=True)


def test_what_is_inspected_is_what_is_answered(shop):
    asked = shop.query(k=8, seed=5)
    record, answer = shop.funnel.inspect(asked), shop.funnel.recommend(asked)
    assert record.slates[-1][1].items[:8].tolist() == answer.items.tolist()
    assert [one.stage for one in record.stages] == [one.stage for one in answer.trace.stages]
    assert set(shop.funnel.source_names) == {"ItemToItem", "Popular", "Fresh"}
    assert record.proposals.keys() == {0, 1, 2}


class TestASlate:
    def test_all_is_well(self, shop):
        answer = shop.funnel.recommend(shop.query(device="tv"))
        assert answer.degraded == ()
        assert len(answer) == 10
        assert len(set(answer.items.tolist())) == 10
        assert answer.positions.tolist() == list(range(1, 11))
        assert answer.as_of_seq == shop.state.last_seq

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, NUM_USERS - 1), st.integers(1, 30), st.integers(0, 2**62))
    def test_every_rule_holds(self, shop, user, k, seed):
        answer = shop.funnel.recommend(shop.query(f"u{user}", k=k, seed=seed))
        assert answer.degraded == ()
        assert 0 < len(answer) <= k
        videos = [VIDEOS[name] for name in shop.names(answer.items)]
        assert user % 3 == 0 or all(video["explicit"] is False for video in videos)
        creators = [video["creator"] for video in videos if video["creator"]]
        rule = next(one for one in answer.trace.stages if one.stage == "AtMost")
        num_over = int(rule.note.split()[0]) if rule.note else 0
        if rule.num_out - num_over >= k:
            assert len(set(creators)) == len(creators)
        drawn = int((answer.propensities < 1).sum())
        assert drawn in (0, 1)

    def test_it_is_by_score_and_the_score_is_the_expected_value(self, plain):
        asked = plain.query(k=30, device="tv")
        answer = plain.funnel.recommend(asked)
        assert (np.diff(answer.scores) <= 0).all()
        assert len(np.unique(answer.scores)) > 5
        assert answer.labels == ("engaged", "liked")
        assert answer.scores == pytest.approx(answer.parts @ np.array([2.0, 5.0]), rel=1e-6)
        assert (answer.propensities == 1).all()

    def test_the_logged_features_are_the_states(self, shop):
        asked = shop.query(device="tv", seed=3)
        answer = shop.funnel.recommend(asked)
        encoding = shop.funnel._phases.ranker.encoding
        features = shop.state.features(asked.user, answer.items, asked.time_us, asked.context, encoding)
        assert answer.features.tobytes() == features.tobytes()
        assert np.isfinite(features).any()

    def test_the_evidence_says_the_moment_of_the_features_though_a_record_came_in_between(self):
        later_us = 3_600_000_000
        watching = threading.Event()

        class Watching(sl.NotSeen):
            """Somebody watches while this request is filtered."""

            def ready(self, app):
                keep = super().ready(app)

                def watch_and_keep(query, items):
                    state = query.state
                    if watching.is_set():
                        fold(state, [one_watch(state.last_seq + 1, query.time_us + later_us)])
                    return keep(query, items)

                return watch_and_keep

        shop = workshop(lambda town: [sl.Popular(n=50), Watching(n=50)], ranker=True)
        asked = shop.query()
        watching.set()
        answer = shop.funnel.recommend(asked)
        assert answer.as_of_seq == shop.state.last_seq == len(past()) + 1
        assert answer.time_us == shop.state.last_log_time_us + 1 == asked.time_us + later_us + 1
        encoding = shop.funnel._phases.ranker.encoding
        features = shop.state.features(asked.user, answer.items, answer.time_us, {}, encoding)
        assert answer.features.tobytes() == features.tobytes()

    def test_every_slot_names_its_sources(self, plain):
        asked = plain.query(k=50)
        answer = plain.funnel.recommend(asked)
        source = {name: set() for name in ("ItemToItem", "Popular", "Fresh")}
        for item, names in zip(plain.names(answer.items), answer.sources, strict=True):
            for name in names:
                source[name].add(item)
        day_us = 24 * 3_600_000_000
        for item in source["Fresh"]:
            assert 0 <= asked.time_us - VIDEOS[item]["published"] < day_us
        assert all(source.values())
        assert any(len(names) > 1 for names in answer.sources)

    def test_the_same_query_gives_the_same_slate_and_another_seed_another_draw(self, shop):
        slates = [shop.funnel.recommend(shop.query(seed=seed)).items.tolist() for seed in (1, 1, 2, 3, 4)]
        assert slates[0] == slates[1]
        assert len(set(map(tuple, slates))) > 1

    def test_without_a_ranker_the_sources_take_turns(self):
        plain = workshop(lambda town: [FixedSource((7, 8, 9)), FixedSource((20, 7, 21))])
        answer = plain.funnel.recommend(plain.query(k=4))
        assert answer.items.tolist() == [7, 20, 8, 9]
        assert answer.scores.tolist() == [1, 1 / 2, 1 / 3, 1 / 4]
        assert answer.degraded == ()
        assert answer.parts.shape == answer.features.shape == (4, 0)
        assert answer.sources[0] == ("FixedSource(items=(7, 8, 9))", "FixedSource(items=(20, 7, 21))")

    def test_codes_that_the_state_does_not_know_are_left_out(self):
        plain = workshop(lambda town: [FixedSource((-1, 3, 999_999, 4))])
        assert plain.funnel.recommend(plain.query()).items.tolist() == [3, 4]

    def test_the_best_go_first_even_when_little_is_left(self):
        plain = workshop(lambda town: [FixedSource((1, 2)), sl.AtMost(1, per=town.video.topic)])
        assert sorted(plain.funnel.recommend(plain.query(k=1000)).items.tolist()) == [1, 2]


class TestTheTrace:
    def test_its_counts_add_up(self, shop):
        trace = shop.funnel.recommend(shop.query()).trace
        assert [(one.role, one.stage) for one in trace.stages] == [
            ("source", "ItemToItem"),
            ("source", "Popular"),
            ("source", "Fresh"),
            ("merge", "merge"),
            ("filter", "NotSeen"),
            ("filter", "Where"),
            ("features", "features"),
            ("ranker", "boosted_trees"),
            ("reranker", "AtMost"),
            ("reranker", "Diversify"),
            ("reranker", "Explore"),
        ]
        proposed = sum(one.num_out for one in trace.stages[:3])
        assert trace.stages[3].num_in == proposed
        for before, after in zip(trace.stages[3:], trace.stages[4:], strict=False):
            assert after.num_in == before.num_out
        for one in trace.stages[3:]:
            assert one.num_in - one.num_out == sum(one.removed.values())
        assert trace.stages[4].removed["removed"] > 0
        assert trace.stages[3].removed["proposed twice"] > 0
        assert all(0 <= one.elapsed_ms <= trace.elapsed_ms for one in trace.stages)

    def test_it_prints(self, shop):
        trace = shop.funnel.recommend(shop.query()).trace
        lines = str(trace).splitlines()
        assert len(lines) == len(trace.stages) + 2
        assert lines[0].split() == ["role", "stage", "in", "out", "ms"]
        assert "proposed twice" in lines[4]

    def test_the_width_cuts(self):
        narrow = workshop(lambda town: [FixedSource(tuple(range(50))), FixedSource((60,))], width=8)
        trace = narrow.funnel.recommend(narrow.query()).trace
        assert trace.stages[2].removed == {"over the width": 43}
        assert trace.stages[2].num_out == 8

    def test_the_engines_own_cost_is_small(self, shop):
        own_ms = []
        for seed in range(100):
            trace = shop.funnel.recommend(shop.query(seed=seed)).trace
            sources = max(one.elapsed_ms for one in trace.stages if one.role == "source")
            rest = sum(one.elapsed_ms for one in trace.stages if one.role not in ("source", "merge"))
            own_ms.append(trace.elapsed_ms - sources - rest)
        assert min(own_ms) < 1.0


class TestSeveralAtOnce:
    def test_threads_get_what_one_would(self, shop):
        def slate(number):
            answer = shop.funnel.recommend(shop.query(f"u{number % NUM_USERS}", seed=number))
            return answer.degraded, answer.items.tolist()

        alone = [slate(number) for number in range(60)]
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(slate, range(60))) == alone

    def test_a_funnel_that_nobody_holds_leaves_no_thread(self):
        old = workshop(lambda town: [FixedSource((1, 2, 3)), sl.NotSeen()])
        assert old.funnel.recommend(old.query()).degraded == ()
        assert workers("home0")
        before = len(threading.enumerate())
        del old
        gc.collect()
        assert soon(lambda: len(threading.enumerate()) < before)


class TestBuilding:
    def test_a_release_without_what_a_source_needs(self, shop):
        surface = shop.funnel.surface
        artifacts = FunnelArtifacts(release_items(), Popularity().fit(watched()))
        with pytest.raises(FunnelError, match=r"ItemToItem: expected a fitted co_visitation.*train again"):
            Funnel.build(shop.town.app, surface, artifacts, shop.state)

    def test_what_draws_must_stand_last(self):
        with pytest.raises(sl.DeclarationError, match="expected Explore last, received Explore, Rev"):
            workshop(lambda town: [FixedSource((1,)), sl.Explore(), ReversingReranker()])

    def test_a_stage_that_does_not_fit_the_app(self):
        with pytest.raises(sl.DeclarationError, match=r"an attribute of video"):
            workshop(lambda town: [FixedSource((1,)), sl.AtMost(1, per=town.user.country)])


class TestExpectedValue:
    def test_it_is_the_weighted_sum(self, plain):
        scorer = plain.funnel._phases.ranker.scorer
        features = np.abs(np.random.default_rng(0).normal(5, 3, (40, 4))).astype(np.float32)
        features.flags.writeable = False
        scores, parts = scorer.score(features)
        engaged, liked = (ranker.predict(features) for ranker in scorer._rankers)
        assert scores == pytest.approx(2 * engaged + 5 * liked, rel=1e-12)
        assert parts.dtype == np.float32
        assert np.array_equal(parts, np.stack([engaged, liked], axis=1).astype(np.float32))
        alone = [scorer.score(features[row : row + 1])[0][0] for row in range(40)]
        assert np.array_equal(scores, alone)

    def test_it_needs_a_ranker(self):
        with pytest.raises(AssertionError):
            ExpectedValue({}, {"engaged": 1.0})


def test_the_budget_may_be_set_for_one_request(shop):
    assert shop.funnel.recommend(shop.query(), budget_ms=math.inf).degraded == ()
    hurried = shop.funnel.recommend(shop.query(), budget_ms=0.0)
    assert hurried.degraded


def test_narrowing_starts_at_what_is_usually_proposed():
    shop = workshop(lambda town: [sl.Popular(n=40), FixedSource(tuple(range(60)))], k=5)
    assert shop.funnel.narrowed(0.5) == shop.funnel.width  # nothing is known yet
    for _ in range(5):
        num_proposed = len(shop.funnel.inspect(shop.query()).candidates)
    assert 60 <= num_proposed < 100
    assert shop.funnel.narrowed(1.0) == shop.funnel.width
    assert shop.funnel.narrowed(0.5) == num_proposed // 2
    assert shop.funnel.narrowed(0.01) == 5
    record = shop.funnel.recommend(shop.query(), width=shop.funnel.narrowed(0.5)).trace
    (merged,) = [one for one in record.stages if one.role == "merge"]
    assert merged.num_out == num_proposed // 2
