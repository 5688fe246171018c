"""The exact index, by the suite."""

from __future__ import annotations

from index.conformance import StoredIndexConformance
from shortlist.index.exact import ExactIndex


class TestExactIndex(StoredIndexConformance):
    def built(self, vectors):
        return ExactIndex(vectors)
