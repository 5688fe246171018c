"""`judge` against a full sort of every user's candidates by plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist.models.retrieval import FittedRetrieval, UserBatch
from shortlist.offline.cases import Cases, ItemLists
from shortlist.offline.catalogue import METRICS, CatalogueScore, compare, judge
from shortlist.offline.errors import OfflineError

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
