"""Knowing the person must pay: the world is of no use to a recommender otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.world import History, World

NUM_REQUESTS, NUM_CANDIDATES, K = 400, 200, 10


def test_the_oracle_beats_the_best_ranking_for_all_which_beats_popularity_which_beats_chance(
    world: World, history: History
) -> None:
    random = np.random.default_rng(17)
    users = random.integers(0, world.config.num_users, NUM_REQUESTS)
    candidates = np.array(
        [random.choice(len(world.catalogue), NUM_CANDIDATES, replace=False) for _ in range(NUM_REQUESTS)]
    )

    def expected_clicks(scores: NDArray[np.float64]) -> float:
        top = np.take_along_axis(candidates, np.argsort(-scores, axis=1)[:, :K], axis=1)
        return float(world.click_probability(users[:, None], top, np.arange(K)).sum(axis=1).mean())

    clicks = np.bincount(history.truth["video"][history.truth["clicked"]], minlength=len(world.catalogue))
    liked_by_all = world.click_probability(np.arange(500)[:, None], np.arange(len(world.catalogue)), 0).mean(
        axis=0
    )
    chance = expected_clicks(random.random(candidates.shape))
    popular = expected_clicks(clicks[candidates].astype(float))
    best_for_all = expected_clicks(liked_by_all[candidates])
    topic_known = expected_clicks(world.people.interests[users[:, None], world.catalogue.topic[candidates]])
    oracle = expected_clicks(world.click_probability(users[:, None], candidates, 0))
    print(
        f"expected clicks in {K} slots: chance {chance:.2f}, popular {popular:.2f}, "
        f"best for all {best_for_all:.2f}, favourite topics {topic_known:.2f}, oracle {oracle:.2f}"
    )
    assert popular > 1.2 * chance
    assert best_for_all > 1.1 * popular
    assert topic_known > 1.1 * best_for_all
    assert oracle > 1.4 * best_for_all
