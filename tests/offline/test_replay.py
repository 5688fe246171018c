"""The past through the funnel: what it found is what can be counted by hand, and it never looks ahead."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import shortlist as sl
from offline.market import HOUR_US, START_US, DropOdd, Everything, Nothing, buys, market, market_log
from shortlist.features.offline import History
from shortlist.features.online import OnlineState
from shortlist.offline.backtest import backtest
from shortlist.offline.fitting import fit_release
from shortlist.offline.progress import Steps
from shortlist.offline.replay.moments import draw_moments, log_times
from shortlist.offline.replay.period import read_past
from shortlist.offline.replay.report import funnel_report
from shortlist.offline.replay.tables import funnel_as_dict, funnel_notes, warnings
from shortlist.offline.replay.walk import Walk, query_at, replay
from shortlist.offline.splits import Period
from shortlist.pipeline.funnel import Funnel

TEST = Period(START_US + 450 * HOUR_US, START_US + 700 * HOUR_US)


def moments_of(app, log, num_moments=100):
    history = History.read(app, log)
    times_us = log_times(log, history.last_seq)
    drawn = draw_moments(history, times_us, app.surfaces["home"], TEST, num_moments=num_moments)
    return drawn, int(np.searchsorted(times_us, TEST.start_us))


def release_of(app, log, start_seq):
    past = History.read(app, log, start_seq)
    fit = {"valid": 0.1, "test": 0.2, "seed": 0, "steps": Steps()}
    return fit_release(past, log, list(app.surfaces.values()), **fit)[1]


def replayed(app, log, moments=None, **settings):
    drawn, start_seq = moments_of(app, log, **settings)
    moments = moments or drawn
    artifacts = release_of(app, log, start_seq)
    return replay(Walk(app, log, start_seq), artifacts, {"home": moments})["home"]


def outcome(seen):
    """All that was noted, but the time it took."""
    fields = ("is_known", "proposed", "num_proposed", "arrived", "removed", "num_in", "num_removed", "ranks")
    return {name: getattr(seen, name).tolist() for name in fields}


def test_the_recall_of_the_popular_is_that_counted_by_hand(tmp_path):
    app, what = market(), buys()
    with market_log(app, tmp_path, what) as log:
        seen = replayed(app, log)
    past = what.before(TEST.start_us)
    counts = Counter(item for item, good in zip(past.items, past.good, strict=True) if good)
    (last, after) = [count for _, count in counts.most_common(11)][-2:]
    assert last > after, "no tie at the edge, or any of two could be proposed"
    top = {item for item, _ in counts.most_common(10)}
    by_hand = [item in top for item in seen.moments.items]
    assert seen.proposed[:, 0].tolist() == by_hand
    assert 0.1 < np.mean(by_hand) < 0.9
    report = funnel_report("home", seen)
    assert report.union.value == pytest.approx(np.mean(by_hand))
    assert report.sources[0].alone.value == pytest.approx(np.mean(by_hand))
    assert report.filters[0].num_lost == 0, "nobody had the item before"


def test_every_answer_is_that_of_a_state_folded_anew_up_to_its_moment(tmp_path):
    app = market(
        sources=[sl.ItemToItem(n=10), sl.Popular(n=15, half_life="520w")],
        ranker=sl.Logistic(),
        rerank=[sl.Explore(slots=1)],
    )
    with market_log(app, tmp_path, buys()) as log:
        moments, start_seq = moments_of(app, log, 25)
        artifacts = release_of(app, log, start_seq)
        seen = replay(Walk(app, log, start_seq), artifacts, {"home": moments}, seed=3)["home"]
        for row, seq in enumerate(moments.as_of_seqs.tolist()):
            state = OnlineState(app)
            for batch in log.batches(upto_seq=seq):
                state.apply(batch)
            funnel = Funnel.build(app, app.surfaces["home"], artifacts["home"], state)
            record = funnel.inspect(query_at(state, moments, row, 5, 3))
            code = state.items.vocabulary.code(moments.items[row])
            assert state.last_seq == seq
            assert [code in items for items in record.proposals.values()] == seen.proposed[row].tolist()
            orders = [record.ranked.items, *(slate.items for _, slate in record.slates)]
            ranks = [int(np.flatnonzero(items == code)[0]) + 1 if code in items else 0 for items in orders]
            assert ranks == seen.ranks[row].tolist()
    assert (seen.ranks > 0).any()


def test_who_proposes_everything_misses_only_what_the_log_has_never_seen(tmp_path):
    app = market(sources=[Everything()], filters=[])
    with market_log(app, tmp_path, buys()) as log:
        report = funnel_report("home", replayed(app, log))
    assert report.num_unknown == 0
    assert (report.union.value, report.union.low, report.passed.value) == (1.0, 1.0, 1.0)

    unseen = buys().with_future(TEST.start_us, seed=1)
    with market_log(app, tmp_path / "unseen", unseen) as log:
        report = funnel_report("home", replayed(app, log))
    assert report.num_unknown > 0
    assert report.union.value == pytest.approx(1 - report.num_unknown / report.num_moments)


def test_a_filter_that_removes_what_people_want_is_seen_to(tmp_path):
    app = market(sources=[Everything()], filters=[DropOdd(), sl.NotSeen()])
    with market_log(app, tmp_path, buys()) as log:
        seen = replayed(app, log)
    odd = [int(item[1:]) % 2 == 1 for item in seen.moments.items]
    report = funnel_report("home", seen)
    assert report.filters[0].num_lost == sum(odd) > 0
    assert report.filters[0].lost.value == pytest.approx(np.mean(odd))
    assert report.filters[0].num_removed == 20.0
    assert report.filters[1].num_lost == 0
    assert report.passed.value == pytest.approx(1 - np.mean(odd))


def test_the_fallback_passes_no_filter_as_a_candidate(tmp_path):
    app = market(sources=[Nothing()])
    with market_log(app, tmp_path, buys()) as log:
        report = funnel_report("home", replayed(app, log))
    assert report.num_fallbacks == report.num_moments
    assert report.orders[0].metrics["hr"].value > 0, "the most popular items stood in"
    assert (report.union.value, report.candidates.value, report.passed.value) == (0.0, 0.0, 0.0)
    assert any("the orders include them" in note for note in funnel_notes(report))


def test_nothing_after_a_moment_changes_its_answer(tmp_path):
    app = market(
        sources=[sl.ItemToItem(n=10), sl.Popular(n=15, half_life="520w"), Everything()],
        ranker=sl.Logistic(),
    )
    what, middle_us = buys(), START_US + 550 * HOUR_US
    with market_log(app, tmp_path / "whole", what) as log:
        moments, _ = moments_of(app, log)
        early = np.flatnonzero(moments.times_us < middle_us)
        assert 20 < len(early) < len(moments)
        moments = replace(
            moments,
            users=moments.users[: len(early)],
            items=moments.items[: len(early)],
            groups=moments.groups[early],
            as_of_seqs=moments.as_of_seqs[early],
            times_us=moments.times_us[early],
            contexts=moments.contexts[: len(early)],
        )
        expected = outcome(replayed(app, log, moments))
    for name, other in (
        ("another", what.with_future(middle_us, seed=2)),
        ("none", what.before(middle_us)),
    ):
        with market_log(app, tmp_path / name, other) as log:
            assert outcome(replayed(app, log, moments)) == expected, name
    with market_log(app, tmp_path / "past", what.with_future(START_US + 200 * HOUR_US, seed=2)) as log:
        assert outcome(replayed(app, log, moments)) != expected, "another past must show"


def test_each_order_is_judged_by_its_ranks(tmp_path):
    app = market(
        sources=[sl.Popular(n=40, half_life="520w")], ranker=sl.Logistic(), rerank=[sl.Explore(slots=2)]
    )
    with market_log(app, tmp_path, buys()) as log:
        seen = replayed(app, log)
    report = funnel_report("home", seen)
    assert [order.name for order in report.orders] == ["sources' order", "ranker", "Explore"]
    dcg = np.array([[1 / np.log2(rank + 1) if 0 < rank <= 5 else 0.0 for rank in row] for row in seen.ranks])
    for place, order in enumerate(report.orders):
        ranks = seen.ranks[:, place]
        assert order.metrics["hr"].value == pytest.approx(((ranks > 0) & (ranks <= 5)).mean())
        assert order.metrics["ndcg"].value == pytest.approx(dcg[:, place].mean())
        assert order.metrics["mrr"].value == pytest.approx(
            np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0).mean()
        )
    assert report.orders[1].gains["ndcg"].value == pytest.approx((dcg[:, 1] - dcg[:, 0]).mean())
    assert report.reranked["ndcg"].value == pytest.approx((dcg[:, 2] - dcg[:, 1]).mean())
    worse = replace(seen, ranks=np.stack([np.ones_like(ranks), ranks + 3, ranks + 3], axis=1))
    assert "the ranker's order is worse" in warnings(funnel_report("home", worse))[0]
    assert warnings(funnel_report("home", replace(seen, ranks=worse.ranks[:, ::-1]))) == []


def test_a_report_is_plain_json_and_the_same_for_the_same_seed(tmp_path):
    app = market(sources=[sl.Popular(n=10)], ranker=sl.Logistic())
    with market_log(app, tmp_path, buys()) as log:
        first, second = (funnel_report("home", replayed(app, log)) for _ in range(2))
    plain = funnel_as_dict(first, is_timed=False)
    assert plain == funnel_as_dict(second, is_timed=False)
    assert plain["num_moments"] <= plain["num_eligible"]
    timed = funnel_as_dict(first)
    assert timed["sources"]["Popular"]["ms"]["p99"] >= timed["sources"]["Popular"]["ms"]["median"] > 0
    assert "ranker logistic" in timed["stages_ms"]


def test_a_surface_without_a_ranker_is_replayed_fold_by_fold(tmp_path):
    app = market(sources=[Everything(), sl.Popular(n=10, half_life="520w")])
    with market_log(app, tmp_path, buys()) as log:
        report = backtest(app, log, num_folds=2, num_requests=40)
        assert [fold.comparisons for fold in report.folds] == [(), ()]
        assert [fold.funnels[0].union.value for fold in report.folds] == [1.0, 1.0]
        # The second fold is what it would be alone: nothing of the first is left in it.
        (alone,) = backtest(app, log, num_requests=40).folds
    first, second = ([funnel_as_dict(one, is_timed=False) for one in fold.funnels] for fold in report.folds)
    assert second == [funnel_as_dict(one, is_timed=False) for one in alone.funnels]
    assert first != second
    assert [order.name for order in report.folds[0].funnels[0].orders] == ["sources' order"]
    assert warnings(report.folds[0].funnels[0]) == []


def test_what_is_fitted_for_a_period_is_read_up_to_its_start(tmp_path):
    app = market()
    with market_log(app, tmp_path, buys()) as log:
        history = History.read(app, log)
        past = read_past(history, log, log_times(log, history.last_seq), TEST, Steps())
        before = [record for record in log.read(limit=10**9) if record.log_time_us < TEST.start_us]
    assert past.last_seq == len(before) < history.last_seq
    assert past.last_log_time_us < TEST.start_us
    assert set(past.users.texts()) == {record.fields["user"] for record in before if record.kind == "buy"}
