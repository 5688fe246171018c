"""`judge` against a full sort of every user's candidates by plain Python."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist.features.encoders import Encoding
from shortlist.metrics import coverage, gini, novelty
from shortlist.models.retrieval import Attributes, FittedRetrieval, UserBatch
from shortlist.offline.errors import OfflineError
from shortlist.offline.evaluation.cases import Cases, ItemLists
from shortlist.offline.evaluation.catalogue import METRICS, compare, judge

NUM_ITEMS = 7


class Table(FittedRetrieval):
    """A model that has been told each user's scores; the user is read from the history."""

    kind = "table"

    def __init__(self, scores: NDArray[np.float32]) -> None:
        self.table, self.num_items = scores, scores.shape[1]

    def scores(self, users: UserBatch) -> NDArray[np.float32]:
        return self.table[users.history[:, 0]]

    def save(self, folder) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder):
        raise NotImplementedError


def lists(rows: list[list[int]]) -> ItemLists:
    sizes = [len(row) for row in rows]
    flat = np.array([item for row in rows for item in sorted(row)], np.int32)
    return ItemLists(flat, np.cumsum([0, *sizes]))


def make_cases(relevant: list[list[int]], excluded: list[list[int]], num_items: int = NUM_ITEMS) -> Cases:
    users = np.arange(len(relevant), dtype=np.int32)
    counts = np.arange(num_items, dtype=np.int64)
    return Cases(users, users[:, None], lists(relevant), lists(excluded), counts)


@st.composite
def judged(draw):
    """Users with relevant and excluded items, and scores with many ties."""
    relevant, excluded, scores = [], [], []
    for _ in range(draw(st.integers(1, 5))):
        roles = draw(
            st.lists(st.sampled_from("rex"), min_size=NUM_ITEMS, max_size=NUM_ITEMS).filter(
                lambda roles: "r" in roles
            )
        )
        relevant.append([item for item, role in enumerate(roles) if role == "r"])
        excluded.append([item for item, role in enumerate(roles) if role == "x"])
        values = st.sampled_from([-1.0, 0.0, 0.5, 2.0])
        scores.append(draw(st.lists(values, min_size=NUM_ITEMS, max_size=NUM_ITEMS)))
    return relevant, excluded, np.array(scores, np.float32)


def sorted_candidates(scores, relevant, excluded) -> list[int]:
    """Best first; of equal scores the irrelevant first."""
    candidates = [item for item in range(len(scores)) if item not in excluded]
    return sorted(candidates, key=lambda item: (-scores[item], item in relevant))


def naive_metrics(order: list[int], relevant: list[int], k: int) -> dict[str, float]:
    hits = [item in relevant for item in order[:k]]
    places = [place for place, hit in enumerate(hits, start=1) if hit]
    best = min(k, len(relevant))
    return {
        "HR": float(any(hits)),
        "Recall": sum(hits) / len(relevant),
        "CappedRecall": sum(hits) / best,
        "Precision": sum(hits) / k,
        "NDCG": sum(1 / math.log2(place + 1) for place in places)
        / sum(1 / math.log2(place + 1) for place in range(1, best + 1)),
        "MRR": 1 / places[0] if places else 0.0,
        "MAP": sum(found / place for found, place in enumerate(places, start=1)) / best,
    }


