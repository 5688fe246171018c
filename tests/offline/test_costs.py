"""What may be spent on ranking a request, and what is charged for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import pytest

import shortlist as sl
from offline.market import Everything, market
from shortlist.models.logistic import FittedLogistic, Logistic
from shortlist.models.multi_task import MultiTaskRankingModel
from shortlist.offline.dataset import make_dataset, read_trials
from shortlist.offline.ladder.compare import Comparer
from shortlist.offline.ladder.costs import num_candidates, p99_ms, ranker_budget
from shortlist.offline.progress import Steps
from shortlist.offline.splits import split_by_share
from shortlist.recipes.video.app import app as video_app

BODY_S = 0.02


class FittedHead(FittedLogistic):
    """One head of a body that takes its time, once a request."""

    def log_odds_sharing(self, features, shared):
        if "body" not in shared:
            time.sleep(BODY_S)
            shared["body"] = features
        return super().log_odds(features)


@dataclass(frozen=True)
class SlowBody(MultiTaskRankingModel):
    """Logistic regressions that have something slow in common."""

    kind = "logistic"

    def fit_tasks(self, train, valid, *, seed=0, progress=None):
        fitted = {task: Logistic().fit(train.of(task), valid.of(task), seed=seed) for task in train.labels}
        return {
            task: FittedHead(one.columns, one.intercept, one.keys, one.values, one._spread)
            for task, one in fitted.items()
        }


def home(*sources):
    return market(sources=list(sources), ranker=sl.Logistic(), slo=sl.SLO(p99_ms=50)).surfaces["home"]


def test_what_the_features_leave_is_parted_among_the_labels():
    alone = ranker_budget(home(sl.Popular()), 4.0)
    assert (alone.ms, alone.labels) == (pytest.approx(12.5 - 4.0), ("liked",))
    assert ranker_budget(home(sl.Popular()), 99.0).ms == 0.0
    shared = ranker_budget(replace(video_app.surfaces["home"], slo=sl.SLO(p99_ms=50)), 5.0)
    assert shared.ms == pytest.approx(7.5 / len(shared.labels))


def test_a_rung_is_timed_on_what_the_sources_propose_at_most():
    assert num_candidates(home(sl.Popular(n=10), sl.ItemToItem(n=70))) == 80
    assert num_candidates(home(sl.Popular(n=900), sl.ItemToItem(n=900))) == 1000
    assert num_candidates(home(sl.Popular(n=10), Everything())) == 1000, "one does not say"


def test_heads_share_the_cost_of_their_body(log, history):
    surface = video_app.surfaces["home"]
    labels = [str(label) for label in surface.value]
    assert len(labels) == 2
    trials = read_trials(history, log, list(surface.value))
    split = split_by_share(trials.times_us, trials.settled_us, history.last_log_time_us, valid=0.1, test=0.2)
    dataset = make_dataset(history, trials, split.train)

    def costs_ms(value):
        asked = replace(surface, ladder=sl.Ladder(SlowBody()), value=value)
        comparer = Comparer(
            dataset, split, num_items=len(history.items), seed=1, steps=Steps(), features_ms={"home": 1.0}
        )
        return [contest.chosen.cost.p99_ms for contest in comparer.compare(asked).contests]

    together = costs_ms(surface.value)
    assert all(500 * BODY_S <= took_ms < 900 * BODY_S for took_ms in together), "half of the body each"
    (alone,) = costs_ms(dict(list(surface.value.items())[:1]))
    assert alone >= 1000 * BODY_S, "the surface asks one head, though two were learnt"


def test_a_p99_is_of_the_slow_calls():
    assert p99_ms(lambda turn: time.sleep(0.02 if turn % 20 == 0 else 0)) >= 20
    assert p99_ms(lambda turn: None) < 1
