"""The engine when stages fail: always an answer, inside the budget, that says what went wrong."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import shortlist as sl
from pipeline import misbehaving as bad
from pipeline.test_crew import soon, workers
from pipeline.workshop import ALL_VIDEOS, workshop
from shortlist.pipeline.passage import FALLBACK
from stages.town import query as query_of

BUDGET_MS = 400.0
STOOD_IN = "no candidates: the most popular that anybody may see instead"
SLACK_S = 5.0  # for a machine that does other things too


@pytest.fixture
def gate():
    gate = bad.Gate()
    yield gate
    gate.is_open.set()


def ask(shop, **settings):
    """Ask, and check what holds for any answer."""
    asked = shop.query(**settings)
    started_s = time.perf_counter()
    answer = shop.funnel.recommend(asked)
    assert time.perf_counter() - started_s < BUDGET_MS / 1000 + SLACK_S
    assert len(answer) <= asked.k
    assert len(set(answer.items.tolist())) == len(answer)
    rows = ("scores", "parts", "features", "propensities", "positions", "sources")
    assert {len(getattr(answer, name)) for name in rows} == {len(answer)}
    return answer


class TestSources:
    def test_one_that_throws_is_left_out(self):
        shop = workshop(lambda town: [bad.ThrowingSource(), bad.FixedSource((1, 2))])
        answer = ask(shop)
        assert answer.items.tolist() == [1, 2]
        assert answer.degraded == ("source ThrowingSource: failed: Broken: index file is gone",)
        assert answer.trace.stages[0].note == "failed: Broken: index file is gone"
        assert ask(shop).degraded == answer.degraded  # and is asked again

    def test_one_that_exits_does_not_end_the_process(self):
        shop = workshop(lambda town: [bad.ThrowingSource(SystemExit(1)), bad.FixedSource((1, 2))])
        assert ask(shop).degraded == ("source ThrowingSource: failed: SystemExit: 1",)

    def test_one_that_hangs_is_left_out_then_skipped_then_back(self, gate):
        shop = workshop(lambda town: [bad.HangingSource(gate), bad.FixedSource((7, 8))], p99_ms=BUDGET_MS)
        first = ask(shop)
        assert first.items.tolist() == [7, 8]
        assert first.degraded[0].startswith("source HangingSource: late after 2")
        started_s = time.perf_counter()
        for _ in range(30):
            answer = ask(shop)
            assert answer.items.tolist() == [7, 8]
            assert answer.degraded == ("source HangingSource: skipped: still busy with an earlier request",)
        assert time.perf_counter() - started_s < 30 * 0.1 + SLACK_S
        assert len(gate.arrivals) == 1
        gate.is_open.set()
        assert soon(lambda: ask(shop).degraded == ())
        assert set(ask(shop).items.tolist()) == {0, 1, 2, 3, 4, 7, 8}

    def test_a_quick_one_that_begins_to_hang_is_left_out_and_the_next_still_asked(self, gate):
        gate.is_open.set()
        shop = workshop(
            lambda town: [bad.FixedSource((5,)), bad.HangingSource(gate), bad.FixedSource((7, 8))],
            p99_ms=BUDGET_MS, k=9,
        )  # fmt: skip
        for _ in range(20):  # until all of them count as quick
            assert ask(shop).degraded == ()
        gate.is_open.clear()
        answer = ask(shop)
        assert set(answer.items.tolist()) == {5, 7, 8}
        assert len(answer.degraded) == 1
        assert answer.degraded[0].startswith("source HangingSource: late after ")
        assert [one.stage for one in answer.trace.stages if one.role == "source"] == list(
            shop.funnel.source_names
        )
        assert ask(shop).degraded == ("source HangingSource: skipped: still busy with an earlier request",)
        gate.is_open.set()
        assert soon(lambda: ask(shop).degraded == ())

    def test_hanging_under_load_costs_at_most_the_calls_under_way(self, gate):
        shop = workshop(
            lambda town: [bad.HangingSource(gate), bad.FixedSource((7, 8)), sl.NotSeen()],
            p99_ms=BUDGET_MS, k=9,
        )  # fmt: skip
        before = len(workers("home0"))
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda number: ask(shop), range(60)))
        assert all(answer.degraded for answer in answers)
        assert len(gate.arrivals) <= 4
        # four requests at once, each with at most two sources under way, then the rest of its course
        assert len(workers("home0")) - before <= 4 * 3

    def test_all_of_them_failing_gives_the_most_popular(self):
        shop = workshop(
            lambda town: [bad.ThrowingSource(), sl.NotSeen(n=5), sl.AtMost(1, per=town.video.topic)]
        )
        answer = ask(shop)
        assert len(answer) == 10
        assert answer.degraded == (
            "source ThrowingSource: failed: Broken: index file is gone",
            "no candidates: the most popular instead",
        )
        assert set(answer.sources) == {(FALLBACK,)}
        asked = shop.query()
        (history,) = sl.NotSeen(n=5).reads(shop.town.app)
        watched = set(shop.state.history(history, asked.user, asked.time_us).tolist())
        assert not watched & set(answer.items.tolist())
        topics = shop.state.items.stored("topic", answer.items[:4])
        assert len(set(topics.tolist())) == 4

    def test_all_of_them_hanging_gives_the_most_popular(self, gate):
        shop = workshop(lambda town: [bad.HangingSource(gate), sl.NotSeen()], p99_ms=BUDGET_MS)
        answer = ask(shop)
        assert len(answer) == 10
        assert answer.degraded[-1] == "no candidates: the most popular instead"

    def test_nothing_proposed_is_no_failure_but_is_told(self):
        shop = workshop(lambda town: [sl.ItemToItem()])
        answer = ask(shop, user="never seen")
        assert len(answer) == 10
        assert answer.degraded == ("no candidates: the most popular instead",)

    def test_one_that_holds_the_states_lock_does_not_hold_the_answer(self, gate):
        shop = workshop(
            lambda town: [bad.HangingSource(gate, holds_lock=True), bad.FixedSource((7, 8))], p99_ms=BUDGET_MS
        )
        assert ask(shop).items.tolist() == [7, 8]
        shop = workshop(
            lambda town: [bad.HangingSource(gate, holds_lock=True), bad.FixedSource((7, 8)), sl.NotSeen()],
            p99_ms=BUDGET_MS,
        )
        answer = ask(shop)
        assert answer.degraded[1].startswith("filter NotSeen: late after ")
        assert answer.degraded[2] == STOOD_IN
        assert set(answer.sources) == {(FALLBACK,)}


class TestFilters:
    def test_one_that_throws_lets_nothing_pass_not_even_the_fallback(self):
        shop = workshop(lambda town: [bad.FixedSource((1, 2)), sl.NotSeen(n=1), bad.ThrowingFilter()])
        answer = ask(shop)
        assert len(answer) == 0
        assert answer.degraded == (
            "filter ThrowingFilter: failed: Broken: no rules loaded",
            "filter ThrowingFilter: failed: Broken: no rules loaded",
            "no candidates: nothing to show",
        )
        filters = [one for one in answer.trace.stages if one.role == "filter"]
        assert filters[1].removed == {"could not be checked": 2}
        assert filters[1].num_out == 0

    def test_when_it_works_for_the_fallback_that_is_shown(self):
        shop = workshop(lambda town: [bad.FixedSource((1, 2)), bad.ThrowingFilter(spares=50)])
        answer = ask(shop)
        assert len(answer) == 10
        assert set(answer.sources) == {(FALLBACK,)}
        assert answer.degraded[-1] == "no candidates: the most popular instead"

    def test_one_that_always_hung_lets_nothing_pass_and_comes_back(self, gate):
        shop = workshop(lambda town: [bad.FixedSource((1, 2)), bad.HangingFilter(gate)], p99_ms=BUDGET_MS)
        for _ in range(10):
            answer = ask(shop)
            assert len(answer) == 0
            assert answer.degraded[0] == "filter HangingFilter: skipped: still busy with an earlier request"
            assert answer.degraded[-1] == "no candidates: nothing to show"
        assert len(gate.arrivals) == 1
        gate.is_open.set()
        assert soon(lambda: ask(shop).items.tolist() == [1, 2])

    def test_one_that_begins_to_hang_leaves_what_anybody_may_see(self, gate):
        gate.is_open.set()
        shop = workshop(
            lambda town: [
                bad.FixedSource((1, 2)), sl.Where(~town.video.explicit | town.user.adult),
                bad.HangingFilter(gate), sl.AtMost(1, per=town.video.topic),
            ],
            p99_ms=BUDGET_MS,
        )  # fmt: skip
        assert set(ask(shop).items.tolist()) <= {1, 2}
        gate.is_open.clear()
        answer = ask(shop)
        assert answer.degraded[0].startswith("filter HangingFilter: late after ")
        assert answer.degraded[1:] == (STOOD_IN,)
        assert len(answer) == 10
        assert not shop.state.items.stored("explicit", answer.items).any()
        topics = [topic for topic in shop.state.items.stored("topic", answer.items).tolist() if topic >= 0]
        assert len(set(topics[:4])) == 4
        again = ask(shop)
        assert again.degraded[0] == "filter HangingFilter: skipped: still busy with an earlier request"
        assert again.items.tolist() == answer.items.tolist()
        gate.is_open.set()
        assert soon(lambda: set(ask(shop).items.tolist()) <= {1, 2})

    def test_one_that_says_neither_yes_nor_no_lets_nothing_pass(self):
        shop = workshop(lambda town: [bad.FixedSource((1, 2)), bad.MumblingFilter()])
        answer = ask(shop)
        assert len(answer) == 0
        assert "expected bool[2], received int64[2]" in answer.degraded[0]

    def test_when_they_drop_everything_the_fallback_meets_them_too(self):
        shop = workshop(lambda town: [bad.FixedSource((1, 2)), sl.Where(town.video.duration_s > 1000.0)])
        answer = ask(shop)
        assert len(answer) == 0
        assert answer.degraded == ("no candidates: nothing to show",)


class TestRankers:
    def test_one_that_throws_leaves_the_sources_order(self):
        shop = workshop(lambda town: [bad.FixedSource((5, 3, 9))], ranker=bad.FaultyRanker)
        answer = ask(shop)
        assert answer.items.tolist() == [5, 3, 9]
        assert answer.degraded == ("ranker faulty: failed: Broken: weights are gone",)
        assert answer.features.shape == (3, 4)
        assert answer.parts.shape == (3, 0)
        assert answer.labels == ()

    def test_one_that_hangs_leaves_the_sources_order_and_the_re_rankers_still_work(self, gate):
        shop = workshop(
            lambda town: [bad.FixedSource((5, 3, 9)), bad.ReversingReranker()],
            ranker=lambda columns: bad.HangingRanker(columns, gate), p99_ms=BUDGET_MS,
        )  # fmt: skip
        answer = ask(shop)
        assert answer.items.tolist() == [9, 3, 5]
        assert answer.degraded[0].startswith("ranker faulty: late after ")
        # what did not even start has no name of its own: the phase is still busy
        assert ask(shop).degraded == ("features: skipped: still busy with an earlier request",)
        assert len(gate.arrivals) == 1
        gate.is_open.set()
        assert soon(lambda: ask(shop).degraded == ())

    def test_a_score_that_is_no_number_sinks(self):
        shop = workshop(
            lambda town: [bad.FixedSource(tuple(range(12))), sl.Explore(slots=2)],
            ranker=lambda columns: bad.NaNRanker(columns, every=3),
        )
        answer = ask(shop, k=12)
        assert answer.items.tolist() == [11, 10, 8, 7, 5, 4, 2, 1, 0, 3, 6, 9]
        assert np.isneginf(answer.scores[8:]).all()
        assert answer.degraded == ("ranker faulty: 4 of 12 scores are not finite",)
        for seed in range(50):  # and is never drawn
            assert not {0, 3, 6, 9} & set(ask(shop, k=6, seed=seed).items.tolist())

    def test_no_number_at_all_leaves_the_sources_order(self):
        shop = workshop(
            lambda town: [bad.FixedSource((5, 3, 9))], ranker=lambda columns: bad.NaNRanker(columns, every=1)
        )
        answer = ask(shop)
        assert answer.items.tolist() == [5, 3, 9]
        assert np.isfinite(answer.scores).all()
        assert answer.degraded == ("ranker faulty: 3 of 3 scores are not finite",)

    def test_a_model_of_other_columns_leaves_the_sources_order(self):
        shop = workshop(
            lambda town: [bad.FixedSource((5, 3, 9))], ranker=lambda columns: bad.FaultyRanker(columns[:2])
        )
        answer = ask(shop)
        assert answer.items.tolist() == [5, 3, 9]
        assert "ModelError" in answer.degraded[0]


class TestRerankers:
    def test_one_that_throws_leaves_the_order_before_it_and_the_next_still_works(self):
        shop = workshop(
            lambda town: [bad.FixedSource((1, 2, 3)), bad.ThrowingReranker(), bad.ReversingReranker()]
        )
        answer = ask(shop)
        assert answer.items.tolist() == [3, 2, 1]
        assert answer.degraded == ("reranker ThrowingReranker: failed: Broken: no topics",)

    def test_one_that_hangs_leaves_the_order_before_it(self, gate):
        shop = workshop(
            lambda town: [
                bad.FixedSource((1, 2, 3)), bad.ReversingReranker(), bad.HangingReranker(gate), sl.Explore()
            ],
            p99_ms=BUDGET_MS,
        )  # fmt: skip
        answer = ask(shop)
        assert answer.items.tolist() == [3, 2, 1]
        assert [reason.split(":")[0] for reason in answer.degraded] == [
            "reranker HangingReranker",
            "reranker Explore",
        ]
        gate.is_open.set()
        assert soon(lambda: ask(shop).degraded == ())

    def test_one_that_adds_a_candidate_is_refused(self):
        shop = workshop(lambda town: [bad.FixedSource((1, 2, 3)), bad.SmugglingReranker(item=77)])
        answer = ask(shop)
        assert answer.items.tolist() == [1, 2, 3]
        assert "only filters drop" in answer.degraded[0]


class TestEverything:
    def test_all_of_it_hanging_is_still_an_answer_in_time(self, gate):
        shop = workshop(
            lambda town: [
                bad.HangingSource(gate), bad.FixedSource(ALL_VIDEOS), bad.HangingReranker(gate), sl.NotSeen()
            ],
            ranker=lambda columns: bad.HangingRanker(columns, gate), p99_ms=BUDGET_MS,
        )  # fmt: skip
        for _ in range(3):
            answer = ask(shop)
            assert len(answer) == 10
            assert len(answer.degraded) == 3
        assert len(gate.arrivals) == 3

    def test_quick_sources_that_all_begin_to_hang_leave_the_list_that_stands_by(self, gate):
        gate.is_open.set()
        shop = workshop(
            lambda town: [bad.HangingSource(gate), bad.HangingSource(gate, holds_lock=False), sl.NotSeen()],
            p99_ms=BUDGET_MS,
        )  # fmt: skip
        for _ in range(20):
            assert ask(shop).degraded == ()
        gate.is_open.clear()
        answer = ask(shop)
        assert len(answer) == 10
        assert set(answer.sources) == {(FALLBACK,)}
        assert sum(reason.startswith("source ") for reason in answer.degraded) == 2

    def test_the_state_being_locked_is_still_an_answer_in_time(self):
        shop = workshop(
            lambda town: [sl.Popular(), sl.Fresh("1d"), sl.NotSeen(), sl.AtMost(1, per=town.video.topic)],
            ranker=True, p99_ms=BUDGET_MS,
        )  # fmt: skip
        shop.funnel.inspect(shop.query())  # it may compile
        asked = shop.query()
        with ThreadPoolExecutor(1) as other, shop.state.lock:
            answer = other.submit(shop.funnel.recommend, asked).result(SLACK_S)
        assert len(answer) == 10
        assert answer.degraded[-1].startswith("reranker ") or STOOD_IN in answer.degraded

    def test_an_empty_log_and_an_unknown_user(self):
        shop = workshop(
            lambda town: [
                sl.ItemToItem(), sl.Popular(), sl.Fresh("1d"), sl.NotSeen(),
                sl.AtMost(1, per=town.video.creator),
            ],
            ranker=True, records=[],
        )  # fmt: skip
        answer = shop.funnel.recommend(query_of(shop.state, "never seen"))
        assert len(answer) == 0
        assert answer.degraded == ("no candidates: nothing to show",)
