"""The optimum of a logistic regression over slots: compiled sums under SciPy's L-BFGS.

N rows, F columns, S slots of all columns. A row's place in a column is a point between two slots: at 2.25 it
takes three quarters of slot 2 and a quarter of slot 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from shortlist.compiled import compiled
from shortlist.models.contract import Examples, Progress

_MAX_STEPS = 200
_TOLERANCE = 1e-7  # stop when a step improves the mean loss by less than this share
_IMAGINED = 0.5  # half a positive and half a negative keep the intercept finite when all labels are equal


def optimum(
    places_NF: NDArray[np.float32],
    starts: NDArray[np.int64],
    train: Examples,
    l2: float,
    progress: Progress | None,
) -> tuple[float, NDArray[np.float64]]:
    """Return the intercept and the slot values, float64 [S], that minimise the penalised log loss.

    Args:
        places_NF: each row's place in each column.
        starts: int64 [F + 1], where each column's slots start among all, and S.
        train: for its labels and weights.
        l2: the ridge penalty on the slot values; the intercept is free.
        progress: told of the steps.
    """
    num_slots = int(starts[-1])
    labels_N = train.labels.astype(np.float64)
    weights_N = np.ones_like(labels_N) if train.weights is None else train.weights.astype(np.float64)
    total = weights_N.sum() + 2 * _IMAGINED
    base_rate = (weights_N @ labels_N + _IMAGINED) / total
    # Measured in units of its own curvature every slot is as steep as another, rare or common,
    # and L-BFGS needs half the steps.
    rows_S = spread_rows(places_NF, starts[:-1], weights_N, num_slots + 1)[:-1]
    unit_S = 1.0 / np.sqrt(np.append(total, rows_S) * base_rate * (1.0 - base_rate) + l2)

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        intercept, values_S = point[0] * unit_S[0], point[1:] * unit_S[1:]
        z_N = intercept + weigh_rows(places_NF, starts[:-1], np.append(values_S, 0.0))
        imagined = _IMAGINED * (np.logaddexp(0.0, intercept) + np.logaddexp(0.0, -intercept))
        log_loss = weights_N @ (np.logaddexp(0.0, z_N) - labels_N * z_N) + imagined
        residual_N = weights_N * (_sigmoid(z_N) - labels_N)
        slope_S = spread_rows(places_NF, starts[:-1], residual_N, num_slots + 1)[:-1] + l2 * values_S
        slope = residual_N.sum() + _IMAGINED * (2.0 * _sigmoid(intercept) - 1.0)
        gradient = np.append(slope, slope_S) * unit_S
        return (log_loss + l2 / 2 * (values_S @ values_S)) / total, gradient / total

    start = np.zeros(num_slots + 1)
    start[0] = np.log(base_rate / (1.0 - base_rate)) / unit_S[0]
    steps = 0

    def after_step(intermediate_result: Any) -> None:
        nonlocal steps
        steps += 1
        if progress is not None:
            progress(min(steps, _MAX_STEPS - 1), _MAX_STEPS)

    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=after_step,
        options={"maxiter": _MAX_STEPS, "ftol": _TOLERANCE, "gtol": 1e-7},
    )
    if progress is not None:
        progress(_MAX_STEPS, _MAX_STEPS)
    return float(found.x[0] * unit_S[0]), found.x[1:] * unit_S[1:]


def _sigmoid(z: Any) -> Any:
    return 0.5 * (1.0 + np.tanh(0.5 * z))


@compiled
def weigh_rows(
    places_NF: NDArray[np.float32], starts_F: NDArray[np.int64], weights_S: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return for each row the sum of the weights at its places; `weights_S` ends with a spare slot."""
    sums_N = np.zeros(places_NF.shape[0])
    for row in range(places_NF.shape[0]):
        for column in range(places_NF.shape[1]):
            place = places_NF[row, column]
            slot = np.int64(place)
            upper = np.float64(place - slot)
            slot += starts_F[column]
            sums_N[row] += weights_S[slot] * (1.0 - upper) + weights_S[slot + 1] * upper
    return sums_N


@compiled
def spread_rows(
    places_NF: NDArray[np.float32],
    starts_F: NDArray[np.int64],
    amounts_N: NDArray[np.float64],
    num_slots: int,
) -> NDArray[np.float64]:
    """Return for each slot what the rows bring to it, the transpose of `weigh_rows`."""
    sums_S = np.zeros(num_slots)
    for row in range(places_NF.shape[0]):
        for column in range(places_NF.shape[1]):
            place = places_NF[row, column]
            slot = np.int64(place)
            upper = np.float64(place - slot)
            slot += starts_F[column]
            sums_S[slot] += amounts_N[row] * (1.0 - upper)
            sums_S[slot + 1] += amounts_N[row] * upper
    return sums_S
