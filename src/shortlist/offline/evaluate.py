"""How good probabilities are on held-out trials: as a ranking, as a forecast, and in the product's value.

N trials, G lists or users, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.metrics import (
    Interval,
    Mean,
    RankedLists,
    auc,
    bootstrap_mean,
    expected_calibration_error,
    gauc,
)
from shortlist.metrics.classification import SMALLEST_PROBABILITY
from shortlist.metrics.mean import MetricInputError
from shortlist.offline.trials import Trials

NDCG_CUTOFF = 10


@dataclass(frozen=True)
class LabelScore:
    """One model's metrics on one label; None where one is not defined, as an AUC without positives.

    Attributes:
        num_rows: trials judged.
        num_positives: those that turned positive.
        auc: over all trials.
        gauc: the mean of users' AUCs, weighted by their trials, with its interval.
        ndcg_at_10: within lists.
        log_loss: nats a trial, with its interval.
        calibration_error: mean distance of the predicted from the observed rate, over 20 bins.
    """

    num_rows: int
    num_positives: int
    auc: float | None
    gauc: Interval | None
    ndcg_at_10: float | None
    log_loss: Interval
    calibration_error: float

    def figures(self) -> dict[str, float | None]:
        """Return the metrics by name, without intervals."""
        return {
            "auc": self.auc,
            "gauc": None if self.gauc is None else self.gauc.value,
            "ndcg_at_10": self.ndcg_at_10,
            "log_loss": self.log_loss.value,
            "calibration_error": self.calibration_error,
        }


@dataclass(frozen=True)
class ValueScore:
    """What the surface's value came to among the items that a model would have put first.

    Each list of two shown items or more is put in the model's order and its first half kept (half of an
    odd number rounded up). The logged order has the gain of its own places, since people look at the top
    more: a model that beats it does so in spite of that.

    Attributes:
        per_item: realised value of a kept item.
        logged: the same where the first half is the one logged on top.
        average: of all items: what a random order would keep.
        lift: `per_item` minus `average`, list by list.
        num_lists: lists judged.
        list_kind: what a list was.
    """

    per_item: Interval
    logged: Interval
    average: Interval
    lift: Interval
    num_lists: int
    list_kind: str


def score_label(
    trials: Trials, label: str, rows: NDArray[np.int64], probabilities: NDArray[np.float64], seed: int = 0
) -> LabelScore:
    """Judge the probabilities float64 [N] of some trials."""
    labels, users = trials.positive[label][rows], trials.requests.users[rows]
    # Rows of a list lie in the order of their places: equal scores must not profit from it.
    order = np.random.default_rng(seed).permutation(len(rows))
    by_user = gauc(users, labels, probabilities)
    lists = RankedLists(trials.lists[rows][order], probabilities[order], labels[order])
    losses = row_losses(labels, probabilities)
    return LabelScore(
        num_rows=len(rows),
        num_positives=int(labels.sum()),
        auc=_defined(auc(labels, probabilities)),
        gauc=_interval(by_user, seed),
        ndcg_at_10=_defined(lists.ndcg_at(NDCG_CUTOFF).value),
        log_loss=bootstrap_mean(losses, users, seed=seed),
        calibration_error=expected_calibration_error(labels, probabilities),
    )


def row_losses(labels: NDArray[np.float32], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log loss of each row, in nats, float64 [N]; their mean is `metrics.log_loss`."""
    given = np.where(labels == 1.0, probabilities, 1.0 - probabilities)
    return np.asarray(-np.log(np.clip(given, SMALLEST_PROBABILITY, 1.0)), np.float64)


