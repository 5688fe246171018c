"""Many sources, one list: each candidate once, every source heard in turn.

S sources, N proposals in all, C candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shortlist.stages.contract import Items


@dataclass(frozen=True)
class Candidates:
    """Items [C], each once, in the sources' order; bit i of `sources` [C]: source i proposed it."""

    items: Items
    sources: Items

    def __len__(self) -> int:
        return len(self.items)


def merge(proposals: Mapping[int, Items], width: int) -> tuple[Candidates, Items]:
    """Interleave what the sources proposed: every source's first, then every source's second, ...

    Args:
        proposals: the items of each source, best first, by the source's number (below 63).
        width: how many candidates may pass.

    Returns:
        The candidates, at most `width`, and the items that were cut.
    """
    if not proposals:
        empty = np.empty(0, np.int64)
        return Candidates(empty, empty), empty
    items_N = np.concatenate(list(proposals.values()))
    bits_N = np.repeat([1 << source for source in proposals], [len(items) for items in proposals.values()])
    turn_N = np.concatenate([np.arange(len(items)) for items in proposals.values()])
    in_turn = np.argsort(turn_N, kind="stable")
    distinct, first, which = np.unique(items_N[in_turn], return_index=True, return_inverse=True)
    sources = np.zeros(len(distinct), np.int64)
    np.bitwise_or.at(sources, which, bits_N[in_turn])
    order = np.argsort(first)
    merged, masks = distinct[order], sources[order]
    return Candidates(merged[:width], masks[:width]), merged[width:]
