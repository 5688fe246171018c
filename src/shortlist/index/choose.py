"""Choosing an index: from the size of the catalogue, the memory there is, and the recall that is measured.

B queries, I items, D width, n wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shortlist.index.contract import StoredIndex
from shortlist.index.exact import ExactIndex
from shortlist.index.inverted_lists import CODES, InvertedLists
from shortlist.index.partition import num_lists_of
from shortlist.index.report import IndexReport

EXACT_UP_TO = 50_000
"""Items up to which looking at all of them is quick enough, and needs nothing built."""

_LEAST_QUERIES, _MOST_QUERIES = 20, 400
_MOST_PROBED = 4  # one list of so many; where more are needed, lists save too little
_SAFE = 0.2  # how far towards 1 recall is tuned above what is asked for, as other queries will differ


class IndexBudgetError(ValueError):
    """A memory budget that no index of these vectors fits in.

    Attributes:
        least_bytes: what would do.
    """

    def __init__(self, message: str, least_bytes: int) -> None:
        super().__init__(message)
        self.least_bytes = least_bytes


def choose_index(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    memory_bytes: int | None = None,
    target_recall: float = 0.95,
    n: int = 100,
    exact_up_to: int = EXACT_UP_TO,
    seed: int = 0,
) -> StoredIndex:
    """Build the index that suits, and say in its `report` how it does.

    A small catalogue is searched exactly. Of a large one lists are made: with 8 bits a coordinate where that
    reaches the recall, else with 16; where neither does with a quarter of the lists, it is exact again, if
    that fits the memory. Every other query tunes, the others measure.

    Args:
        vectors: float32 [I, D].
        queries: float32 [B, D] such as will be asked; some hundred. With fewer than 20 nothing can be
            measured: the index must be exact.
        memory_bytes: most that searches may go through; None for no limit. The vectors themselves stay on
            disk beside lists, and of those a search reads the few that it returns.
        target_recall: share of the exact n to be found.
        n: how many items are asked for.
        exact_up_to: see `EXACT_UP_TO`.
        seed: of everything random.

    Raises:
        IndexBudgetError: when nothing fits, or only lists would that cannot be measured.
    """
    started_s = time.perf_counter()
    exact = ExactIndex(vectors)
    drawn = np.sort(np.random.default_rng(seed).permutation(len(queries))[:_MOST_QUERIES])
    asked = np.asarray(queries, np.float32)[drawn]
    tuning, held_out = asked[::2], asked[1::2]
    is_exact_possible = memory_bytes is None or exact.num_bytes <= memory_bytes
    if is_exact_possible and (exact.num_items <= exact_up_to or len(asked) < _LEAST_QUERIES):
        return _reported(exact, exact, held_out, n, started_s)
    if len(asked) < _LEAST_QUERIES:
        raise IndexBudgetError(
            f"queries: expected {_LEAST_QUERIES} or more, to measure what lists of {memory_bytes:,} bytes "
            f"find, received {len(asked)}. Pass more, or raise memory_bytes to {exact.num_bytes:,}.",
            exact.num_bytes,
        )
    best: StoredIndex | None = None
    for codes in CODES:
        lists = InvertedLists.build(
            vectors, tuning, num_lists=min(num_lists_of(len(vectors)), max(1, len(vectors) // 2)),
            codes=codes, tuned_n=n, seed=seed,
        )  # fmt: skip
        if memory_bytes is not None and lists.num_bytes > memory_bytes:
            break
        aim = target_recall + _SAFE * (1.0 - target_recall)
        best, has_reached = _tuned(lists, exact, tuning, n, aim)
        if has_reached:
            return _reported(best, exact, held_out, n, started_s)
    if is_exact_possible:
        best = exact
    if best is None:
        least_bytes = min(lists.num_bytes, exact.num_bytes)
        raise IndexBudgetError(
            f"memory_bytes: expected at least {least_bytes:,} for {len(vectors):,} vectors of "
            f"{vectors.shape[1]}, received {memory_bytes:,}. Raise it, or train narrower vectors.",
            least_bytes,
        )
    return _reported(best, exact, held_out, n, started_s)


def recall_of(index: StoredIndex, exact: ExactIndex, queries: NDArray[np.float32], n: int) -> float:
    """Return the share of the exact n that an index finds; 1 for no queries."""
    return _recall_against(exact.search(queries, n)[0], index.search(queries, n)[0])


def _recall_against(true_Bn: NDArray[np.int32], found_Bn: NDArray[np.int32]) -> float:
    num_true = int((true_Bn >= 0).sum())
    pairs = zip(true_Bn, found_Bn, strict=True)
    num_found = sum(len(np.intersect1d(true[true >= 0], found[found >= 0])) for true, found in pairs)
    return num_found / num_true if num_true else 1.0


def _tuned(
    lists: InvertedLists, exact: ExactIndex, queries: NDArray[np.float32], n: int, aim: float
) -> tuple[InvertedLists, bool]:
    """Return the lists with the fewest probes that reach a recall, and whether any number does."""
    true_Bn = exact.search(queries, n)[0]
    most = max(1, lists.num_lists // _MOST_PROBED)

    def reaches(num_probes: int) -> bool:
        found_Bn, _ = lists.with_num_probes(num_probes).search(queries, n)
        return _recall_against(true_Bn, found_Bn) >= aim

    num_probes = _least(reaches, most)
    return lists.with_num_probes(num_probes or most), num_probes is not None


def _least(reaches: Callable[[int], bool], most: int) -> int | None:
    """Return the least number from 1 to `most` that reaches what a greater one reaches too; None for none."""
    low, high = 0, 1
    while not reaches(high):
        if high == most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def _reported(
    index: StoredIndex, exact: ExactIndex, queries: NDArray[np.float32], n: int, started_s: float
) -> StoredIndex:
    build_s = time.perf_counter() - started_s
    recall = 1.0 if index is exact else recall_of(index, exact, queries, n)
    began_s = time.perf_counter()
    for query_1D in queries[:, None, :]:
        index.search(query_1D, n)
    search_us = 1e6 * (time.perf_counter() - began_s) / len(queries) if len(queries) else None
    return index.with_report(
        IndexReport(
            name=index.name, num_bytes=index.num_bytes, n=n, recall=recall, num_queries=len(queries),
            search_us=search_us, build_s=build_s,
        )
    )  # fmt: skip