def score_value(
    trials: Trials,
    worth: Mapping[str, float],
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
    seed: int = 0,
) -> ValueScore | None:
    """Judge an order of some trials by what their outcomes were worth.

    Args:
        trials: all trials.
        worth: of a positive of each label.
        rows: the trials judged, N; they should be whole lists.
        scores: float64 [N], what orders them.
        seed: of the intervals, and of the order of equal scores.

    Returns:
        None when fewer than two users have a list of two items or more.
    """
    value = sum(weight * trials.positive[label][rows].astype(np.float64) for label, weight in worth.items())
    assert isinstance(value, np.ndarray)
    lists, users = trials.lists[rows], trials.requests.users[rows]
    _, numbers, sizes = np.unique(lists, return_inverse=True, return_counts=True)
    tie = np.random.default_rng(seed).permutation(len(rows))

    def of_first_half(order_by: NDArray[np.float64]) -> NDArray[np.float64]:
        order = np.lexsort((tie, -order_by, numbers))
        starts = np.cumsum(sizes) - sizes
        place = np.arange(len(rows)) - np.repeat(starts, sizes)
        kept = order[place < np.repeat((sizes + 1) // 2, sizes)]
        return np.bincount(numbers[kept], weights=value[kept], minlength=len(sizes)) / ((sizes + 1) // 2)

    counted = sizes >= 2
    user_of_list = np.empty(len(sizes), np.int64)
    user_of_list[numbers] = users
    user_of_list = user_of_list[counted]
    if len(np.unique(user_of_list)) < 2:
        return None
    by_model = of_first_half(scores)[counted]
    by_log = of_first_half(-trials.places[rows].astype(np.float64))[counted]
    by_chance = (np.bincount(numbers, weights=value) / sizes)[counted]
    weights = sizes[counted].astype(np.float64)

    def mean(values: NDArray[np.float64]) -> Interval:
        return bootstrap_mean(values, user_of_list, weights, seed=seed)

    return ValueScore(
        mean(by_model),
        mean(by_log),
        mean(by_chance),
        mean(by_model - by_chance),
        int(counted.sum()),
        trials.list_kind,
    )


def auc_interval(
    labels: NDArray[np.float32],
    scores: NDArray[np.float64],
    users: NDArray[np.int64],
    *,
    beside: NDArray[np.float64] | None = None,
    seed: int = 0,
    level: float = 0.95,
    num_resamples: int = 200,
) -> Interval:
    """Return the AUC over all rows, and its percentile bootstrap over whole users.

    An AUC is no mean over users, so each resample weighs every row by how often its user was drawn. A
    resample without positives, or without negatives, has no AUC, and is left out.

    Args:
        labels: float32 [N] in {0, 1}.
        scores: float64 [N].
        users: int64 [N].
        beside: other scores of the same rows, float64 [N]: then the interval is of the difference, that of
            `scores` less that of `beside`; a resample draws the same users for both.
        seed: of the resamples.
        level: coverage of the interval.
        num_resamples: R.

    Raises:
        MetricInputError: when there is one user only or one outcome only, or no resample has both outcomes.
    """
    value, values_R = auc(labels, scores), _resampled_aucs(labels, scores, users, seed, num_resamples)
    if beside is not None:
        value -= auc(labels, beside)
        values_R -= _resampled_aucs(labels, beside, users, seed, num_resamples)
    values_R, num_users = values_R[np.isfinite(values_R)], len(np.unique(users))
    if num_users < 2 or len(values_R) == 0:
        raise MetricInputError(
            f"labels: expected both outcomes, of at least 2 users, to resample, got {int(labels.sum())} "
            f"positives in {len(labels)} rows of {num_users}; judge more users, or take the log loss"
        )
    low, high = np.quantile(values_R, ((1 - level) / 2, (1 + level) / 2))
    return Interval(value, float(low), float(high), level, num_users)


def _resampled_aucs(
    labels: NDArray[np.float32],
    scores: NDArray[np.float64],
    users: NDArray[np.int64],
    seed: int,
    num_resamples: int,
) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    _, user_of_row = np.unique(users, return_inverse=True)
    num_users = int(user_of_row.max()) + 1
    order = np.argsort(scores, kind="stable")
    positive, user_of_row, scores = labels[order] == 1.0, user_of_row[order], scores[order]
    starts = np.flatnonzero(np.diff(scores, prepend=-np.inf) > 0)
    values_R = np.empty(num_resamples)
    for resample in range(num_resamples):
        drawn = np.bincount(random.integers(0, num_users, num_users), minlength=num_users)
        weights = drawn[user_of_row].astype(np.float64)
        up = np.add.reduceat(np.where(positive, weights, 0.0), starts)
        down = np.add.reduceat(np.where(positive, 0.0, weights), starts)
        below = np.cumsum(down) - down
        num_pairs = up.sum() * down.sum()
        values_R[resample] = (up * (below + down / 2)).sum() / num_pairs if num_pairs > 0 else np.nan
    return values_R


def _interval(mean: Mean, seed: int) -> Interval | None:
    if mean.num_groups < 2:
        return None
    return bootstrap_mean(mean.values, mean.groups, mean.weights, seed=seed)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
