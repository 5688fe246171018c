"""The kernel that suits an ensemble, with its tables made once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.models.trees import walk
from shortlist.models.trees.kernel import packed
from shortlist.models.trees.text import Trees


class TreeScorer:
    """Scores rows; by walking the trees where the faster kernel cannot have them, with the same bits."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._packed = packed(trees)

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the raw scores, float64 [N].

        Args:
            features: float32 [N, F], row after row or column after column.
        """
        assert features.shape[1] == self._trees.num_features
        if self._packed is None:
            return walk.raw_scores(self._trees, np.ascontiguousarray(features))
        return self._packed.raw_scores(features)
