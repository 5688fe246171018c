"""Data with a signal that is known because it was planted."""

from __future__ import annotations

import numpy as np

from shortlist.models.contract import Examples, FeatureColumn
from shortlist.models.retrieval import Interactions, UserBatch

COLUMNS = (
    FeatureColumn("rate"),
    FeatureColumn("count"),
    FeatureColumn("topic", categorical=True, cardinality=12),
    FeatureColumn("noise"),
)


def examples(num_rows: int, seed: int) -> Examples:
    """Clicks that depend on a number, a heavy-tailed count and a category; every column has holes."""
    rng = np.random.default_rng(seed)
    rate, noise = rng.normal(size=(2, num_rows))
    count = rng.lognormal(2.0, 1.5, num_rows)
    topic = rng.integers(0, 12, num_rows)
    log_odds = -0.5 + 1.2 * rate + 0.5 * (np.log(count) - 2.0) + np.where(topic % 3 == 0, 1.0, -0.5)
    labels = rng.random(num_rows) < 1.0 / (1.0 + np.exp(-log_odds))
    features = np.stack([rate, count, topic, noise], axis=1).astype(np.float32)
    features[rng.random(features.shape) < 0.05] = np.nan
    return Examples(
        features=features,
        columns=COLUMNS,
        labels=labels.astype(np.float32),
        groups=rng.integers(0, max(1, num_rows // 10), num_rows),
    )


def interactions(num_users: int, num_items: int, num_events: int, seed: int) -> Interactions:
    """Users who stay with one of ten tastes: two items are close when their codes end in the same digit."""
    rng = np.random.default_rng(seed)
    users = rng.integers(0, num_users, num_events)
    popular = (rng.pareto(1.5, num_events) * num_items / 40).astype(np.int64) % (num_items // 10)
    own_taste = rng.random(num_events) < 0.9
    taste = np.where(own_taste, users % 10, rng.integers(0, 10, num_events))
    return Interactions(
        users=users.astype(np.int32),
        items=(popular * 10 + taste).astype(np.int32),
        times_us=np.sort(rng.integers(0, 14 * 86_400_000_000, num_events)),
        weights=rng.choice([0.5, 1.0, 2.0], num_events).astype(np.float32),
        num_users=num_users,
        num_items=num_items,
        item_ids=[f"item-{number}" for number in range(num_items)],
    )


def users(num_users: int, length: int = 6) -> UserBatch:
    """Users of `interactions(300, 200, ...)`: one in three is of mixed taste, the last has done nothing."""
    rng = np.random.default_rng(5)
    taste = rng.integers(0, 10, (num_users, 1))
    mixed = np.where(rng.random((num_users, 1)) < 0.3, rng.integers(0, 10, (num_users, length)), taste)
    history = (rng.integers(0, 20, (num_users, length)) * 10 + mixed).astype(np.int32)
    history[-1] = -1
    return UserBatch(history)
