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
    rng = np.random.default_rng(0)
    items_GS, targets_GC, weights_GC, users_G = visits.batch(visits.chunks(), length, 1, rng)
    expected = [
        (user, item, first_visits(log, user)[:place][-length:])
        for user in range(log.num_users)
        for place, item in enumerate(first_visits(log, user))
    ]
    found = []
    for items_S, targets_C, weights_C, user in zip(items_GS, targets_GC, weights_GC, users_G, strict=True):
        for target in range(TARGETS):
            if items_S[length + target] >= 0:
                assert items_S[length + target] == targets_C[target]
                before = items_S[target : length + target]
                found.append((int(user), int(items_S[length + target]), before[before >= 0].tolist()))
            else:
                assert weights_C[target] == 0
    assert found == expected


@settings(max_examples=10, deadline=None)
@given(log=logs, horizon=st.integers(1, 12))
def test_targets_are_drawn_evenly_within_the_horizon(log: Interactions, horizon: int) -> None:
    """Each visit is drawn as often as is expected, and from no place before the horizon or after itself."""
    visits, rng, num_draws = Visits.first(log), np.random.default_rng(1), 200
    drawn = np.zeros(len(visits))
    place_of = {pair: place for place, pair in enumerate(zip(visits.users, visits.items, strict=True))}
    chunks = visits.chunks()
    for _ in range(num_draws):
        _, targets_GC, weights_GC, users_G = visits.batch(chunks, 3, horizon, rng)
        for chunk, target in zip(*np.nonzero(targets_GC >= 0), strict=True):
            place = place_of[users_G[chunk], targets_GC[chunk, target]]
            assert 0 <= place - (chunks[chunk] + target) < horizon
            assert weights_GC[chunk, target] == visits.weights[place]
            drawn[place] += 1
    expected = visits.ahead(horizon)
    assert np.isclose(expected.sum(), len(visits))
    np.testing.assert_allclose(
        drawn / num_draws, expected, atol=5 * np.sqrt(expected.max(initial=0) / num_draws)
    )


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
