"""The score: what showing a candidate is expected to be worth.

C candidates, F feature columns, P labels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shortlist.models.contract import FittedRanker, Shared


class ExpectedValue:
    """The sum over labels of the probability of a positive times its worth.

    Args:
        rankers: what predicts each label, by name.
        weights: what a positive of each of these labels is worth.
    """

    def __init__(self, rankers: Mapping[str, FittedRanker], weights: Mapping[str, float]) -> None:
        assert rankers, "a score needs a ranker"
        assert rankers.keys() <= weights.keys(), "every predicted label needs its worth"
        self.labels = tuple(rankers)
        self._rankers = tuple(rankers.values())
        self._weights = np.array([weights[label] for label in self.labels], np.float64)

    def score(self, features: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Score candidates.

        Args:
            features: float32 [C, F], in the rankers' columns; never changed.

        Returns:
            The scores float64 [C] and each label's probability float32 [C, P], in the order of
            `labels`. A prediction that is not a number makes its score not a number.
        """
        predicted_CP = np.empty((len(features), len(self._rankers)), np.float64)
        shared: Shared = {}  # heads of one network compute its body once
        for column, ranker in enumerate(self._rankers):
            predicted_CP[:, column] = ranker.predict(features, shared)
        # A sum, not a matrix product: a row's score must not depend on how many rows come with it.
        scores = (predicted_CP * self._weights).sum(axis=1)
        return scores, predicted_CP.astype(np.float32)
