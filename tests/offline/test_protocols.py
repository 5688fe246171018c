"""Every protocol against a walk through each user's events by plain Python."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.features.encoders import Encoding
from shortlist.models.retrieval import Attributes, Interactions
from shortlist.offline.errors import OfflineError
from shortlist.offline.evaluation.cases import Holdout
from shortlist.offline.evaluation.protocols import (
    leave_one_out,
    leave_users_out,
    rolling_origin,
    split_by_time,
)

NUM_USERS, NUM_ITEMS = 5, 6
events = st.lists(
    st.tuples(st.integers(0, NUM_USERS - 1), st.integers(0, NUM_ITEMS - 1), st.integers(0, 2)), max_size=40
)
"""User, item, and how much later than the event before; repeats and events of one moment are common."""

Row = tuple[int, int, int]


def log_of(rows: list[Row]) -> tuple[Interactions, list[Row]]:
    """The interactions, and the same as rows of (user, item, time)."""
    times = np.cumsum([gap for *_, gap in rows], dtype=np.int64)
    users, items = (np.array([row[at] for row in rows], np.int32) for at in (0, 1))
    log = Interactions(users, items, times, np.ones(len(rows), np.float32), NUM_USERS, NUM_ITEMS)
    return log, list(zip(users.tolist(), items.tolist(), times.tolist(), strict=True))


def found(holdout: Holdout) -> tuple[list[Row], dict[int, tuple[list[int], list[int], list[int]]]]:
    """The training rows; by user, the history, the relevant and the excluded items."""
    train, cases = holdout.train, holdout.cases
    rows = list(zip(train.users.tolist(), train.items.tolist(), train.times_us.tolist(), strict=True))
    by_user = {}
    for case, user in enumerate(cases.users.tolist()):
        row = cases.history[case].tolist()
        told = [item for item in row if item >= 0]
        assert row == told + [-1] * (len(row) - len(told)), "padding follows the items"
        by_user[user] = (told, cases.relevant[case].tolist(), cases.excluded[case].tolist())
    assert list(by_user) == sorted(by_user)
    counts = [sum(item == one for _, item, _ in rows) for one in range(NUM_ITEMS)]
    assert cases.item_counts.tolist() == counts
    return rows, by_user


def distinct(items: list[int]) -> list[int]:
    return sorted(set(items))


def newest_first(items: list[int], length: int | None) -> list[int]:
    """The last events, as serving reads them: each item at its newest place."""
    return list(dict.fromkeys(items[::-1][:length]))


def naive_leave_one_out(rows: list[Row], which: str, length: int):
    train, by_user = list(rows), {}
    for user in range(NUM_USERS):
        mine = [row for row in rows if row[0] == user]
        first_at = list({item: at for at, (_, item, _) in reversed(list(enumerate(mine)))}.values())
        first_at.sort()
        if len(first_at) < 3:
            continue
        test_at, valid_at = first_at[-1], first_at[-2]
        for row in mine[valid_at:]:
            train.remove(row)
        known_until, target_at = (test_at, test_at) if which == "test" else (valid_at, valid_at)
        by_user[user] = (
            newest_first([item for _, item, _ in mine[:known_until]], length),
            [mine[target_at][1]],
            distinct([item for _, item, _ in mine[:valid_at]]),
        )
    return sorted(train, key=lambda row: (row[2], row)), by_user


@pytest.mark.parametrize("which", ["test", "valid"])
@given(rows=events, length=st.integers(1, 8))
@settings(max_examples=150, deadline=None)
def test_leave_one_out(which, rows, length):
    log, rows = log_of(rows)
    train, by_user = naive_leave_one_out(rows, which, length)
    if not by_user:
        with pytest.raises(OfflineError, match="0 to find"):
            leave_one_out(log, which=which, history=length)
        return
    learnt, cases = found(leave_one_out(log, which=which, history=length))
    assert sorted(learnt, key=lambda row: (row[2], row)) == train
    assert cases == by_user


def test_leave_one_out_of_a_sequence_without_repeats_is_the_usual_one():
    log, _ = log_of([(0, item, 1) for item in (4, 2, 0, 5)] + [(1, item, 1) for item in (1, 3)])
    learnt, cases = found(leave_one_out(log))
    assert [(user, item) for user, item, _ in learnt] == [(0, 4), (0, 2), (1, 1), (1, 3)]
    assert cases == {0: ([0, 2, 4], [5], [2, 4])}, "the validation item 0 is told, and still a candidate"
    assert found(leave_one_out(log, which="valid"))[1] == {0: ([2, 4], [0], [2, 4])}


def naive_by_time(rows: list[Row], start: int, end: float, length: int | None):
    train = [row for row in rows if row[2] < start]
    by_user = {}
    for user in range(NUM_USERS):
        before = [item for who, item, _ in train if who == user]
        after = [item for who, item, time in rows if who == user and start <= time < end]
        new = distinct([item for item in after if item not in before])
        if new:
            by_user[user] = (newest_first(before, length), new, distinct(before))
    return train, by_user


@given(rows=events, test=st.floats(0.05, 0.95), length=st.integers(1, 8))
@settings(max_examples=150, deadline=None)
def test_split_by_time(rows, test, length):
    log, rows = log_of(rows)
    moment = rows[int((1 - test) * len(rows))][2] if rows else 0
    train, by_user = naive_by_time(rows, moment, np.inf, length)
    if not train or not by_user:
        with pytest.raises(OfflineError):
            split_by_time(log, test=test, history=length)
        return
    assert found(split_by_time(log, test=test, history=length)) == (train, by_user)
    assert found(split_by_time(log, at_us=moment, history=length)) == (train, by_user)


@given(rows=events, num_folds=st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_rolling_origin_has_test_periods_that_follow_one_another(rows, num_folds):
    log, rows = log_of(rows)
    try:
        holdouts = rolling_origin(log, num_folds=num_folds, test=0.2, history=None)
    except OfflineError:
        assert len({time for *_, time in rows}) < 20, "only a short or crowded log may be refused"
        return
    assert len(holdouts) == num_folds
    starts = [rows[int((1 - (num_folds - fold) * 0.2) * len(rows))][2] for fold in range(num_folds)]
    for holdout, (start, end) in zip(holdouts, pairwise([*starts, np.inf]), strict=True):
        # In a later period, what was met in an earlier one is no longer new.
        assert found(holdout) == naive_by_time(rows, start, end, None)


@given(rows=events, num_users=st.integers(1, 4), fold_in=st.floats(0.05, 0.95), seed=st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_leave_users_out(rows, num_users, fold_in, seed):
    log, rows = log_of(rows)
    items_of = {user: distinct([item for who, item, _ in rows if who == user]) for user in range(NUM_USERS)}
    eligible = sum(len(items) >= 2 for items in items_of.values())
    if eligible <= num_users:
        with pytest.raises(OfflineError, match="fewer than have two items"):
            leave_users_out(log, num_users=num_users, fold_in=fold_in, seed=seed)
        return
    try:
        learnt, cases = found(leave_users_out(log, num_users=num_users, fold_in=fold_in, seed=seed))
    except OfflineError as error:
        if " 0 to find" not in str(error):  # what was held is nothing that the others have met
            raise
        return
    out = set(range(NUM_USERS)) - {user for user, *_ in learnt}
    assert set(cases) <= {user for user in out if len(items_of[user]) >= 2}
    assert len(cases) <= num_users
    assert learnt == [row for row in rows if row[0] not in out], "nothing of a held-out user is learnt from"
    trained = {item for _, item, _ in learnt}
    for user, (told, relevant, excluded) in cases.items():
        mine = items_of[user]
        num_told = min(max(1, int(np.ceil(fold_in * len(mine)))), len(mine) - 1)
        assert len(set(told)) == num_told
        assert not set(told) & set(relevant)
        assert relevant == [item for item in mine if item not in told and item in trained]
        assert excluded == [item for item in mine if item not in relevant]
        all_told = [item for who, item, _ in rows if who == user and item in told]
        assert told == newest_first(all_told, None)


def test_leave_users_out_holds_a_fifth_as_the_paper_does():
    rows = [(user, item, 1) for user in range(NUM_USERS) for item in range(5)]
    log, _ = log_of(rows)
    _, cases = found(leave_users_out(log, num_users=3, seed=1))
    assert [(len(told), len(relevant)) for told, relevant, _ in cases.values()] == [(4, 1)] * 3
    assert len({tuple(relevant) for _, relevant, _ in cases.values()}) > 1, "the held item is drawn"
    assert found(leave_users_out(log, num_users=3, seed=1))[1] == cases
    assert found(leave_users_out(log, share=0.6, seed=1))[1] == cases


def test_weights_and_attributes_follow():
    log, _ = log_of([(user, item, 1) for item in range(NUM_ITEMS) for user in range(NUM_USERS)])
    known = Attributes(np.arange(NUM_USERS, dtype=np.float32)[:, None], Encoding(["age"], {}))
    log = replace(log, weights=np.arange(len(log), dtype=np.float32), user_attributes=known)
    holdout = split_by_time(log, test=0.3)
    np.testing.assert_array_equal(holdout.train.weights, np.arange(len(holdout.train)))
    assert holdout.train.user_attributes is holdout.cases.user_attributes is known
    np.testing.assert_array_equal(holdout.cases.batch(1, 3).attributes, [[1], [2]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda log: leave_one_out(log, which="train"), 'which: expected "test" or "valid"'),
        (lambda log: leave_one_out(log, history=0), "history: expected 1 item or more"),
        (lambda log: leave_users_out(log, num_users=NUM_USERS), "fewer than have two items, received 5 of 5"),
        (lambda log: leave_users_out(log, fold_in=1.0), "fold_in: expected a share"),
        (lambda log: split_by_time(log, test=0.0), "test: expected a share"),
        (lambda log: split_by_time(log, at_us=0), "0 to learn from"),
        (lambda log: rolling_origin(log, num_folds=0), "num_folds: expected 1 or more"),
        (lambda log: rolling_origin(log, num_folds=5, test=0.2), "test: expected a share"),
    ],
)
def test_what_cannot_be_parted_is_named(call, message):
    log, _ = log_of([(user, item, 1) for item in range(NUM_ITEMS) for user in range(NUM_USERS)])
    with pytest.raises(OfflineError, match=message):
        call(log)
