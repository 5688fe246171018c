"""Measures of association, with bounds that many questions at once do not break.

Shape legend: N rows, K keys, W neighbours.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

SIGNIFICANCE = 0.001
"""Chance that a clean declaration is accused at all by a bound, shared by all questions: Bonferroni."""


def bound_width(num_questions: int) -> float:
    """Return how many standard errors a one-sided bound lies away, so that all of them hold together."""
    return NormalDist().inv_cdf(1.0 - SIGNIFICANCE / max(num_questions, 1))


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return middle ranks [N]."""
    _, inverse, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    middles: NDArray[np.float64] = (ends - (sizes - 1) / 2.0)[inverse]
    return middles


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the rank correlation; 0 when one of them is constant."""
    a, b = ranks(a), ranks(b)
    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def lower_bound(correlation: float, num_keys: int, width: float) -> float:
    """Return the bound nearer to nothing of a correlation's size, by Fisher's z; never below 0."""
    near = np.arctanh(min(abs(correlation), 0.999999)) - width / np.sqrt(max(num_keys - 3, 1))
    return float(np.tanh(max(near, 0.0)))


def neighbours_say(
    values: NDArray[np.float64],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
    num_neighbours: int = 24,
) -> NDArray[np.float64]:
    """Predict each key's target from the keys whose values lie nearest, itself left out, [K].

    A weighted straight line through the neighbours in rank: Cleveland, "Robust Locally Weighted Regression",
    JASA 1979, without the robustness. Where neighbours have all one value it is their mean.
    """
    num_keys = len(values)
    width = min(num_neighbours + 1, num_keys)
    random = np.random.default_rng(0)  # keys of one value have no order of their own
    order = np.lexsort((random.random(num_keys), values))
    x_K, y_K, w_K = values[order], targets[order], weights[order]
    starts_K = np.clip(np.arange(num_keys) - width // 2, 0, num_keys - width)
    near_KW = starts_K[:, None] + np.arange(width)
    w_KW = np.where(near_KW == np.arange(num_keys)[:, None], 0.0, w_K[near_KW])
    total_K = np.maximum(w_KW.sum(1), 1e-12)
    x_KW, y_KW = x_K[near_KW], y_K[near_KW]
    mean_x_K, mean_y_K = (w_KW * x_KW).sum(1) / total_K, (w_KW * y_KW).sum(1) / total_K
    away_KW = x_KW - mean_x_K[:, None]
    spread_K = (w_KW * away_KW**2).sum(1)
    slope_K = (w_KW * away_KW * (y_KW - mean_y_K[:, None])).sum(1) / np.where(spread_K > 0, spread_K, 1.0)
    # Beyond the neighbours a line says anything: stay at their edge.
    edge_K = np.clip(x_K, np.where(w_KW > 0, x_KW, np.inf).min(1), np.where(w_KW > 0, x_KW, -np.inf).max(1))
    told = np.empty(num_keys)
    told[order] = mean_y_K + slope_K * (edge_K - mean_x_K)
    return told
