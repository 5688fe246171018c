"""Vector indexes on clustered vectors: recall, time, size, build, load, recall behind filters; beside faiss.

    OMP_NUM_THREADS=1 python benchmarks/vector_index.py --items 1000000 --width 64

Vectors lie around thousands of centres, queries between two of them. One query at a time; a time is the mean
over the queries, of the fastest of five passes that take turns. `around` is what a search takes beside the
two calls into faiss. The peer is faiss's flat index. The variable holds NumPy to one thread too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import faiss
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from shortlist.index.allowed import Allowed
from shortlist.index.choose import choose_index, recall_of
from shortlist.index.contract import StoredIndex
from shortlist.index.exact import ExactIndex
from shortlist.index.inverted_lists import CODES, InvertedLists
from shortlist.index.partition import num_lists_of
from shortlist.index.stored import load_index

N = 100
NUM_QUERIES = 200
SHARES = (0.5, 0.1, 0.01, 0.001)
PASSES = 5

console = Console(width=150)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--width", type=int, default=64)
    asked = parser.parse_args()
    vectors, queries = clustered(asked.items, asked.width)
    tuning, queries = queries[:NUM_QUERIES], queries[NUM_QUERIES:]
    exact = ExactIndex(vectors)
    table = Table(
        box=box.SIMPLE_HEAD, title=f"{asked.items:,} x {asked.width}, top {N}", title_justify="left"
    )
    for name in (
        "index",
        "probes",
        f"recall@{N}",
        "us",
        "around us",
        "MB searched",
        "MB disk",
        "build s",
        "load ms",
    ):
        table.add_column(name, justify="left" if name == "index" else "right")
    with tempfile.TemporaryDirectory() as scratch:
        table.add_row(*row("exact", exact, exact, queries, 0.0, Path(scratch)))
        flat = faiss.IndexFlatIP(asked.width)
        flat.add(vectors)
        flat_us = mean_us(queries[:50], lambda query: flat.search(query, N))[0]
        table.add_row("faiss flat", "", "1.000", f"{flat_us:.0f}", "", f"{vectors.nbytes / 1e6:.0f}")
        for codes in CODES:
            started_s = time.perf_counter()
            lists = InvertedLists.build(vectors, tuning, num_lists=num_lists_of(len(vectors)), codes=codes)
            build_s = time.perf_counter() - started_s
            for num_probes in (4, 8, 16, 32):
                index = lists.with_num_probes(num_probes)
                table.add_row(*row(index.name, index, exact, queries, build_s, Path(scratch)))
        console.print(table)
    chosen = choose_index(vectors, np.concatenate([tuning, queries]))
    console.print(f"chosen for a recall of .95: {chosen.report}")
    console.print(filters(chosen, exact, queries))


def clustered(num_items: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of several hundred to a centre, their lengths unlike, and queries near two centres."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(max(num_items // 250, 10), width)).astype(np.float32)
    vectors = np.empty((num_items, width), np.float32)
    for start in range(0, num_items, 100_000):
        rows = vectors[start : start + 100_000]
        rows[:] = centres[random.integers(0, len(centres), len(rows))]
        rows += 0.6 * random.normal(size=rows.shape).astype(np.float32)
        rows *= np.exp(0.1 * random.normal(size=(len(rows), 1))).astype(np.float32)
    pairs = random.integers(0, len(centres), (2 * NUM_QUERIES, 2))
    queries = centres[pairs].mean(axis=1) + 0.5 * random.normal(size=(len(pairs), width))
    return vectors, queries.astype(np.float32)


def row(
    name: str, index: StoredIndex, exact: ExactIndex, queries: np.ndarray, build_s: float, folder: Path
) -> list[str]:
    """Save, load, and measure what was loaded."""
    index.save(folder)
    disk_mb = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    loads_ms = []
    for _ in range(3):
        started_s = time.perf_counter()
        loaded = load_index(folder)
        loads_ms.append(1000 * (time.perf_counter() - started_s))
    recall = recall_of(loaded, exact, queries, N)
    few = queries[:50] if index.kind == "exact" else queries
    alone = [FaissAlone(loaded)] if isinstance(loaded, InvertedLists) else []
    us, *faiss_us = mean_us(few, lambda query: loaded.search(query, N), *alone)
    for path in folder.iterdir():
        path.unlink()
    return [
        name, str(getattr(index, "num_probes", "")), f"{recall:.3f}", f"{us:.0f}",
        "".join(f"{us - one:.0f}" for one in faiss_us), f"{index.num_bytes / 1e6:.0f}", f"{disk_mb:.0f}",
        f"{build_s:.1f}", f"{min(loads_ms):.1f}",
    ]  # fmt: skip


class FaissAlone:
    """The same two searches in faiss, everything around them made beforehand."""

    def __init__(self, index: InvertedLists) -> None:
        self.index, probes, asked = index, index.num_probes, N + N // 4
        self.lists, self.probes = index._lists, index._probes
        self.probed, self.near = np.empty(probes, np.int64), np.empty(probes, np.float32)
        self.found, self.rough = np.empty(asked, np.int64), np.empty(asked, np.float32)
        self.padded = np.zeros(max(self.lists.d, index.width + 1), np.float32)
        self.parameters = faiss.SearchParametersIVF(nprobe=probes)
        at = faiss.swig_ptr
        self.first = (self.index.num_probes, at(self.near), at(self.probed))
        self.second = (len(self.found), at(self.probed), at(self.near), at(self.rough), at(self.found))

    def __call__(self, query: np.ndarray) -> None:
        """Search once."""
        self.padded[: self.index.width] = query[0]
        self.probes.search_c(1, faiss.swig_ptr(self.padded), *self.first)
        self.lists.search_preassigned_c(
            1, faiss.swig_ptr(self.padded), *self.second, False, self.parameters, None
        )


def mean_us(queries: np.ndarray, *searches: Callable[[np.ndarray], object]) -> list[float]:
    """Time searches in turns; what disturbs one disturbs the other."""
    passes_us: list[list[float]] = [[] for _ in searches]
    for _ in range(PASSES):
        for search, taken_us in zip(searches, passes_us, strict=True):
            started_s = time.perf_counter()
            for query in queries[:, None, :]:
                search(query)
            taken_us.append(1e6 * (time.perf_counter() - started_s) / len(queries))
    return [min(taken_us) for taken_us in passes_us]


def behind(index: StoredIndex, allowed: Allowed, query: np.ndarray) -> None:
    index.search(query, N, allowed)


def filters(index: StoredIndex, exact: ExactIndex, queries: np.ndarray) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=f"{index.name}, behind a filter", title_justify="left")
    for name in ("kept", f"recall@{N}", "us", "exact us"):
        table.add_column(name, justify="right")
    few = queries[:50]
    for share in SHARES:
        allowed = Allowed.of(np.random.default_rng(1).random(exact.num_items) < share)
        true, found = (one.search(few, N, allowed)[0] for one in (exact, index))
        hits = sum(len(np.intersect1d(a[a >= 0], b)) for a, b in zip(true, found, strict=True))
        us, exact_us = mean_us(few, *(partial(behind, one, allowed) for one in (index, exact)))
        table.add_row(f"{share:.1%}", f"{hits / (true >= 0).sum():.3f}", f"{us:.0f}", f"{exact_us:.0f}")
    return table


if __name__ == "__main__":
    main()
