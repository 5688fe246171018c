"""Many sources, one list: each candidate once, every source heard in turn.

S sources, N proposals in all, C candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from shortlist.stages.contract import Items
from shortlist.stages.kernels import interleaved


@dataclass(frozen=True)
class Candidates:
    """Items [C], each once, in the sources' order; bit i of `sources` [C]: source i proposed it."""

    items: Items
    sources: Items

    def __len__(self) -> int:
        return len(self.items)


NOBODY = Candidates(np.empty(0, np.int64), np.empty(0, np.int64))


def merge(proposals: Mapping[int, Items], width: int) -> tuple[Candidates, Items]:
    """Interleave what the sources proposed: every source's first, then every source's second, ...

    Args:
        proposals: the items of each source, best first, by the source's number (below 63).
        width: how many candidates may pass.

    Returns:
        The candidates, at most `width`, and the items that were cut.
    """
    if not proposals:
        return NOBODY, NOBODY.items
    ends_S = np.array([*accumulate(map(len, proposals.values()))], np.int64)
    items_N = np.concatenate([*proposals.values()], dtype=np.int64)
    merged, sources = interleaved(items_N, ends_S, np.array([*proposals], np.int64))
    return Candidates(merged[:width], sources[:width]), merged[width:]