@given(case=judged(), k=st.integers(1, 8), batch=st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_every_metric_is_that_of_a_full_sort(case, k, batch):
    relevant, excluded, scores = case
    score = judge(Table(scores), make_cases(relevant, excluded), k=k, batch=batch)
    orders = [sorted_candidates(*row) for row in zip(scores, relevant, excluded, strict=True)]
    expected = [naive_metrics(order, rel, k) for order, rel in zip(orders, relevant, strict=True)]
    for metric in METRICS:
        values = [row[metric] for row in expected]
        np.testing.assert_allclose(score.mean(metric).values, values, rtol=1e-12)
        assert score.figures()[score.name(metric)] == pytest.approx(sum(values) / len(values))
    for slate, row, out in zip(score.slates, scores, excluded, strict=True):
        best = sorted((item for item in range(NUM_ITEMS) if item not in out), key=lambda item: -row[item])[:k]
        assert slate.tolist() == best + [-1] * (k - len(best))


@given(case=judged(), k=st.integers(1, 8), keep=st.integers(0, 2**12))
@settings(max_examples=100, deadline=None)
def test_a_part_of_the_relevant_items_keeps_its_ranks(case, k, keep):
    relevant, excluded, scores = case
    score = judge(Table(scores), make_cases(relevant, excluded), k=k)
    where = np.array([bool(keep >> at & 1) for at in range(len(score.ranks))])
    at, users, expected = 0, [], []
    for user, row in enumerate(relevant):
        ranks = sorted(score.ranks[at : at + len(row)][where[at : at + len(row)]].tolist())
        at += len(row)
        if ranks:
            users.append(user)
            expected.append(
                naive_metrics([rank + 1 in ranks for rank in range(NUM_ITEMS)], [True] * len(ranks), k)
            )
    for metric in METRICS:
        mean = score.mean(metric, where)
        assert mean.groups.tolist() == users
        np.testing.assert_allclose(mean.values, [row[metric] for row in expected], rtol=1e-12)


@pytest.fixture(scope="module")
def crowd():
    """300 users, 80 items; the model's scores know something of what is relevant."""
    random = np.random.default_rng(7)
    parts = [random.permutation(80) for _ in range(300)]
    cases = make_cases([part[:3].tolist() for part in parts], [part[3:20].tolist() for part in parts], 80)
    scores = random.normal(size=(300, 80)).astype(np.float32)
    scores[cases.relevant.cases, cases.relevant.items] += 1.5
    return cases, scores


def test_a_model_that_scores_all_alike_earns_nothing(crowd):
    cases, scores = crowd
    score = judge(Table(np.zeros_like(scores)), cases)
    assert score.mean("hr").value == 0.0
    assert (score.ranks > 60).all()


def test_the_interval_holds_the_mean_of_the_users(crowd):
    cases, scores = crowd
    score = judge(Table(scores), cases)
    interval = score.interval("ndcg")
    assert interval.low < interval.value == score.mean("ndcg").value < interval.high
    assert interval.num_groups == 300
    assert score.interval("ndcg", level=0.5).high < interval.high
    # The normal theory of a mean is a good guide for 300 users.
    half = 1.96 * score.mean("ndcg").values.std() / np.sqrt(300)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.15)


def test_a_paired_comparison_sees_what_two_intervals_cannot(crowd):
    cases, scores = crowd
    a = judge(Table(scores), cases)
    better = scores.copy()
    better[cases.relevant.cases, cases.relevant.items] += 0.1
    b = judge(Table(better), cases)
    difference = compare(b, a, "ndcg")
    assert difference.value == pytest.approx(b.mean("ndcg").value - a.mean("ndcg").value)
    assert difference.low > 0
    assert b.interval("ndcg").low < a.interval("ndcg").high
    assert compare(a, a, "map").value == 0.0


def test_only_what_was_judged_alike_is_compared(crowd):
    cases, scores = crowd
    a = judge(Table(scores), cases)
    others = (
        judge(Table(scores), cases, k=5),
        judge(Table(scores), cases, sampled_negatives=20),
        judge(Table(scores), cases.take(np.arange(299))),
    )
    for other in others:
        with pytest.raises(OfflineError, match="compare: expected two scores on the same cases"):
            compare(a, other, "ndcg")


def test_sampled_figures_say_so_and_flatter(crowd):
    cases, scores = crowd
    full, sampled = judge(Table(scores), cases), judge(Table(scores), cases, sampled_negatives=20)
    assert full.name("ndcg") == "NDCG@10"
    assert sampled.name("ndcg") == "NDCG@10 of 20 sampled"
    assert "NDCG@10 of 20 sampled" in sampled.figures()
    assert not any(name.startswith("NDCG@10") and name != sampled.name("ndcg") for name in sampled.figures())
    # Of 60 others a third is drawn, and so a third of those before an item.
    before = np.array([full.ranks - 1, sampled.ranks - 1]).mean(axis=1)
    own = 1.0  # of three relevant items, the one before another on average
    assert before[1] - own == pytest.approx((before[0] - own) * 20 / 60, rel=0.1)
    np.testing.assert_array_equal(full.slates, sampled.slates)


