"""Which videos may be shown to whom at a time: one shelf for each topic and audience.

Shapes: S slates, T topics, V videos. Audience 0 are minors, who never see explicit videos; 1 are adults.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.world.catalogue import Catalogue


class Shelves:
    """Videos sorted by audience, topic and publication, so that what is out is a prefix of each shelf.

    Args:
        catalogue: the videos.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        num_topics = len(catalogue.topic_names)
        minors = np.flatnonzero(~catalogue.explicit)
        adults = np.arange(len(catalogue))
        videos = np.concatenate([minors, adults])
        shelf = catalogue.topic[videos] + num_topics * np.repeat([0, 1], [len(minors), len(adults)])
        order = np.lexsort((videos, shelf))
        self._videos = videos[order]

        # One sorted key of (shelf, age) answers every "how many are out" with one binary search.
        self._origin_us = int(catalogue.published_us[0])
        self._span_us = int(catalogue.published_us[-1]) - self._origin_us + 1
        age_us = catalogue.published_us[self._videos] - self._origin_us
        self._keys = shelf[order] * self._span_us + age_us
        self._shelves = np.arange(2 * num_topics).reshape(2, num_topics)
        self._starts = np.searchsorted(shelf[order], self._shelves)

    def num_out(self, audience_S: NDArray[np.int64], time_us_S: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the videos on each topic's shelf at a time: int64 [S, T]."""
        age_us_S = np.clip(time_us_S - self._origin_us, -1, self._span_us - 1)
        wanted_ST = self._shelves[audience_S] * self._span_us + age_us_S[:, None]
        counts_ST: NDArray[np.int64] = (
            np.searchsorted(self._keys, wanted_ST, side="right") - self._starts[audience_S]
        )
        return np.maximum(counts_ST, 0)

    def take(
        self, audience_S: NDArray[np.int64], topic_S: NDArray[np.int64], place_S: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Read the video at a place of a shelf, oldest first."""
        taken_S: NDArray[np.int64] = self._videos[self._starts[audience_S, topic_S] + place_S]
        return taken_S
