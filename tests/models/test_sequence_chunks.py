"""Chunks of histories against plain loops over every visit."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.planted import interactions
from shortlist.models.retrieval import Interactions
from shortlist.models.towers.chunks import TARGETS, Visits


def first_visits(log: Interactions, user: int) -> list[int]:
    """A user's items, each at its first visit."""
    return list(dict.fromkeys(log.items[log.users == user].tolist()))


logs = st.builds(interactions, st.integers(1, 5), st.just(30), st.integers(0, 150), st.integers(0, 10_000))


@settings(max_examples=50, deadline=None)
@given(log=logs, length=st.integers(1, 12))
def test_each_visit_is_once_a_target_with_what_came_before_it(log: Interactions, length: int) -> None:
    visits = Visits.first(log)
    items_GS, weights_GC, users_G = visits.batch(visits.chunks(), length)
    expected = [
        (user, item, first_visits(log, user)[:place][-length:])
        for user in range(log.num_users)
        for place, item in enumerate(first_visits(log, user))
    ]
    found = []
    for items_S, weights_C, user in zip(items_GS, weights_GC, users_G, strict=True):
        for target in range(TARGETS):
            if items_S[length + target] >= 0:
                before = items_S[target : length + target]
                found.append((int(user), int(items_S[length + target]), before[before >= 0].tolist()))
            else:
                assert weights_C[target] == 0
    assert found == expected


@given(log=logs)
def test_a_visit_weighs_what_all_of_them_weigh_over_the_mean(log: Interactions) -> None:
    visits = Visits.first(log)
    pairs = [
        log.weights[(log.users == user) & (log.items == item)].sum()
        for user, item in zip(visits.users, visits.items, strict=True)
    ]
    np.testing.assert_allclose(visits.weights, pairs / np.mean(pairs) if pairs else [], rtol=1e-4)


def test_the_last_visit_is_left_out_and_its_history_is_the_rest() -> None:
    log = interactions(6, 40, 200, seed=3)
    visits, users = Visits.first(log), np.array([1, 4])
    without = visits.without_last(users)
    for user in range(6):
        own = without.items[without.starts[user] : without.starts[user + 1]].tolist()
        assert own == first_visits(log, user)[: -1 if user in users else None]
    histories = visits.before(visits.starts[users + 1] - 1, 5).history
    assert [[item for item in row if item >= 0] for row in histories.tolist()] == [
        first_visits(log, user)[-2:-7:-1] for user in users
    ]