def test_the_sample_depends_on_the_seed_alone(crowd):
    cases, scores = crowd
    first = judge(Table(scores), cases, sampled_negatives=20, batch=256)
    again = judge(Table(scores), cases, sampled_negatives=20, batch=7)
    other = judge(Table(scores), cases, sampled_negatives=20, seed=1)
    np.testing.assert_array_equal(first.ranks, again.ranks)
    assert (first.ranks != other.ranks).any()
    # There are 60 candidates besides the three that should be found: to draw them all is to draw none.
    for all_of_them in (60, 1_000):
        everything = judge(Table(scores), cases, sampled_negatives=all_of_them)
        np.testing.assert_array_equal(everything.ranks, judge(Table(scores), cases).ranks)


def test_a_score_is_read_at_a_smaller_cut_off(crowd):
    cases, scores = crowd
    wide, narrow = judge(Table(scores), cases, k=20), judge(Table(scores), cases, k=5)
    assert wide.at(5).figures() == narrow.figures()
    assert wide.at(20).figures() == wide.figures()
    for k in (0, 21):
        with pytest.raises(OfflineError, match="k: expected 1 to 20"):
            wide.at(k)


def test_progress_ends_at_the_number_of_cases(crowd):
    cases, scores = crowd
    seen = []
    judge(Table(scores), cases, batch=128, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(128, 300), (256, 300), (300, 300)]


def test_figures_beyond_accuracy_are_those_of_the_slates(crowd):
    cases, scores = crowd
    score = judge(Table(scores), cases, k=2)
    figures = score.figures()
    assert figures["coverage"] == coverage(score.slates, 80)
    assert figures["gini"] == gini(score.slates, 80)
    assert figures["novelty"] == novelty(score.slates, np.arange(80))
    topics = np.arange(80) % 3
    differs = [topics[one] != topics[two] for one, two in score.slates]
    assert score.diversity(topics).value == pytest.approx(np.mean(differs))
    with pytest.raises(OfflineError, match=r"diversity: expected .* of none, received topic"):
        score.diversity("topic")

    # An attribute by its name; of every fourth item nothing is known, which is unlike everything.
    values = np.where(np.arange(80) % 4, topics, np.nan).astype(np.float32)[:, None]
    encoding = Encoding(["topic"], {"topic": ["a", "b", "c"]})
    told = replace(score, cases=replace(cases, item_attributes=Attributes(values, encoding)))
    differs = [topics[one] != topics[two] or one % 4 == 0 or two % 4 == 0 for one, two in score.slates]
    assert told.figures()["diversity of topic"] == pytest.approx(np.mean(differs))


def test_a_sample_of_the_cases_is_judged_as_they_are(crowd):
    cases, scores = crowd
    some = cases.sample(40, seed=3)
    whole = judge(Table(scores), cases).mean("ndcg")
    part = judge(Table(scores), some).mean("ndcg")
    assert len(some) == len(np.unique(some.users)) == 40
    np.testing.assert_array_equal(part.groups, some.users)
    np.testing.assert_array_equal(part.values, whole.values[np.searchsorted(whole.groups, some.users)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cases, scores: (cases, np.full_like(scores, np.nan)), "scores of table: expected finite"),
        (lambda cases, scores: (cases, scores[:, :-1]), r"scores of table: .* shape \(256, 80\)"),
        (
            lambda cases, scores: (replace(cases, excluded=cases.relevant), scores),
            "cases: expected no relevant item among the excluded",
        ),
    ],
)
def test_what_cannot_be_judged_is_named(crowd, change, message):
    cases, scores = change(*crowd)
    with pytest.raises(OfflineError, match=message):
        judge(Table(scores), cases)


def test_a_setting_or_a_metric_that_is_none_is_named(crowd):
    cases, scores = crowd
    with pytest.raises(OfflineError, match="k: expected 1 or more, received 0"):
        judge(Table(scores), cases, k=0)
    with pytest.raises(
        OfflineError, match="metric: expected one of HR, Recall, CappedRecall, Precision, NDCG, MRR, MAP"
    ):
        judge(Table(scores), cases).interval("accuracy")
