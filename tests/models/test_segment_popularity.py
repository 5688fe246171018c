"""Popularity within segments against counts written out in plain Python."""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.planted import interactions
from shortlist.models.errors import ModelError, ModelFileError
from shortlist.models.popularity import Popularity
from shortlist.models.retrieval import Interactions
from shortlist.models.segment_popularity import (
    LIST_LENGTH,
    MAX_SEGMENTS,
    MIN_INTERACTIONS,
    MIN_USERS,
    PRIOR,
    FittedSegmentPopularity,
    SegmentPopularity,
)

DAY_US = 86_400_000_000


def log_of(users, items, *, num_users, num_items, times_us=None, weights=None) -> Interactions:
    count = len(users)
    return Interactions(
        np.asarray(users, np.int32),
        np.asarray(items, np.int32),
        np.zeros(count, np.int64) if times_us is None else np.asarray(times_us, np.int64),
        np.ones(count, np.float32) if weights is None else np.asarray(weights, np.float32),
        num_users,
        num_items,
    )


def counted(log: Interactions, segments, half_life_us: int) -> dict[int, tuple[dict[int, float], set[int]]]:
    """Score every item that anybody touched, in each segment of a user, with loops; and its users."""
    left, everybody = [], defaultdict(float)
    for item, time_us, weight in zip(log.items, log.times_us, log.weights, strict=True):
        left.append(float(weight) * 0.5 ** ((int(log.times_us[-1]) - int(time_us)) / half_life_us))
        everybody[int(item)] += left[-1]
    total, mean = sum(everybody.values()), sum(map(float, log.weights)) / len(log)
    own: dict[int, tuple[dict[int, float], set[int]]] = {}
    for user, item, part in zip(log.users, log.items, left, strict=True):
        if segments[user] >= 0:
            scores, users = own.setdefault(int(segments[user]), (defaultdict(float), set()))
            scores[int(item)] += part / mean
            users.add(int(user))
    return {
        segment: ({item: scores[item] + PRIOR * everybody[item] / total for item in everybody}, users)
        for segment, (scores, users) in own.items()
    }


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.sampled_from(["12h", "2d", "520w"]))
def test_against_plain_loops(seed, num_segments, half_life):
    log = interactions(150, 60, 1500, seed=seed % 1000)
    segments_U = np.random.default_rng(seed).integers(-1, num_segments, 150)
    half_life_us = {"12h": DAY_US // 2, "2d": 2 * DAY_US, "520w": 3640 * DAY_US}[half_life]
    names = [f"s{number}" for number in range(num_segments)]
    fitted = SegmentPopularity(Popularity(half_life)).fit(log, segments_U, names)
    expected = {
        names[segment]: scores
        for segment, (scores, users) in counted(log, segments_U, half_life_us).items()
        if len(users) >= MIN_USERS and sum(scores.values()) - PRIOR >= MIN_INTERACTIONS + 1e-6
    }
    lists = fitted.lists()
    assert lists.keys() == expected.keys()
    for name, items in lists.items():
        scores = expected[name]
        assert set(items.tolist()) == scores.keys()  # fewer items than a list may hold
        in_order = [scores[item] for item in items.tolist()]
        np.testing.assert_allclose(in_order, sorted(in_order, reverse=True), rtol=1e-5)


def test_a_segments_own_favourite_comes_first_and_everybodys_follow():
    # Everybody watches item 0, most of all; those of segment 1 watch item 2 as well, which nobody else does.
    users = [*range(100), *range(100), *range(60, 100)]
    items = [*[0] * 100, *[1 if user < 60 else 2 for user in range(100)], *[2] * 40]
    segments_U = np.array([0] * 60 + [1] * 40)
    log = log_of(users, items, num_users=100, num_items=5)
    lists = SegmentPopularity(Popularity("520w")).fit(log, segments_U, ["a", "b"]).lists()
    assert list(lists) == ["a", "b"]  # the larger one first
    assert lists["a"].tolist()[:2] == [0, 1]
    assert lists["b"].tolist() == [2, 0, 1]  # items 3 and 4 nobody touched


@pytest.mark.parametrize("factor", [0.001, 7.0])
def test_the_scale_of_the_weights_does_not_matter(factor):
    log, segments_U = interactions(120, 50, 2000, seed=4), np.arange(120) % 3
    scaled = Interactions(**{**vars(log), "weights": (log.weights * np.float32(factor)).astype(np.float32)})
    one, other = (
        SegmentPopularity(Popularity("7d")).fit(each, segments_U, ["a", "b", "c"]).lists()
        for each in (log, scaled)
    )
    assert one.keys() == other.keys() == {"a", "b", "c"}
    assert all((one[name][:20] == other[name][:20]).all() for name in one)


def test_few_people_or_few_interactions_make_no_list():
    num_few, each = MIN_USERS - 1, 20
    crowds = {"few people": num_few, "enough": MIN_USERS, "few interactions": MIN_USERS}
    users, segments_U = [], []
    for segment, (name, num_users) in enumerate(crowds.items()):
        first = len(segments_U)
        segments_U += [segment] * num_users
        per_user = 1 if name == "few interactions" else each
        users += [user for user in range(first, first + num_users) for _ in range(per_user)]
    log = log_of(users, np.arange(len(users)) % 7, num_users=len(segments_U), num_items=7)
    fitted = SegmentPopularity(Popularity("520w")).fit(log, np.array(segments_U), list(crowds))
    assert fitted.segments == ("enough",)


def test_users_without_an_interaction_do_not_count_as_people():
    users = np.repeat(np.arange(MIN_USERS - 1), 50)
    log = log_of(users, users % 3, num_users=500, num_items=3)
    assert SegmentPopularity(Popularity()).fit(log, np.zeros(500, np.int64), ["a"]).segments == ()


def test_only_the_largest_segments_and_the_best_items_are_kept():
    num_segments, num_items = MAX_SEGMENTS + 5, LIST_LENGTH + 200
    sizes = MIN_USERS + np.arange(num_segments) % 7
    segments_U = np.repeat(np.arange(num_segments), sizes)
    rng = np.random.default_rng(2)
    users = np.repeat(np.arange(len(segments_U)), 6)
    log = log_of(
        users, rng.integers(0, num_items, len(users)), num_users=len(segments_U), num_items=num_items
    )
    fitted = SegmentPopularity(Popularity()).fit(log, segments_U, [f"s{one}" for one in range(num_segments)])
    assert fitted.items.shape == (MAX_SEGMENTS, LIST_LENGTH)
    kept = [int(sizes[int(name[1:])]) for name in fitted.segments]
    assert kept == sorted(sizes.tolist(), reverse=True)[:MAX_SEGMENTS]


@pytest.mark.parametrize("num_events", [0, 40])
def test_nothing_of_worth_makes_no_list(num_events):
    users = np.arange(num_events) % 20
    log = log_of(users, users % 3, num_users=20, num_items=3, weights=np.zeros(num_events))
    fitted = SegmentPopularity(Popularity()).fit(log, np.zeros(20, np.int64), ["a"])
    assert fitted.lists() == {}


def test_users_without_a_segment_of_their_own_are_refused():
    log = interactions(10, 20, 50, seed=1)
    for segments_U in (np.zeros(9, np.int64), np.full(10, 2)):
        with pytest.raises(ModelError, match="segments_U: expected 10 numbers below 2"):
            SegmentPopularity(Popularity()).fit(log, segments_U, ["a", "b"])


class TestAFile:
    @pytest.fixture
    def fitted(self):
        return FittedSegmentPopularity(("NL", "é"), np.array([[3, 1, 2], [0, -1, -1]], np.int32), 4)

    def test_it_comes_back(self, fitted, tmp_path):
        fitted.save(tmp_path)
        loaded = FittedSegmentPopularity.load(tmp_path)
        assert (loaded.segments, loaded.num_items) == (fitted.segments, 4)
        assert (loaded.items == fitted.items).all()
        assert not loaded.items.flags.writeable

    def test_one_without_lists_comes_back(self, tmp_path):
        FittedSegmentPopularity((), np.empty((0, 0), np.int32), 4).save(tmp_path)
        assert FittedSegmentPopularity.load(tmp_path).lists() == {}

    @pytest.mark.parametrize(
        "items", [[[3, 1, 4], [0, -1, -1]], [[3, 1, -2], [0, -1, -1]], [[3, 3, 1], [0, -1, -1]], [[3, 1, 2]]]
    )
    def test_items_that_cannot_be_are_refused(self, fitted, items, tmp_path):
        fitted.save(tmp_path)
        np.save(tmp_path / "items.npy", np.array(items, np.int32))
        with pytest.raises(ModelFileError, match="expected"):
            FittedSegmentPopularity.load(tmp_path)

    @pytest.mark.parametrize(
        "change", [{"segments": ["NL", "NL"]}, {"segments": ["NL", 3]}, {"num_items": "4"}]
    )
    def test_a_damaged_description_is_refused(self, fitted, change, tmp_path):
        fitted.save(tmp_path)
        path = tmp_path / "model.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with pytest.raises(ModelFileError, match=r"segments|num_items"):
            FittedSegmentPopularity.load(tmp_path)
