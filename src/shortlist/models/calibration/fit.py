"""Calibrations fitted on held-out rows, and the choice among them by cross-fitted log loss.

N rows, K distinct scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.arrays import frozen
from shortlist.compiled import compiled
from shortlist.models.calibration.curve import IDENTITY, NO_KNOTS, Calibration
from shortlist.models.contract import Examples

_PLATT_STEPS = 50
_RIDGE = 1e-6  # keeps the slope finite where scores part the classes
_MAX_LOG_ODDS = 30.0


def platt(
    scores: NDArray[np.float64], labels: NDArray[np.float64], weights: NDArray[np.float64]
) -> Calibration:
    """Fit a line on the log loss (Platt, "Probabilistic Outputs for Support Vector Machines", 1999).

    The targets are Platt's: just inside 0 and 1, so that few rows do not promise certainty. The slope is kept
    above 0: a model whose order is wrong is not turned round.

    Args:
        scores: float64 [N].
        labels: float64 [N] in {0, 1}.
        weights: float64 [N], positive.
    """
    spread = float(scores.std()) or 1.0
    unit_N = (scores - scores.mean()) / spread
    positives, negatives = float(weights @ labels), float(weights @ (1.0 - labels))
    targets_N = np.where(labels > 0, (positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0))
    slope, shift = 0.0, float(np.log((positives + 1.0) / (negatives + 1.0)))
    for _ in range(_PLATT_STEPS):  # Newton, halved until it improves
        z_N = slope * unit_N + shift
        chance_N = 0.5 * (1.0 + np.tanh(0.5 * z_N))
        error_N, curve_N = weights * (chance_N - targets_N), weights * chance_N * (1.0 - chance_N)
        gradient = np.array([error_N @ unit_N + _RIDGE * slope, error_N.sum()])
        across = float(curve_N @ unit_N)
        hessian = np.array([[curve_N @ unit_N**2 + _RIDGE, across], [across, curve_N.sum() + _RIDGE]])
        step = np.linalg.solve(hessian, gradient)
        before, size = _line_loss(unit_N, targets_N, weights, slope, shift), 1.0
        while (
            size > 1e-6
            and _line_loss(unit_N, targets_N, weights, slope - size * step[0], shift - size * step[1])
            > before
        ):
            size /= 2.0
        slope, shift = slope - size * float(step[0]), shift - size * float(step[1])
        if np.abs(step).max() < 1e-9:
            break
    slope = max(slope, 1e-6) / spread
    return Calibration("platt", NO_KNOTS, NO_KNOTS, slope, shift - slope * float(scores.mean()))


def isotonic(
    scores: NDArray[np.float64], labels: NDArray[np.float64], weights: NDArray[np.float64]
) -> Calibration:
    """Fit the best never-falling steps by pooling violators (Zadrozny and Elkan, KDD 2002), as a curve.

    A step counts half a positive and half a negative more than it has: none promises certainty. Between
    the middles of two steps the curve is a line: fewer scores tie than on the steps themselves.

    Args:
        scores: float64 [N].
        labels: float64 [N] in {0, 1}.
        weights: float64 [N], positive.
    """
    distinct_K, place_N = np.unique(scores, return_inverse=True)
    total_K = np.bincount(place_N, weights).astype(np.float64)
    positive_K = np.bincount(place_N, weights * labels).astype(np.float64)
    block_K = np.empty(len(distinct_K), np.int64)
    num_blocks = pool_adjacent(positive_K, total_K, block_K)
    total = np.bincount(block_K, total_K, num_blocks)
    positive = np.bincount(block_K, positive_K, num_blocks)
    middle = np.bincount(block_K, total_K * distinct_K, num_blocks) / total
    log_odds = np.log((positive + 0.5) / (total - positive + 0.5))
    return Calibration("isotonic", frozen(middle), frozen(np.maximum.accumulate(log_odds)))


def best_calibration(
    scores: NDArray[np.float64], held_out: Examples, *, are_log_odds: bool = True, seed: int = 0
) -> Calibration:
    """Return the map with the lowest cross-fitted log loss, fitted on all rows.

    Rows of half the groups (users) fit a map that the other half judges, and the other way round: a map is
    never judged by rows that shaped it. Of equal ones the simplest is kept: none, then Platt.

    Args:
        scores: float64 [N], the model's.
        held_out: the N rows, which the model was not fitted on.
        are_log_odds: whether the scores could stand as they are; if not, none is no choice.
        seed: of the halves.
    """
    labels = held_out.labels.astype(np.float64)
    weights = np.ones(len(labels)) if held_out.weights is None else held_out.weights.astype(np.float64)
    _, number_N = np.unique(held_out.groups, return_inverse=True)
    half_N = np.random.default_rng(seed).permutation(number_N.max() + 1)[number_N] % 2 == 0
    if half_N.all() or labels.min() == labels.max():
        return IDENTITY if are_log_odds else platt(scores, labels, weights)
    losses = {"none": _loss(scores, labels, weights)} if are_log_odds else {}
    fits = {"platt": platt, "isotonic": isotonic}
    for name, fit in fits.items():
        losses[name] = sum(
            _loss(fit(scores[on], labels[on], weights[on])(scores[~on]), labels[~on], weights[~on])
            for on in (half_N, ~half_N)
        )
    chosen = min(losses, key=losses.__getitem__)
    return IDENTITY if chosen == "none" else fits[chosen](scores, labels, weights)


@compiled
def pool_adjacent(
    positive_K: NDArray[np.float64], total_K: NDArray[np.float64], block_K: NDArray[np.int64]
) -> int:
    """Write the block of each distinct score, rates rising by block; return the number of blocks."""
    num_blocks = 0
    ups, alls = np.empty(len(total_K)), np.empty(len(total_K))
    first_K = np.empty(len(total_K), np.int64)
    for k in range(len(total_K)):
        ups[num_blocks], alls[num_blocks], first_K[num_blocks] = positive_K[k], total_K[k], k
        num_blocks += 1
        while num_blocks > 1 and (
            ups[num_blocks - 2] * alls[num_blocks - 1] >= ups[num_blocks - 1] * alls[num_blocks - 2]
        ):
            num_blocks -= 1
            ups[num_blocks - 1] += ups[num_blocks]
            alls[num_blocks - 1] += alls[num_blocks]
    for block in range(num_blocks):
        last = first_K[block + 1] if block + 1 < num_blocks else len(total_K)
        block_K[first_K[block] : last] = block
    return num_blocks


def _line_loss(
    unit_N: NDArray[np.float64],
    targets_N: NDArray[np.float64],
    weights: NDArray[np.float64],
    slope: float,
    shift: float,
) -> float:
    z_N = slope * unit_N + shift
    return float(weights @ (np.logaddexp(0.0, z_N) - targets_N * z_N)) + _RIDGE / 2 * slope**2


def _loss(log_odds: NDArray[np.float64], labels: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    bounded_N = np.clip(log_odds, -_MAX_LOG_ODDS, _MAX_LOG_ODDS)
    return float(weights @ (np.logaddexp(0.0, bounded_N) - labels * bounded_N))
