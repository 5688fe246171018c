"""Popularity: what everybody interacts with now. The rung that every other model must beat.

N interactions, I items.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.types import duration_us
from shortlist.models.contract import Progress
from shortlist.models.errors import ModelFileError
from shortlist.models.files import frozen, read_array, read_description, write_array, write_description
from shortlist.models.retrieval import FittedRetrieval, Interactions, RetrievalModel, UserBatch


@dataclass(frozen=True)
class Popularity(RetrievalModel):
    """The sum of an item's interaction weights, each halved for every `half_life` of its age.

    Ages count from the newest interaction, so that refitting on the same log gives the same model.

    Args:
        half_life: a duration such as "1d".

    Raises:
        DeclarationError: when `half_life` is no duration.
    """

    half_life: str = "1d"
    kind: ClassVar[str] = "popularity"

    def __post_init__(self) -> None:
        duration_us("Popularity.half_life", self.half_life)

    def fit(
        self, interactions: Interactions, *, seed: int = 0, progress: Progress | None = None
    ) -> FittedPopularity:
        """Sum the decayed weights; `seed` changes nothing."""
        decayed_N = self.decayed(interactions)
        scores_I = np.bincount(interactions.items, weights=decayed_N, minlength=interactions.num_items)
        return FittedPopularity(scores_I.astype(np.float32))

    def decayed(self, interactions: Interactions) -> NDArray[np.float64]:
        """Return what is left of each interaction's weight, float64 [N]."""
        times_N = interactions.times_us
        newest_us = times_N[-1] if len(times_N) else 0
        num_half_lives_N = (newest_us - times_N) / duration_us("Popularity.half_life", self.half_life)
        return np.asarray(interactions.weights * np.exp2(-num_half_lives_N), np.float64)


class FittedPopularity(FittedRetrieval):
    """The decayed popularity of each item, `counts` float32 [I]."""

    kind: ClassVar[str] = "popularity"

    def __init__(self, counts: NDArray[np.float32]) -> None:
        self.counts: NDArray[np.float32] = frozen(counts)
        self.num_items = len(counts)
        known = np.flatnonzero(self.counts)
        self._order = known[np.argsort(-self.counts[known], kind="stable")].astype(np.int32)

    def top(self, n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the n most popular items and their scores, best first; items nobody touched are left out."""
        items = self._order[: max(0, n)]
        return items, self.counts[items]

    def scores(self, users: UserBatch) -> NDArray[np.float32]:
        """Return the same counts for every user, float32 [B, I]."""
        return np.tile(self.counts, (len(users), 1))

    def save(self, folder: Path) -> None:
        """Write `model.json` and `counts.npy`."""
        write_description(folder, self.kind)
        write_array(folder, "counts", self.counts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `ModelFileError` when it is damaged."""
        read_description(folder, cls.kind)
        counts = read_array(folder, "counts", np.float32, (None,))
        if not (np.isfinite(counts).all() and (counts >= 0).all()):
            raise ModelFileError(f"{folder}: expected finite, non-negative counts.")
        return cls(counts)
